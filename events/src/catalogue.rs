//! The topics there are, and which event types each carries: the part of the operator's configuration that publishers need
//! too, so that both read one file.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use serde::Deserialize;

use crate::{EventPattern, EventType, ProjectId, TopicName, event_type::InvalidEventType, name::InvalidName};

/// What stands before every topic's key, where the file names nothing else.
pub const DEFAULT_PREFIX: &str = "living-twin";

/// The topics of one project and prefix, by key, and the event types that are published to each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Catalogue {
    topics: BTreeMap<String, TopicName>,
    /// Each pattern once, with the key of its topic.
    routes: BTreeMap<EventPattern, String>,
}

/// Why there is no catalogue. Each text names the key and what is allowed.
#[derive(Debug, thiserror::Error)]
pub enum CatalogueError {
    /// The file is not there, or cannot be read.
    #[error("cannot read the catalogue {path}")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        source: std::io::Error,
    },
    /// It is not YAML, or not of the shape of the operator's configuration.
    #[error("the catalogue needs projectId, and catalogue with topics by key, as in config/operator.yaml")]
    Shape(#[source] serde_yaml::Error),
    /// No project is named.
    #[error("projectId: name the Google Cloud project of the topics, in the file or by `project`")]
    NoProject,
    /// There is no topic.
    #[error("catalogue: name at least one topic")]
    Empty,
    /// The project's or a topic's name is not allowed.
    #[error("{key}: {source}")]
    Name {
        /// The key in the file.
        key: String,
        /// What is allowed.
        #[source]
        source: InvalidName,
    },
    /// An event type is not allowed.
    #[error("catalogue.{key}.eventTypes: {source}")]
    EventType {
        /// The topic's key.
        key: String,
        /// What is allowed.
        #[source]
        source: InvalidEventType,
    },
    /// Two topics carry one event type.
    #[error(
        "catalogue.{second}.eventTypes: {pattern} is carried by the topic {first} already; an event goes to one topic"
    )]
    Ambiguous {
        /// The type or category.
        pattern: EventPattern,
        /// The topic that has it.
        first: String,
        /// The topic that names it again.
        second: String,
    },
}

/// The keys of the operator's configuration that matter here; it has others.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct File {
    #[serde(default)]
    project_id: Option<String>,
    #[serde(default)]
    topic_prefix: Option<String>,
    catalogue: BTreeMap<String, Topic>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Topic {
    #[serde(default)]
    event_types: Vec<String>,
}

/// Where an event goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Route<'a> {
    /// The topic.
    pub topic: &'a TopicName,
    /// The entry of the catalogue that says so: the event's type, or a category such as `document.*`.
    pub pattern: &'a EventPattern,
}

impl Catalogue {
    /// Topics by key, called `{prefix}-{key}`, or `{key}` where the prefix is empty, with the types and categories each carries.
    ///
    /// # Errors
    /// [`CatalogueError`] names the key.
    pub fn new(
        project: &ProjectId,
        prefix: &str,
        topics: &BTreeMap<String, Vec<String>>,
    ) -> Result<Self, CatalogueError> {
        if topics.is_empty() {
            return Err(CatalogueError::Empty);
        }
        let mut catalogue = Self {
            topics: BTreeMap::new(),
            routes: BTreeMap::new(),
        };
        for (key, event_types) in topics {
            let id = match prefix {
                "" => key.clone(),
                prefix => format!("{prefix}-{key}"),
            };
            let name = TopicName::new(project, &id).map_err(|source| CatalogueError::Name {
                key: format!("catalogue.{key}"),
                source,
            })?;
            catalogue.topics.insert(key.clone(), name);
            for text in event_types {
                catalogue.add(key, text)?;
            }
        }
        Ok(catalogue)
    }

    fn add(&mut self, key: &str, text: &str) -> Result<(), CatalogueError> {
        let pattern = EventPattern::parse(text).map_err(|source| CatalogueError::EventType {
            key: key.to_owned(),
            source,
        })?;
        match self.routes.insert(pattern.clone(), key.to_owned()) {
            Some(first) if first != key => Err(CatalogueError::Ambiguous {
                pattern,
                first,
                second: key.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    /// Reads the text of the operator's configuration, or of a file with its keys `projectId`, `topicPrefix` and `catalogue`
    /// alone. A project that is given stands before that of the file, as with the operator's `--project-id`.
    ///
    /// # Errors
    /// [`CatalogueError`] names the key.
    pub fn from_yaml(text: &str, project: Option<&ProjectId>) -> Result<Self, CatalogueError> {
        let file: File = serde_yaml::from_str(text).map_err(CatalogueError::Shape)?;
        let project = match (project, file.project_id.as_deref()) {
            (Some(project), _) => project.clone(),
            (None, None | Some("")) => return Err(CatalogueError::NoProject),
            (None, Some(text)) => ProjectId::parse(text).map_err(|source| CatalogueError::Name {
                key: "projectId".to_owned(),
                source,
            })?,
        };
        let topics = file.catalogue.into_iter();
        let topics = topics.map(|(key, topic)| (key, topic.event_types)).collect();
        let prefix = file.topic_prefix.as_deref().unwrap_or(DEFAULT_PREFIX);
        Self::new(&project, prefix, &topics)
    }

    /// Reads a file; see [`Catalogue::from_yaml`].
    ///
    /// # Errors
    /// [`CatalogueError`] names the file or the key.
    pub fn from_file(path: impl AsRef<Path>, project: Option<&ProjectId>) -> Result<Self, CatalogueError> {
        let path = path.as_ref();
        let text = fs::read_to_string(path).map_err(|source| CatalogueError::Read {
            path: path.to_owned(),
            source,
        })?;
        Self::from_yaml(&text, project)
    }

    /// The topic that carries events of a type: that which names the type itself, else that of the narrowest category.
    #[must_use]
    pub fn route(&self, event_type: &EventType) -> Option<Route<'_>> {
        let matching = self
            .routes
            .iter()
            .filter(|(pattern, _)| pattern.matches(event_type));
        let (pattern, key) = matching.reduce(|best, next| match best.0.covers(next.0) {
            true => next,
            false => best,
        })?;
        let topic = self.topics.get(key)?;
        Some(Route { topic, pattern })
    }

    /// Every topic by its key.
    pub fn topics(&self) -> impl Iterator<Item = (&str, &TopicName)> {
        self.topics.iter().map(|(key, name)| (key.as_str(), name))
    }
}

#[cfg(test)]
mod tests;
