//! What the CRD's rules refuse, refused by the operator too: its configuration never saw the API server, and a Tenant may have
//! been written under other rules.

use crds::{PodVolume, ProjectedVolume, WorkerTemplate, reserved};

use super::Wrong;

/// A label's or an annotation's key, and a label's value
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set>).
const NAME_LENGTH: usize = 63;
const DOMAIN_LENGTH: usize = 253;

pub(super) fn check(given: &WorkerTemplate, at: &str) -> Result<(), Wrong> {
    for key in given.labels.keys() {
        metadata_key(key, &format!("{at}.labels"))?;
    }
    for key in given.annotations.keys() {
        metadata_key(key, &format!("{at}.annotations"))?;
    }
    for (key, value) in &given.labels {
        if !value.is_empty() && !is_name(value) {
            return Err(Wrong::new(
                format!("{at}.labels[{key}]"),
                "must be at most 63 of A-Z a-z 0-9 - _ . with a letter or digit at both ends",
            ));
        }
    }
    if let Some(name) = given
        .priority_class_name
        .as_ref()
        .filter(|name| name.starts_with("system-"))
    {
        return Err(Wrong::new(
            format!("{at}.priorityClassName"),
            format!("{name:?} must not begin with system-, whose classes are for Kubernetes' own pods"),
        ));
    }
    for (index, one) in given.volumes.iter().enumerate() {
        volume(one, &format!("{at}.volumes[{index}]"))?;
    }
    for (index, one) in given.volume_mounts.iter().enumerate() {
        mount(one, &format!("{at}.volumeMounts[{index}]"))?;
    }
    for (index, one) in given.env_from.iter().enumerate() {
        env_from(one, &format!("{at}.envFrom[{index}]"))?;
    }
    unique(
        given.volumes.iter().map(|one| &one.name),
        &format!("{at}.volumes"),
    )?;
    unique(
        given.volume_mounts.iter().map(|one| &one.mount_path),
        &format!("{at}.volumeMounts"),
    )?;
    unique(
        given
            .topology_spread_constraints
            .iter()
            .map(|one| &one.topology_key),
        &format!("{at}.topologySpreadConstraints"),
    )
}

fn unique<'a>(names: impl Iterator<Item = &'a String>, at: &str) -> Result<(), Wrong> {
    let mut seen = Vec::new();
    for name in names {
        if seen.contains(&name) {
            return Err(Wrong::new(
                at,
                format!("{name:?} stands twice, and may stand once"),
            ));
        }
        seen.push(name);
    }
    Ok(())
}

fn metadata_key(key: &str, at: &str) -> Result<(), Wrong> {
    let at = format!("{at}[{key}]");
    if reserved::is_reserved_key(key) {
        return Err(Wrong::new(
            at,
            format!(
                "is the operator's or confines the pod; allowed is what is none of {} and begins with none of {}",
                reserved::LABELS.join(", "),
                reserved::PREFIXES.join(", ")
            ),
        ));
    }
    let (domain, name) = key
        .split_once('/')
        .map_or((None, key), |(domain, name)| (Some(domain), name));
    let is_domain = |text: &str| {
        text.len() <= DOMAIN_LENGTH
            && text
                .chars()
                .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.'))
    };
    if is_name(name) && domain.is_none_or(|domain| !domain.is_empty() && is_domain(domain)) {
        return Ok(());
    }
    Err(Wrong::new(
        at,
        "must be NAME or DOMAIN/NAME, a NAME of at most 63 of A-Z a-z 0-9 - _ .",
    ))
}

fn is_name(text: &str) -> bool {
    let is_inner = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let is_end = |c: Option<char>| c.is_some_and(|c| c.is_ascii_alphanumeric());
    text.len() <= NAME_LENGTH
        && text.chars().all(is_inner)
        && is_end(text.chars().next())
        && is_end(text.chars().next_back())
}

