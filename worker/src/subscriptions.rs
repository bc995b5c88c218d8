//! Which subscriptions are pulled: a fixed list, or a file that is watched.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use events::{ProjectId, SubscriptionName, TenantId, name::InvalidName};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{drain::Drain, health::Health};

/// How often the file is read. A ConfigMap's file is a symlink that the kubelet swaps, which file watches miss.
const POLL: Duration = Duration::from_secs(1);
const WHO: &str = "subscriptions";

/// One subscription to pull.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Its full name.
    pub name: SubscriptionName,
    /// Whose it is, for whoever writes the list to say; must be the worker's own tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// Whether its messages are handled in order where they have an ordering key.
    #[serde(default)]
    pub ordered: bool,
    /// Whether it is left alone for now; its messages are retained.
    #[serde(default)]
    pub suspended: bool,
    /// Set on one whose place another subscription took: what was published later is in that one, or is not wanted any
    /// more, and is acknowledged unhandled here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub handle_until: Option<Timestamp>,
    /// After how many deliveries it dead-letters; the fewest that Pub/Sub allows where the list does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_delivery_attempts: Option<u32>,
    /// The longest backoff of its retry policy, in seconds; the longest that Pub/Sub allows where the list does not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum_backoff_seconds: Option<u64>,
}

/// The file's content. Fields it does not know are for later workers.
#[derive(Debug, Deserialize)]
struct File {
    subscriptions: Vec<Subscription>,
}

/// Where the list comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// Said at the start.
    Fixed(Vec<Subscription>),
    /// A file like `{"subscriptions":[{"name":"projects/p/subscriptions/s","ordered":false,"suspended":false}]}`.
    File(PathBuf),
}

/// Why there is no list.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// Neither a full name nor an id.
    #[error(transparent)]
    Name(#[from] InvalidName),
    /// An id without a project to put it in.
    #[error(
        "{0:?} is an id without a project: write projects/PROJECT/subscriptions/{0} or set GCP_PROJECT_ID"
    )]
    NoProject(String),
    /// The file cannot be read.
    #[error("cannot read {0}: {1}")]
    Read(PathBuf, #[source] std::io::Error),
    /// A list for another worker.
    #[error(
        "{0} is another tenant's: this worker's is {1}. Set TENANT_ID to the tenant that the subscription is for, or leave it out"
    )]
    OfAnother(SubscriptionName, TenantId),
    /// Two entries for one subscription, and which of them counts is not to be guessed.
    #[error("{path} lists {name} twice, and not alike: {} and {}. List it once", json(&entries.0), json(&entries.1))]
    Twice {
        /// The file.
        path: PathBuf,
        /// Which subscription.
        name: SubscriptionName,
        /// What it says of it.
        entries: Box<(Subscription, Subscription)>,
    },
    /// The file is not what it should be.
    #[error(
        "{0} is not of the form {{\"subscriptions\":[{{\"name\":\"projects/p/subscriptions/s\",\"ordered\":false,\"suspended\":false}}]}}: {1}"
    )]
    Content(PathBuf, #[source] serde_json::Error),
}

/// Parses a comma-separated list of full names, and of ids in `project`.
///
/// # Errors
/// [`Unusable`] names the entry.
pub fn parse_list(text: &str, project: Option<&ProjectId>) -> Result<Vec<Subscription>, Unusable> {
    let entries = text.split(',').map(str::trim).filter(|entry| !entry.is_empty());
    let mut list: Vec<Subscription> = Vec::new();
    for entry in entries {
        let name = if entry.contains('/') {
            SubscriptionName::parse(entry)?
        } else {
            let project = project.ok_or_else(|| Unusable::NoProject(entry.to_owned()))?;
            SubscriptionName::new(project, entry)?
        };
        if list.iter().all(|listed| listed.name != name) {
            list.push(Subscription {
                name,
                tenant: None,
                ordered: false,
                suspended: false,
                handle_until: None,
                max_delivery_attempts: None,
                maximum_backoff_seconds: None,
            });
        }
    }
    Ok(list)
}

impl Subscription {
    /// Whether it says that it is another tenant's, in a field or by its name.
    fn is_of_another(&self, own: &TenantId) -> bool {
        self.tenant.as_ref().is_some_and(|tenant| tenant != own) || self.name.is_of_another(own)
    }
}

