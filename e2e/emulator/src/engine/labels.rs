//! Rules for labels.

use crate::{
    limits::{MAX_LABEL_LENGTH, MAX_LABELS},
    status::{Result, Status},
};
use std::collections::HashMap;

pub(super) fn validate(labels: &HashMap<String, String>) -> Result<()> {
    if labels.len() > MAX_LABELS {
        return Err(Status::invalid(format!(
            "At most {MAX_LABELS} labels are allowed on a resource."
        )));
    }
    for (key, value) in labels {
        let legal = |text: &str| {
            text.chars().count() <= MAX_LABEL_LENGTH
                && text
                    .chars()
                    .all(|c| (c.is_alphanumeric() && !c.is_uppercase()) || matches!(c, '-' | '_'))
        };
        if !key.starts_with(char::is_alphabetic) || !legal(key) {
            return Err(Status::invalid(format!("Invalid label key: {key:?}.")));
        }
        if !legal(value) {
            return Err(Status::invalid(format!(
                "Invalid value of label {key:?}: {value:?}."
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_lower_case_and_short() {
        let ok = |k: &str, v: &str| validate(&HashMap::from([(k.to_owned(), v.to_owned())])).is_ok();
        assert!(ok("a-b_1", "") && ok("a", "9-x") && ok("ä", "é"));
        assert!(
            !ok("", "")
                && !ok("1a", "")
                && !ok("A", "")
                && !ok("a", "B")
                && !ok("a.b", "")
                && !ok("a", &"x".repeat(64))
        );
    }
}