fn volume(given: &PodVolume, at: &str) -> Result<(), Wrong> {
    let is_label = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if given.name.is_empty() || given.name.len() > NAME_LENGTH || !given.name.chars().all(is_label) {
        return Err(Wrong::new(format!("{at}.name"), "must be 1 to 63 of a-z 0-9 -"));
    }
    if reserved::VOLUMES.contains(&given.name.as_str()) {
        return Err(Wrong::new(
            format!("{at}.name"),
            format!(
                "{:?} is the operator's; choose none of {}",
                given.name,
                reserved::VOLUMES.join(", ")
            ),
        ));
    }
    let kinds = [
        given.secret.is_some(),
        given.config_map.is_some(),
        given.projected.is_some(),
        given.empty_dir.is_some(),
    ];
    if kinds.into_iter().filter(|is_there| *is_there).count() != 1 {
        return Err(Wrong::new(
            at,
            "must have exactly one of secret, configMap, projected and emptyDir; other kinds are not allowed",
        ));
    }
    if given
        .secret
        .as_ref()
        .is_some_and(|one| one.secret_name.as_deref().unwrap_or_default().is_empty())
    {
        return Err(Wrong::new(
            format!("{at}.secret.secretName"),
            "must name a Secret",
        ));
    }
    if given.config_map.as_ref().is_some_and(|one| one.name.is_empty()) {
        return Err(Wrong::new(
            format!("{at}.configMap.name"),
            "must name a ConfigMap",
        ));
    }
    given
        .projected
        .as_ref()
        .map_or(Ok(()), |one| projected(one, &format!("{at}.projected")))
}

fn projected(given: &ProjectedVolume, at: &str) -> Result<(), Wrong> {
    for (index, one) in given.sources.iter().enumerate() {
        if one.secret.is_some() == one.config_map.is_some() {
            return Err(Wrong::new(
                format!("{at}.sources[{index}]"),
                "must have exactly one of secret and configMap; tokens of a ServiceAccount are not allowed",
            ));
        }
    }
    Ok(())
}

fn mount(given: &crds::PodVolumeMount, at: &str) -> Result<(), Wrong> {
    let is_segment = |text: &str| {
        !matches!(text, "" | "." | "..")
            && !text.starts_with("..")
            && text
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '@' | '+' | '-'))
    };
    let path = given.mount_path.as_str();
    let is_path = path
        .strip_prefix('/')
        .is_some_and(|rest| rest.split('/').all(is_segment));
    if !is_path {
        return Err(Wrong::new(
            format!("{at}.mountPath"),
            format!(
                "{path:?} must be an absolute path of A-Z a-z 0-9 . _ @ + -, without . and .. and a slash at its end"
            ),
        ));
    }
    if reserved::is_in_the_way(path) {
        return Err(Wrong::new(
            format!("{at}.mountPath"),
            format!(
                "{path:?} must be neither within nor above a directory that the operator mounts: {}",
                reserved::DIRECTORIES.join(", ")
            ),
        ));
    }
    match given
        .sub_path
        .as_deref()
        .is_none_or(|path| path.split('/').all(is_segment))
    {
        true => Ok(()),
        false => Err(Wrong::new(
            format!("{at}.subPath"),
            "must be a path without . and .. and without a slash at its beginning and its end",
        )),
    }
}

fn env_from(given: &crds::EnvFrom, at: &str) -> Result<(), Wrong> {
    if given.secret_ref.is_some() == given.config_map_ref.is_some() {
        return Err(Wrong::new(
            at,
            "must have exactly one of secretRef and configMapRef",
        ));
    }
    if reserved::could_become_ours(&given.prefix) || !super::env::is_variable(&given.prefix) {
        return Err(Wrong::new(
            format!("{at}.prefix"),
            format!(
                "{:?} must be what no variable of the operator's begins with, such as APP_, of A-Z a-z 0-9 _",
                given.prefix
            ),
        ));
    }
    Ok(())
}