/// As it would stand in the file.
fn json(subscription: &Subscription) -> String {
    serde_json::to_string(subscription).unwrap_or_default()
}

/// Each subscription once: entries that are alike are one, and others are a mistake of whatever wrote the file.
fn once_each(list: Vec<Subscription>, path: &Path) -> Result<Vec<Subscription>, Unusable> {
    let mut unique: Vec<Subscription> = Vec::with_capacity(list.len());
    for entry in list {
        match unique.iter().find(|listed| listed.name == entry.name) {
            None => unique.push(entry),
            Some(listed) if *listed == entry => {}
            Some(listed) => {
                return Err(Unusable::Twice {
                    path: path.to_owned(),
                    name: entry.name.clone(),
                    entries: Box::new((listed.clone(), entry)),
                });
            }
        }
    }
    Ok(unique)
}

impl Source {
    /// The list as it is now. A file's is all this tenant's: the guard over messages must not be the only one, since what
    /// it refuses goes to the dead letters of the tenant whose it is.
    ///
    /// The operator writes the file from statuses, which others may have written, and all its names have the form
    /// `{topic}-{tenant}-worker`, so they are judged by it. `SUBSCRIPTIONS` is written by hand beside `TENANT_ID`, with
    /// names of any form: `acme-orders-worker` may be the worker of Acme's orders as well as a tenant's called orders.
    ///
    /// # Errors
    /// [`Unusable`] says what is wrong with the file.
    pub async fn read(&self, own: &TenantId) -> Result<Vec<Subscription>, Unusable> {
        let list = self.all().await?;
        if matches!(self, Self::Fixed(_)) {
            return Ok(list);
        }
        match list.iter().find(|subscription| subscription.is_of_another(own)) {
            Some(foreign) => Err(Unusable::OfAnother(foreign.name.clone(), own.clone())),
            None => Ok(list),
        }
    }

    async fn all(&self) -> Result<Vec<Subscription>, Unusable> {
        match self {
            Self::Fixed(list) => Ok(list.clone()),
            Self::File(path) => {
                let content = tokio::fs::read(path)
                    .await
                    .map_err(|error| Unusable::Read(path.clone(), error))?;
                let file: File = serde_json::from_slice(&content)
                    .map_err(|error| Unusable::Content(path.clone(), error))?;
                once_each(file.subscriptions, path)
            }
        }
    }

