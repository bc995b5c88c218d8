//! Which topics there are: the catalogue of a file, or that of the operator's defaults.

use std::{collections::BTreeMap, path::Path};

use anyhow::Context as _;
use events::{Catalogue, EventType, ProjectId};

use crate::failure::usage;

/// The operator's own configuration with its defaults, so that both name the same topics.
const BUILT_IN: &str = include_str!("../../../config/operator.yaml");

/// The catalogue of a file, or the built-in one.
///
/// # Errors
/// A usage error that names the file or the key.
pub(crate) fn catalogue(
    file: Option<&Path>,
    project: &ProjectId,
    prefix: Option<&str>,
) -> anyhow::Result<Catalogue> {
    let what = "--catalogue";
    match file {
        Some(path) if prefix.is_none() => {
            Catalogue::from_file(path, Some(project)).map_err(|error| usage(what, error))
        }
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read the catalogue {}", path.display()))
                .map_err(|error| usage(what, error))?;
            with_prefix(&text, project, prefix)
        }
        None => with_prefix(BUILT_IN, project, prefix),
    }
}

fn with_prefix(text: &str, project: &ProjectId, prefix: Option<&str>) -> anyhow::Result<Catalogue> {
    let Some(prefix) = prefix else {
        return Catalogue::from_yaml(text, Some(project)).map_err(|error| usage("--catalogue", error));
    };
    let mut file: serde_yaml::Mapping =
        serde_yaml::from_str(text).map_err(|error| usage("--catalogue", error))?;
    file.insert("topicPrefix".into(), prefix.into());
    let text = serde_yaml::to_string(&file)?;
    Catalogue::from_yaml(&text, Some(project)).map_err(|error| usage("--topic-prefix", error))
}

/// A catalogue of one topic, for an event whose topic is named on the command line.
///
/// # Errors
/// A usage error that says what a topic's name may hold.
pub(crate) fn only(
    project: &ProjectId,
    prefix: &str,
    topic: &str,
    event_type: &EventType,
) -> anyhow::Result<Catalogue> {
    let topics = BTreeMap::from([(topic.to_owned(), vec![event_type.to_string()])]);
    Catalogue::new(project, prefix, &topics).map_err(|error| usage("--topic", error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_built_in_catalogue_carries_every_type_with_a_payload_of_its_own() {
        let project = ProjectId::parse("local-project").unwrap();
        for prefix in [None, Some("acme")] {
            let catalogue = catalogue(None, &project, prefix).unwrap();
            for event_type in events::schema::event_types() {
                let route = catalogue.route(&EventType::parse(&event_type).unwrap()).unwrap();
                assert!(route.topic.id().starts_with(prefix.unwrap_or("living-twin")));
            }
        }
    }
}
