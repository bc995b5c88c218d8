//! Variables of the worker's container that are not the operator's.

use std::collections::BTreeSet;

use crds::{EnvVar, reserved};

use super::Wrong;

/// Whether this is a name of a variable, or the beginning of one.
pub(super) fn is_variable(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        && text.chars().next().is_some_and(|c| !c.is_ascii_digit())
}

/// Whether each variable is one that may be set; `has_auth` says whether the operator sets the handler's files.
///
/// # Errors
/// Names the first one that is not, and what is allowed.
pub fn check(env: &[EnvVar], has_auth: bool, at: &str) -> Result<(), Wrong> {
    for (index, one) in env.iter().enumerate() {
        let at = format!("{at}[{index}]");
        let name = one.name.as_str();
        if !is_variable(name) {
            return Err(Wrong::new(
                format!("{at}.name"),
                format!("{name:?} must be of A-Z a-z 0-9 _ and not begin with a digit"),
            ));
        }
        if reserved::VARIABLES.contains(&name) || (has_auth && reserved::AUTH_VARIABLES.contains(&name)) {
            return Err(Wrong::new(
                format!("{at}.name"),
                format!(
                    "{name} is set by the operator; use the Tenant's and the configuration's own fields instead"
                ),
            ));
        }
        if one.value.is_some() && one.value_from.is_some() {
            return Err(Wrong::new(at, "must not have both value and valueFrom"));
        }
        if let Some(from) = &one.value_from {
            let kinds = [
                from.secret_key_ref.is_some(),
                from.config_map_key_ref.is_some(),
                from.field_ref.is_some(),
            ];
            if kinds.into_iter().filter(|is_there| *is_there).count() != 1 {
                return Err(Wrong::new(
                    format!("{at}.valueFrom"),
                    "must have exactly one of secretKeyRef, configMapKeyRef and fieldRef",
                ));
            }
        }
    }
    Ok(())
}

/// A Tenant's variables over those for all, by name; those for all come first, so that a Tenant's may refer to them.
#[must_use]
pub fn over(own: Vec<EnvVar>, default: &[EnvVar]) -> Vec<EnvVar> {
    let others = default
        .iter()
        .filter(|one| own.iter().all(|own| own.name != one.name));
    let mut all: Vec<_> = others.cloned().collect();
    all.extend(own);
    all
}

/// The Secrets without which a pod does not begin.
#[must_use]
pub fn secrets(env: &[EnvVar]) -> BTreeSet<String> {
    env.iter()
        .filter_map(|one| one.value_from.as_ref()?.secret_key_ref.as_ref())
        .filter(|one| one.optional != Some(true))
        .map(|one| one.name.clone())
        .collect()
}