    /// Keeps the list up to date until the worker stops. A file that became unusable changes nothing but the
    /// worker's readiness: half a list would silently leave events unhandled.
    pub async fn watch(
        self,
        own: TenantId,
        list: watch::Sender<Vec<Subscription>>,
        health: Health,
        drain: Drain,
    ) {
        if matches!(self, Self::Fixed(_)) {
            return;
        }
        let mut complaint = String::new();
        while drain.unless_stopping(tokio::time::sleep(POLL)).await.is_some() {
            match self.read(&own).await {
                Ok(read) => {
                    complaint.clear();
                    health.fine(WHO);
                    if list.send_if_modified(|current| std::mem::replace(current, read.clone()) != read) {
                        tracing::info!(subscriptions = read.len(), "The list of subscriptions changed.");
                    }
                }
                Err(error) => {
                    let text = error.to_string();
                    if text != complaint {
                        tracing::error!(%error, "The list of subscriptions stays as it was.");
                        health.blocked(WHO, &text);
                        complaint = text;
                    }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> TenantId {
        TenantId::parse("tenant-123").unwrap()
    }

    fn project() -> ProjectId {
        ProjectId::parse("acme-events").unwrap()
    }

    #[test]
    fn takes_names_and_ids() {
        let list = parse_list(
            "sub-1, projects/other-project/subscriptions/sub-2,,sub-1",
            Some(&project()),
        );
        let names: Vec<_> = list.unwrap().iter().map(|s| s.name.to_string()).collect();
        assert_eq!(
            names,
            [
                "projects/acme-events/subscriptions/sub-1",
                "projects/other-project/subscriptions/sub-2"
            ]
        );
        assert!(matches!(parse_list("sub-1", None), Err(Unusable::NoProject(_))));
        assert!(matches!(
            parse_list("no spaces", Some(&project())),
            Err(Unusable::Name(_))
        ));
    }

    #[tokio::test]
    async fn reads_the_operators_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("subscriptions.json");
        let source = Source::File(path.clone());
        assert!(matches!(source.read(&own()).await, Err(Unusable::Read(..))));
        std::fs::write(
            &path,
            r#"{"subscriptions":[{"name":"projects/acme-events/subscriptions/sub-1","ordered":true,"later":1}]}"#,
        )
        .unwrap();
        let list = source.read(&own()).await.unwrap();
        assert!(list[0].ordered && !list[0].suspended);
        std::fs::write(&path, r#"{"subscriptions":[{"name":"nonsense"}]}"#).unwrap();
        assert!(
            source
                .read(&own())
                .await
                .unwrap_err()
                .to_string()
                .contains("nonsense")
        );
        for entry in [
            r#"{"name":"projects/acme-events/subscriptions/sub-1","tenant":"tenant-456"}"#,
            r#"{"name":"projects/acme-events/subscriptions/events-tenant-456-worker"}"#,
        ] {
            std::fs::write(&path, format!(r#"{{"subscriptions":[{entry}]}}"#)).unwrap();
            assert!(matches!(source.read(&own()).await, Err(Unusable::OfAnother(..))));
        }
        for name in ["orders-worker", "orders-dlq", "made-by-hand"] {
            let entry = format!(r#"{{"name":"projects/acme-events/subscriptions/{name}"}}"#);
            std::fs::write(&path, format!(r#"{{"subscriptions":[{entry}]}}"#)).unwrap();
            assert_eq!(source.read(&own()).await.unwrap().len(), 1, "{name}");
        }
    }

    #[tokio::test]
    async fn names_that_were_written_by_hand_are_of_any_form() {
        let text = "orders-worker,acme-orders-worker,acme-orders-dlq";
        let source = Source::Fixed(parse_list(text, Some(&project())).unwrap());
        assert_eq!(source.read(&own()).await.unwrap().len(), 3);
    }

    #[tokio::test]
    async fn a_subscription_that_is_listed_twice_is_pulled_once_or_the_file_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("subscriptions.json");
        let source = Source::File(path.clone());
        let entry = |more: &str| format!(r#"{{"name":"projects/acme-events/subscriptions/sub-1"{more}}}"#);
        let write = |entries: &[String]| {
            std::fs::write(&path, format!(r#"{{"subscriptions":[{}]}}"#, entries.join(","))).unwrap();
        };
        // What is left out is what it would be by default.
        write(&[entry(""), entry(r#","suspended":false"#)]);
        assert_eq!(source.read(&own()).await.unwrap().len(), 1);
        write(&[entry(""), entry(r#","suspended":true"#)]);
        let error = source.read(&own()).await.unwrap_err().to_string();
        let expected = r#"lists projects/acme-events/subscriptions/sub-1 twice, and not alike: {"name":"projects/acme-events/subscriptions/sub-1","ordered":false,"suspended":false} and {"name":"projects/acme-events/subscriptions/sub-1","ordered":false,"suspended":true}. List it once"#;
        assert!(error.ends_with(expected), "{error}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_broken_file_keeps_the_last_list_and_says_so() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("subscriptions.json");
        let write = |content: &str| std::fs::write(&path, content).unwrap();
        write(r#"{"subscriptions":[]}"#);
        let (sender, mut list) = watch::channel(Vec::new());
        let (health, drain) = (Health::default(), Drain::new(Duration::from_secs(25)));
        let watching =
            tokio::spawn(Source::File(path.clone()).watch(own(), sender, health.clone(), drain.clone()));
        write(r#"{"subscriptions":[{"name":"projects/acme-events/subscriptions/sub-1"}]}"#);
        list.changed().await.unwrap();
        assert_eq!(list.borrow_and_update().len(), 1);
        write("{");
        while health.problems().is_none() {
            tokio::time::sleep(POLL).await;
        }
        assert!(!list.has_changed().unwrap());
        write(r#"{"subscriptions":[]}"#);
        list.changed().await.unwrap();
        assert_eq!(health.problems(), None);
        drain.stopping.cancel();
        watching.await.unwrap();
    }
}
