//! The way from the file to [`Settings`]: every value is checked here, once, and what is wrong is named by its key.

use std::{collections::BTreeMap, time::Duration};

use crds::Span;
use events::{Connection, ProjectId};

use super::{
    BrakeLimits, Catalogue, ConfigFile, Drain, Rollout, Settings, SettingsError, SubscriptionDefaults,
    WorkerDefaults,
    file::{BrakeKeys, Subscription, Worker},
};

impl ConfigFile {
    /// Checks every value; `cluster_uid` stands in where no cluster id is configured.
    ///
    /// # Errors
    /// Names the first key whose value is not allowed.
    pub fn into_settings(self, cluster_uid: &str) -> Result<Settings, SettingsError> {
        let project = self.project_id.filter(|id| !id.is_empty()).ok_or_else(|| {
            SettingsError::value(
                "projectId",
                "must be set, here or as --project-id or GCP_PROJECT_ID",
            )
        })?;
        let project = ProjectId::parse(&project).map_err(|error| SettingsError::value("projectId", error))?;
        let topics = self
            .catalogue
            .into_iter()
            .map(|(key, topic)| (key, topic.event_types))
            .collect();
        let catalogue = Catalogue::new(&project, &self.topic_prefix, &topics)?;
        let cluster_id = self
            .cluster_id
            .filter(|id| !id.is_empty())
            .unwrap_or_else(|| cluster_uid.to_owned());
        label_value("clusterId", &cluster_id)?;
        for id in &self.adopt_from {
            label_value("adoptFrom", id)?;
        }
        for (key, value) in &self.labels {
            label_value("labels", value)?;
            if key.is_empty() || !key.starts_with(|c: char| c.is_ascii_lowercase()) || key.starts_with("goog")
            {
                return Err(SettingsError::value(
                    format!("labels.{key}"),
                    "a label's key starts with a-z and not with goog",
                ));
            }
            label_value("labels", key)?;
        }
        if !(0.01..=1.0).contains(&self.quota.share) {
            return Err(SettingsError::value("quota.share", "must be from 0.01 to 1"));
        }
        let endpoint = self.endpoint.filter(|endpoint| !endpoint.is_empty());
        let identity = self.identity.checked(&project, self.project_number)?;
        Ok(Settings {
            project_number: self.project_number,
            worker_emulator: self
                .worker_endpoint
                .filter(|text| !text.is_empty())
                .or_else(|| endpoint.clone()),
            connection: endpoint
                .as_deref()
                .map_or_else(Connection::google, Connection::emulator),
            topic_prefix: self.topic_prefix,
            move_to: self.move_to.filter(|place| !place.is_empty()),
            cluster_id,
            adopt_from: self.adopt_from,
            catalogue,
            dead_lettering: self.enable_dlq,
            regions: self.regions,
            kms_key: self.kms_key_name.filter(|key| !key.is_empty()),
            labels: self.labels,
            subscription: self.subscription.checked()?,
            worker: self.worker.checked()?,
            identity,
            scaler_address: self
                .scaler_address
                .filter(|address| !address.is_empty())
                .map(host_and_port)
                .transpose()?,
            resync: at_least("resync", self.resync, 10)?,
            iam_resync: at_least("iamResync", self.iam_resync, 60)?,
            visibility_lag: self.visibility_lag.get(),
            rollout: Rollout {
                max_concurrent: match self.rollout.max_concurrent.unwrap_or(10) {
                    0 => return Err(SettingsError::value("rollout.maxConcurrent", "must be 1 or more")),
                    number => usize::from(number),
                },
                patience: within("rollout.patience", self.rollout.patience, 300, 10, 86_400)?.get(),
            },
            brake: self.brake.checked()?,
            drain: Drain {
                overlap: within("drain.overlap", self.drain.overlap, 60, 1, 3600)?.get(),
                margin: within("drain.margin", self.drain.margin, 300, 1, 86_400)?.get(),
            },
            retain_for: self.retain_for.get(),
            delete_namespaces: self.delete_namespaces,
            admin_calls_per_minute: scaled(self.quota.admin_calls_per_minute, self.quota.share),
            project,
        })
    }
}

#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share of a u32 is a u32"
)]
fn scaled(calls: u32, share: f64) -> u32 {
    ((f64::from(calls) * share) as u32).max(1)
}

impl Subscription {
    fn checked(self) -> Result<SubscriptionDefaults, SettingsError> {
        let attempts = self.max_delivery_attempts.unwrap_or(5);
        if !(5..=100).contains(&attempts) {
            return Err(SettingsError::value(
                "subscription.maxDeliveryAttempts",
                "must be from 5 to 100",
            ));
        }
        Ok(SubscriptionDefaults {
            ack_deadline: within("subscription.ackDeadline", self.ack_deadline, 600, 10, 600)?,
            retention: within("subscription.retention", self.retention, 604_800, 600, 2_678_400)?,
            minimum_backoff: within("subscription.minimumBackoff", self.minimum_backoff, 10, 0, 600)?,
            maximum_backoff: within("subscription.maximumBackoff", self.maximum_backoff, 600, 0, 600)?,
            max_delivery_attempts: attempts,
            dead_letter_retention: within(
                "subscription.deadLetterRetention",
                self.dead_letter_retention,
                604_800,
                600,
                2_678_400,
            )?,
        })
    }
}

