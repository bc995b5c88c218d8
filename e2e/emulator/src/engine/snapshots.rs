//! Snapshots and seek: what counts as acknowledged, put back to an earlier state.

use super::{
    Engine, labels, mask, paging,
    registry::{is_full, within},
    subscription::Subscription,
};
use crate::{
    clock,
    iam::PolicyCell,
    limits::{MAX_SNAPSHOTS, SNAPSHOT_LIFE, SNAPSHOT_MIN_LIFE},
    message::Message,
    names::{self, DELETED_TOPIC, Name},
    pb,
    status::{Code, Result, Status},
    store::{Kind, Store, held_key},
};
use parking_lot::{Mutex, RwLock};
use std::{collections::BTreeMap, sync::Arc, time::SystemTime};
use tokio::time::Instant;

pub(super) struct Snapshot {
    created: Instant,
    config: RwLock<pb::Snapshot>,
    expires: SystemTime,
    /// Unacknowledged when it was made, and everything published to the topic since.
    messages: Mutex<BTreeMap<u64, Arc<Message>>>,
    pub(super) policy: Mutex<PolicyCell>,
    store: Option<Arc<Store>>,
}

impl Snapshot {
    pub(super) fn add(&self, published: &[Arc<Message>]) {
        if let Some(store) = &self.store {
            let name = self.config.read().name.clone();
            for message in published {
                store.put(Kind::InSnapshot, &held_key(&name, message.id), Vec::new());
            }
        }
        self.messages
            .lock()
            .extend(published.iter().map(|message| (message.id, message.clone())));
    }

    pub(super) fn topic_deleted(&self) -> pb::Snapshot {
        let mut config = self.config.write();
        DELETED_TOPIC.clone_into(&mut config.topic);
        config.clone()
    }

    /// A snapshot that the store holds already.
    pub(super) fn restore(
        config: pb::Snapshot,
        held: Vec<Arc<Message>>,
        now: Instant,
        store: Option<Arc<Store>>,
    ) -> Self {
        Self {
            created: now,
            expires: clock::system_time(&config.expire_time.unwrap_or_default()),
            config: RwLock::new(config),
            messages: Mutex::new(held.into_iter().map(|message| (message.id, message)).collect()),
            policy: Mutex::default(),
            store,
        }
    }
}

impl Engine {
    pub(crate) fn create_snapshot(&self, request: pb::CreateSnapshotRequest) -> Result<pb::Snapshot> {
        let name = Name::snapshot(&request.name)?;
        labels::validate(&request.labels)?;
        let subscription = self.subscription(&request.subscription)?;
        let topic = subscription.config.read().topic.clone();
        let wall = self.clock.wall_now();
        let oldest = subscription.queue(|queue| queue.oldest()).unwrap_or(wall);
        let life = SNAPSHOT_LIFE.saturating_sub(wall.duration_since(oldest).unwrap_or_default());
        if life < SNAPSHOT_MIN_LIFE {
            return Err(Status::precondition(
                "The snapshot would expire in less than an hour, as the subscription's oldest unacknowledged message is too old.",
            ));
        }
        let mut registry = self.registry.write();
        if registry.snapshots.contains_key(&name) {
            return Err(Status::already_exists(name.as_str()));
        }
        if is_full(&registry.snapshots, name.project(), "snapshots", MAX_SNAPSHOTS) {
            return Err(Status::new(
                Code::ResourceExhausted,
                format!(
                    "Your project has exceeded a limit: (type=\"snapshots-per-project\", maximum={MAX_SNAPSHOTS})."
                ),
            ));
        }
        let topic_cell = registry.topic(&Name::topic(&topic)?)?.clone();
        let config = pb::Snapshot {
            name: name.to_string(),
            topic,
            expire_time: Some(clock::timestamp(wall + life)),
            labels: request.labels,
        };
        let snapshot = Arc::new(Snapshot {
            created: Instant::now(),
            config: RwLock::new(config.clone()),
            expires: wall + life,
            messages: Mutex::default(),
            policy: Mutex::default(),
            store: self.store.clone(),
        });
        self.store_snapshot(&config);
        // From here on it sees what is published; what was there before is added, and being a map
        // it does not mind what is in both.
        topic_cell.snapshots.write().push(snapshot.clone());
        let unacked: Vec<_> = subscription.queue(|queue| queue.unacked().cloned().collect());
        snapshot.add(&unacked);
        registry.snapshots.insert(name, snapshot);
        Ok(config)
    }

    pub(crate) fn get_snapshot(&self, request: &pb::GetSnapshotRequest) -> Result<pb::Snapshot> {
        let snapshot = self.snapshot(&request.snapshot)?;
        if !self.visible(snapshot.created) {
            return Err(Status::not_found(&request.snapshot));
        }
        let config = snapshot.config.read().clone();
        Ok(config)
    }

    fn snapshot(&self, name: &str) -> Result<Arc<Snapshot>> {
        let name = Name::snapshot(name)?;
        let snapshot = self.registry.read().snapshot(&name).cloned()?;
        if snapshot.expires <= self.clock.wall_now() {
            self.delete_snapshot(&pb::DeleteSnapshotRequest {
                snapshot: name.to_string(),
            })?;
            return Err(Status::not_found(name.as_str()));
        }
        Ok(snapshot)
    }

    pub(crate) fn update_snapshot(&self, request: pb::UpdateSnapshotRequest) -> Result<pb::Snapshot> {
        let from = request
            .snapshot
            .ok_or_else(|| Status::invalid("The snapshot must be set."))?;
        let snapshot = self.snapshot(&from.name)?;
        let mut next = snapshot.config.read().clone();
        for path in mask::paths(request.update_mask.as_ref(), "Snapshot")? {
            match path.as_str() {
                "labels" => next.labels.clone_from(&from.labels),
                "name" | "topic" | "expire_time" => return Err(mask::immutable(&path, "Snapshot")),
                _ => return Err(mask::unknown(&path, "Snapshot")),
            }
        }
        labels::validate(&next.labels)?;
        self.store_snapshot(&next);
        snapshot.config.write().clone_from(&next);
        Ok(next)
    }

