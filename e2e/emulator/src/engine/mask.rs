//! Update masks: required, in `snake_case`, and refused for fields that cannot change.

use crate::status::{Result, Status};
use prost_types::FieldMask;

/// The paths of a mask; an absent or empty one is an error, as in the service.
pub(super) fn paths(mask: Option<&FieldMask>, kind: &str) -> Result<Vec<String>> {
    let paths = mask.map(|mask| mask.paths.clone()).unwrap_or_default();
    if paths.is_empty() {
        return Err(Status::invalid(format!(
            "The update_mask in the Update{kind}Request must be set, and must contain a non-empty paths list."
        )));
    }
    Ok(paths)
}

pub(super) fn immutable(path: &str, kind: &str) -> Status {
    Status::invalid(format!(
        "Invalid update_mask provided in the Update{kind}Request: the '{path}' field in the {kind} is not mutable."
    ))
}

pub(super) fn unknown(path: &str, kind: &str) -> Status {
    Status::invalid(format!(
        "Invalid update_mask provided in the Update{kind}Request: '{path}' is not a known {kind} field. \
         Note that field paths must be of the form 'push_config' rather than 'pushConfig'."
    ))
}
