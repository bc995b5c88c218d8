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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mask_is_required_and_not_empty() {
        let mask = |paths: &[&str]| FieldMask {
            paths: paths.iter().map(|path| (*path).to_owned()).collect(),
        };
        assert_eq!(
            paths(Some(&mask(&["labels", "filter"])), "Topic").unwrap(),
            ["labels", "filter"]
        );
        for absent in [None, Some(&mask(&[]))] {
            let message = paths(absent, "Topic").unwrap_err().message;
            assert!(
                message.contains("UpdateTopicRequest") && message.contains("non-empty"),
                "{message}"
            );
        }
    }

    #[test]
    fn refusals_name_the_field_and_the_kind() {
        let refusal = immutable("filter", "Subscription");
        assert_eq!(refusal.code, crate::status::Code::InvalidArgument);
        assert!(
            refusal
                .message
                .contains("the 'filter' field in the Subscription is not mutable.")
        );
        assert!(
            unknown("x", "Snapshot")
                .message
                .contains("'x' is not a known Snapshot field")
        );
    }
}