    pub(crate) fn list_snapshots(
        &self,
        request: &pb::ListSnapshotsRequest,
    ) -> Result<pb::ListSnapshotsResponse> {
        let project = names::project(&request.project)?;
        let (size, after) = paging::request(request.page_size, &request.page_token)?;
        let wall = self.clock.wall_now();
        let registry = self.registry.read();
        let found = within(&registry.snapshots, project, "snapshots", &after)
            .filter(|(_, snapshot)| self.visible(snapshot.created) && snapshot.expires > wall)
            .map(|(_, snapshot)| snapshot.config.read().clone())
            .take(size + 1)
            .collect();
        let (snapshots, next_page_token) = paging::cut(found, size, |snapshot: &pb::Snapshot| &snapshot.name);
        Ok(pb::ListSnapshotsResponse {
            snapshots,
            next_page_token,
        })
    }

    pub(crate) fn list_topic_snapshots(
        &self,
        request: &pb::ListTopicSnapshotsRequest,
    ) -> Result<pb::ListTopicSnapshotsResponse> {
        let topic = self.topic(&request.topic)?;
        let (size, after) = paging::request(request.page_size, &request.page_token)?;
        let wall = self.clock.wall_now();
        let mut names: Vec<String> = topic
            .snapshots
            .read()
            .iter()
            .filter(|snapshot| snapshot.expires > wall)
            .map(|snapshot| snapshot.config.read().name.clone())
            .filter(|name| *name > after)
            .collect();
        names.sort();
        names.truncate(size + 1);
        let (snapshots, next_page_token) = paging::cut(names, size, |name| name);
        Ok(pb::ListTopicSnapshotsResponse {
            snapshots,
            next_page_token,
        })
    }

    pub(crate) fn delete_snapshot(&self, request: &pb::DeleteSnapshotRequest) -> Result<()> {
        let name = Name::snapshot(&request.snapshot)?;
        let mut registry = self.registry.write();
        let snapshot = registry
            .snapshots
            .remove(&name)
            .ok_or_else(|| Status::not_found(name.as_str()))?;
        let topic = Name::topic(&snapshot.config.read().topic);
        if let Some(topic) = topic.ok().and_then(|topic| registry.topics.get(&topic)) {
            topic.snapshots.write().retain(|s| !Arc::ptr_eq(s, &snapshot));
        }
        self.store_deletion(Kind::Snapshot, name.as_str(), None);
        Ok(())
    }

    pub(super) fn drop_expired_snapshots(&self, wall: SystemTime) {
        let expired: Vec<String> = {
            let registry = self.registry.read();
            registry
                .snapshots
                .iter()
                .filter(|(_, s)| s.expires <= wall)
                .map(|(name, _)| name.to_string())
                .collect()
        };
        for snapshot in expired {
            // Only fails if somebody was faster.
            let _ = self.delete_snapshot(&pb::DeleteSnapshotRequest { snapshot });
        }
    }

    pub(crate) fn seek(&self, request: &pb::SeekRequest) -> Result<pb::SeekResponse> {
        let subscription = self.subscription(&request.subscription)?;
        let topic = subscription.config.read().topic.clone();
        let known = self.known_messages(&subscription, &topic);
        let (backlog, acked) = match request.target.as_ref() {
            None => return Err(Status::invalid("The seek target must be a time or a snapshot.")),
            Some(pb::seek_request::Target::Time(time)) => {
                let time = clock::system_time(time);
                known.into_values().partition(|message| message.published >= time)
            }
            Some(pb::seek_request::Target::Snapshot(name)) => {
                let snapshot = self.snapshot(name)?;
                if snapshot.config.read().topic != topic {
                    return Err(Status::precondition(
                        "The snapshot's topic is not the subscription's topic.",
                    ));
                }
                let kept = snapshot.messages.lock().clone();
                let acked = known
                    .into_iter()
                    .filter(|(id, _)| !kept.contains_key(id))
                    .map(|(_, m)| m)
                    .collect();
                (
                    kept.into_values()
                        .filter(|message| self.wants(&subscription, message))
                        .collect(),
                    acked,
                )
            }
        };
        let now = Instant::now();
        subscription.touch(now);
        subscription.queue(|queue| queue.replace(backlog, acked, now));
        Ok(pb::SeekResponse {})
    }

    /// Everything that the subscription could get again, by id: what it holds, what it retains, and
    /// what its topic retains and its filter lets through.
    fn known_messages(&self, subscription: &Subscription, topic: &str) -> BTreeMap<u64, Arc<Message>> {
        let mut known: BTreeMap<u64, Arc<Message>> = subscription.queue(|queue| {
            queue
                .retained()
                .map(|message| (message.id, message.clone()))
                .collect()
        });
        if let Ok(topic) = self.topic(topic) {
            topic.retain(&[], self.clock.wall_now());
            let retained: Vec<_> = topic.retained.lock().iter().cloned().collect();
            known.extend(
                retained
                    .into_iter()
                    .filter(|m| self.wants(subscription, m))
                    .map(|m| (m.id, m)),
            );
        }
        known
    }

    fn wants(&self, subscription: &Subscription, message: &Message) -> bool {
        let filter = subscription
            .filter
            .as_ref()
            .filter(|_| self.settings.read().filters);
        filter.is_none_or(|filter| filter.matches(&message.attributes()))
    }
}
