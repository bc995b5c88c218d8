//! What a Tenant may say of its worker's pod.

use std::collections::BTreeSet;

use crds::{WorkerSettings, WorkerTemplate};

use super::Wrong;

/// The fields that can be allowed, and whether each is without being named: what changes who runs before whom, in which sandbox,
/// or what other components of the cluster do with a pod, is for the platform to decide.
const FIELDS: [(&str, bool); 13] = [
    ("imagePullSecrets", true),
    ("nodeSelector", true),
    ("tolerations", true),
    ("affinity", true),
    ("topologySpreadConstraints", true),
    ("labels", true),
    ("volumes", true),
    ("volumeMounts", true),
    ("envFrom", true),
    ("valueFrom", true),
    ("annotations", false),
    ("priorityClassName", false),
    ("runtimeClassName", false),
];

/// The fields of a worker's pod that Tenants may set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Allowed(BTreeSet<&'static str>);

impl Default for Allowed {
    fn default() -> Self {
        Self(
            FIELDS
                .iter()
                .filter(|(_, by_default)| *by_default)
                .map(|(name, _)| *name)
                .collect(),
        )
    }
}

impl Allowed {
    /// Those of a list of names.
    ///
    /// # Errors
    /// Names the one that is no such field, and what there is.
    pub fn parse(names: &[String], at: &str) -> Result<Self, Wrong> {
        let known = |name: &String| {
            let found = FIELDS.iter().find(|(field, _)| field == name);
            found.map(|(field, _)| *field).ok_or_else(|| {
                let all: Vec<_> = FIELDS.iter().map(|(field, _)| *field).collect();
                Wrong::new(at, format!("{name:?} is none of {}", all.join(", ")))
            })
        };
        names.iter().map(known).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a Tenant's worker says no more than is allowed.
    ///
    /// # Errors
    /// Names the field that is not allowed, and those that are.
    pub fn check(&self, given: &WorkerSettings, at: &str) -> Result<(), Wrong> {
        let template = given.template.clone().unwrap_or_default();
        let said = said(&template).map(|field| (field, format!("{at}.template.{field}")));
        let from = given
            .env
            .iter()
            .enumerate()
            .filter(|(_, one)| one.value_from.is_some());
        let from = from.map(|(index, _)| ("valueFrom", format!("{at}.env[{index}].valueFrom")));
        match said.chain(from).find(|(field, _)| !self.0.contains(field)) {
            None => Ok(()),
            Some((_, path)) => {
                let allowed: Vec<_> = self.0.iter().copied().collect();
                let allowed = if allowed.is_empty() {
                    "nothing".to_owned()
                } else {
                    allowed.join(", ")
                };
                Err(Wrong::new(
                    path,
                    format!(
                        "the operator's configuration does not allow it to Tenants; its worker.allow has {allowed}"
                    ),
                ))
            }
        }
    }
}

/// The fields that a template sets.
pub(super) fn said(template: &WorkerTemplate) -> impl Iterator<Item = &'static str> {
    [
        ("imagePullSecrets", !template.image_pull_secrets.is_empty()),
        ("nodeSelector", !template.node_selector.is_empty()),
        ("tolerations", !template.tolerations.is_empty()),
        ("affinity", template.affinity.is_some()),
        (
            "topologySpreadConstraints",
            !template.topology_spread_constraints.is_empty(),
        ),
        ("priorityClassName", template.priority_class_name.is_some()),
        ("runtimeClassName", template.runtime_class_name.is_some()),
        ("labels", !template.labels.is_empty()),
        ("annotations", !template.annotations.is_empty()),
        ("volumes", !template.volumes.is_empty()),
        ("volumeMounts", !template.volume_mounts.is_empty()),
        ("envFrom", !template.env_from.is_empty()),
    ]
    .into_iter()
    .filter_map(|(field, is_said)| is_said.then_some(field))
}
