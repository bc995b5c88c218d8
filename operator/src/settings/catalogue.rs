//! The topics there are, and the check that their names cannot be mistaken for each other.

use std::collections::{BTreeMap, BTreeSet};

use events::{EventPattern, ProjectId, TopicName, name::DEAD_LETTER_SUFFIX};

use super::SettingsError;

/// The keys of topics. A topic is called `{prefix}-{key}` where its Tenant's event plane is.
#[derive(Debug, Clone)]
pub struct Catalogue {
    keys: BTreeSet<String>,
}

impl Catalogue {
    /// Checks the catalogue, with the names that its topics get where new Tenants are made.
    ///
    /// # Errors
    /// Names the key: an empty catalogue, an id Pub/Sub would refuse, a key that ends like a dead-letter topic, or one
    /// that starts with another key and a hyphen (then two tenants could meet in one subscription name).
    pub fn new(
        project: &ProjectId,
        prefix: &str,
        topics: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, SettingsError> {
        if topics.is_empty() {
            return Err(SettingsError::value("catalogue", "name at least one topic"));
        }
        for (key, event_types) in topics {
            let path = format!("catalogue.{key}");
            check_key(key, topics).map_err(|problem| SettingsError::value(&path, problem))?;
            for event_type in event_types {
                EventPattern::parse(event_type)
                    .map_err(|error| SettingsError::value(format!("{path}.eventTypes"), error))?;
            }
            let id = if prefix.is_empty() {
                key.clone()
            } else {
                format!("{prefix}-{key}")
            };
            TopicName::new(project, &id).map_err(|error| SettingsError::value(&path, error))?;
        }
        Ok(Self {
            keys: topics.keys().cloned().collect(),
        })
    }

    /// Whether there is a topic of this key.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.keys.contains(key)
    }

    /// Every key, in order.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.keys.iter().map(String::as_str)
    }
}

fn check_key(key: &str, all: &BTreeMap<String, Vec<String>>) -> Result<(), String> {
    let is_label = key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.len() <= 63
        && key
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-')
        && !key.ends_with('-');
    if !is_label {
        return Err(
            "a key has at most 63 of a-z 0-9 -, starts with a letter and does not end with a hyphen".into(),
        );
    }
    if key.ends_with(DEAD_LETTER_SUFFIX) {
        return Err(format!(
            "a key must not end with {DEAD_LETTER_SUFFIX:?}: dead-letter topics do"
        ));
    }
    match all.keys().find(|other| key.starts_with(&format!("{other}-"))) {
        Some(other) => Err(format!(
            "the key starts with another key, {other:?}, and a hyphen: subscriptions of the two could get one name"
        )),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalogue(keys: &[&str]) -> String {
        let topics = keys.iter().map(|key| ((*key).to_owned(), vec![])).collect();
        match Catalogue::new(&ProjectId::parse("acme-events").unwrap(), "living-twin", &topics) {
            Ok(catalogue) => catalogue.keys().collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn takes_the_five_topics() {
        assert_eq!(
            catalogue(&["events", "document-events", "user-events"]),
            "document-events events user-events"
        );
    }

    #[test]
    fn names_the_key_that_is_wrong() {
        assert!(catalogue(&["events", "events-eu"]).starts_with("catalogue.events-eu: the key starts with"));
        assert!(catalogue(&["events-dlq"]).contains("must not end with"));
        assert!(catalogue(&["Events"]).starts_with("catalogue.Events: "));
        assert!(catalogue(&[]).contains("at least one topic"));
    }
}