impl BrakeKeys {
    fn checked(self) -> Result<BrakeLimits, SettingsError> {
        let percent = self.percent.unwrap_or(10);
        if percent > 100 {
            return Err(SettingsError::value("brake.percent", "must be from 0 to 100"));
        }
        Ok(BrakeLimits {
            tenants: usize::try_from(self.tenants.unwrap_or(3)).unwrap_or(usize::MAX),
            percent: usize::from(percent),
            go_on: self.go_on.filter(|digest| !digest.is_empty()),
        })
    }
}

impl Worker {
    fn checked(mut self) -> Result<WorkerDefaults, SettingsError> {
        let pods = self.pods().checked()?;
        if self.image.is_empty() {
            return Err(SettingsError::value("worker.image", "must name an image"));
        }
        let concurrent = self.max_concurrent_messages.unwrap_or(5);
        if !(1..=1000).contains(&concurrent) {
            return Err(SettingsError::value(
                "worker.maxConcurrentMessages",
                "must be from 1 to 1000",
            ));
        }
        let limits = BTreeMap::from([
            ("cpu".to_owned(), "1".to_owned()),
            ("memory".to_owned(), "2Gi".to_owned()),
        ]);
        let requests = BTreeMap::from([
            ("cpu".to_owned(), "10m".to_owned()),
            ("memory".to_owned(), "32Mi".to_owned()),
        ]);
        Ok(WorkerDefaults {
            image: self.image,
            image_pull_policy: self
                .image_pull_policy
                .unwrap_or_else(|| "IfNotPresent".to_owned()),
            max_concurrent_messages: concurrent,
            timeout: within("worker.timeout", self.timeout, 3600, 1, 86_400)?,
            limits: self.limits.unwrap_or(limits),
            requests: self.requests.unwrap_or(requests),
            log_level: self.log_level.unwrap_or_else(|| "INFO".to_owned()),
            idempotency: self.idempotency.checked()?,
            termination_grace: within("worker.terminationGrace", self.termination_grace, 30, 5, 3600)?,
            pods,
        })
    }
}

pub(super) fn within(
    key: &str,
    value: Option<Span>,
    default: u64,
    min: u64,
    max: u64,
) -> Result<Span, SettingsError> {
    let value = value.unwrap_or_else(|| Span::from_secs(default));
    if (min..=max).contains(&value.as_secs()) {
        Ok(value)
    } else {
        let (min, max) = (Span::from_secs(min), Span::from_secs(max));
        Err(SettingsError::value(
            key,
            format!("must be from {min} to {max}, not {value}"),
        ))
    }
}

fn at_least(key: &str, value: Span, min: u64) -> Result<Duration, SettingsError> {
    if value.as_secs() >= min {
        Ok(value.get())
    } else {
        Err(SettingsError::value(
            key,
            format!("must be at least {}", Span::from_secs(min)),
        ))
    }
}

fn host_and_port(address: String) -> Result<String, SettingsError> {
    let ok = address.rsplit_once(':').is_some_and(|(host, port)| {
        !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok_and(|port| port > 0)
    });
    match ok {
        true => Ok(address),
        false => Err(SettingsError::value(
            "scalerAddress",
            format!("{address:?}: must be host:port, without a scheme"),
        )),
    }
}

/// What Pub/Sub takes as a label's value (<https://cloud.google.com/pubsub/docs/create-topic#labels>).
fn label_value(key: &str, value: &str) -> Result<(), SettingsError> {
    let ok = value.len() <= 63
        && value
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_'));
    if ok {
        Ok(())
    } else {
        Err(SettingsError::value(
            key,
            format!("{value:?}: at most 63 of a-z 0-9 - _"),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINIMAL: &str = "projectId: acme-events\ncatalogue: {events: {}}\nworker: {image: worker:1}\n";

    fn settings(more: &str) -> Result<Settings, SettingsError> {
        ConfigFile::parse(&format!("{MINIMAL}{more}"))?.into_settings("uid-1")
    }

    #[test]
    fn the_default_file_is_good() {
        let text = include_str!("../../../config/operator.yaml");
        let mut file = ConfigFile::parse(text).unwrap();
        file.project_id = Some("acme-events".into());
        let settings = file.into_settings("uid-1").unwrap();
        assert_eq!(settings.catalogue.keys().count(), 5);
        assert_eq!(settings.admin_calls_per_minute, 4800);
        assert_eq!(settings.cluster_id, "uid-1");
        assert_eq!(settings.subscription.retention.to_string(), "168h");
    }

    #[test]
    fn a_wrong_key_is_named() {
        for (more, expected) in [
            ("topicPrefx: x\n", "topicPrefx"),
            ("quota: {share: 2}\n", "quota.share: must be from 0.01 to 1"),
            (
                "subscription: {ackDeadline: 5s}\n",
                "subscription.ackDeadline: must be from 10s to 10m, not 5s",
            ),
            (
                "subscription: {maxDeliveryAttempts: 3}\n",
                "subscription.maxDeliveryAttempts: must be from 5 to 100",
            ),
            ("clusterId: Prod!\n", "clusterId: \"Prod!\""),
            ("resync: 1s\n", "resync: must be at least 10s"),
            ("resync: soon\n", "not a length of time"),
            (
                "scalerAddress: 'http://x:1'\n",
                "scalerAddress: \"http://x:1\": must be host:port",
            ),
        ] {
            let error = settings(more).unwrap_err().to_string();
            assert!(error.contains(expected), "{more:?} gave {error:?}");
        }
    }
}
