//! What is written to the store when something changes, and how an engine is made from a store.

use super::{
    Engine, defaults, schemas::SchemaCell, snapshots::Snapshot, subscription::Subscription,
    subscription_fields as fields, topic::Topic,
};
use crate::{
    iam::{PolicyCell, pb as iam},
    message::Message,
    names::Name,
    pb,
    queue::Queue,
    status::Result,
    store::{Kind, Loaded, Store, held_prefix},
};
use prost::Message as _;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering},
};
use tokio::time::Instant;

impl Engine {
    /// Waits until what was done so far is on disk, if there is one.
    pub(crate) async fn flush(&self) -> Result<()> {
        match &self.store {
            Some(store) => store.flush().await,
            None => Ok(()),
        }
    }

    fn store(&self, write: impl FnOnce(&Store)) {
        if let Some(store) = &self.store {
            write(store);
        }
    }

    pub(super) fn store_project(&self, id: &str, number: u64) {
        self.store(|store| store.put(Kind::Project, id.as_bytes(), number.to_be_bytes().to_vec()));
    }

    pub(super) fn store_topic(&self, topic: &pb::Topic) {
        self.store(|store| store.put(Kind::Topic, topic.name.as_bytes(), topic.encode_to_vec()));
    }

    pub(super) fn store_subscription(&self, incarnation: u32, config: &pb::Subscription) {
        self.store(|store| {
            let mut value = incarnation.to_be_bytes().to_vec();
            value.extend(config.encode_to_vec());
            store.put(Kind::Subscription, config.name.as_bytes(), value);
        });
    }

    pub(super) fn store_snapshot(&self, snapshot: &pb::Snapshot) {
        self.store(|store| store.put(Kind::Snapshot, snapshot.name.as_bytes(), snapshot.encode_to_vec()));
    }

    pub(super) fn store_schema(&self, name: &str, revisions: &[pb::Schema]) {
        let list = pb::ListSchemasResponse {
            schemas: revisions.to_vec(),
            next_page_token: String::new(),
        };
        self.store(|store| store.put(Kind::Schema, name.as_bytes(), list.encode_to_vec()));
    }

    pub(super) fn store_policy(&self, resource: &str, policy: &iam::Policy) {
        self.store(|store| store.put(Kind::Policy, resource.as_bytes(), policy.encode_to_vec()));
    }

    /// Forgets a resource, its policy and what it held.
    pub(super) fn store_deletion(&self, kind: Kind, name: &str, incarnation: Option<u32>) {
        self.store(|store| {
            store.delete(kind, name.as_bytes());
            store.delete(Kind::Policy, name.as_bytes());
            match (kind, incarnation) {
                (Kind::Topic, _) => store.delete_prefix(Kind::Retained, &held_prefix(name)),
                (Kind::Snapshot, _) => store.delete_prefix(Kind::InSnapshot, &held_prefix(name)),
                (_, Some(incarnation)) => store.delete_prefix(Kind::Backlog, &incarnation.to_be_bytes()),
                (_, None) => {}
            }
        });
    }

    /// Takes over what a store held. Attempts and leases are gone, as after any restart of the
    /// service: every message is ready again.
    pub(super) fn restore(&self, loaded: Loaded) -> Result<()> {
        let now = Instant::now();
        let last = loaded.messages.last_key_value().map_or(0, |(id, _)| *id);
        self.next_message.fetch_max(last + 1, Ordering::Relaxed);
        let messages: BTreeMap<u64, Arc<Message>> = loaded
            .messages
            .into_iter()
            .map(|(id, wire)| (id, Arc::new(Message::restore(id, wire, self.store.clone()))))
            .collect();
        let pick = |ids: Option<&Vec<u64>>| -> Vec<Arc<Message>> {
            ids.into_iter()
                .flatten()
                .filter_map(|id| messages.get(id).cloned())
                .collect()
        };
        for (id, number) in loaded.projects {
            self.set_project_number(&id, number);
        }
        let mut registry = self.registry.write();
        for (name, revisions) in loaded.schemas {
            registry
                .schemas
                .insert(Name::schema(&name)?, Arc::new(SchemaCell::restore(revisions)));
        }
        for config in loaded.topics {
            let name = Name::topic(&config.name)?;
            let topic = Topic::new(config, now, self.store.clone());
            topic
                .retained
                .lock()
                .extend(pick(loaded.retained.get(name.as_str())));
            registry.topics.insert(name, Arc::new(topic));
        }
        for (incarnation, mut config) in loaded.subscriptions {
            self.next_incarnation
                .fetch_max(incarnation + 1, Ordering::Relaxed);
            let name = Name::subscription(&config.name)?;
            let topic = Name::topic(&config.topic)
                .ok()
                .and_then(|topic| registry.topics.get(&topic));
            defaults::fill(&mut config);
            let (filter, detached) = (
                super::subscriptions::parse_filter(&config.filter)?,
                config.detached,
            );
            let mut queue = Queue::new(fields::rules(&config), self.clock, incarnation);
            for message in pick(loaded.backlogs.get(&incarnation)) {
                queue.push(message, now);
            }
            queue.check_retention(now);
            queue.keep_in(self.store.clone());
            let subscription = Arc::new(Subscription::new(
                name.clone(),
                config,
                filter,
                queue,
                (now, incarnation),
            ));
            self.keep(&subscription);
            if detached {
                subscription.gone.cancel();
            } else if let Some(topic) = topic {
                topic.fanout.write().add(subscription.clone());
            }
            registry.subscriptions.insert(name, subscription);
        }
        for config in loaded.snapshots {
            let name = Name::snapshot(&config.name)?;
            let held = pick(loaded.in_snapshots.get(name.as_str()));
            let topic = Name::topic(&config.topic).ok();
            let snapshot = Arc::new(Snapshot::restore(config, held, now, self.store.clone()));
            if let Some(topic) = topic.and_then(|topic| registry.topics.get(&topic)) {
                topic.snapshots.write().push(snapshot.clone());
            }
            registry.snapshots.insert(name, snapshot);
        }
        drop(registry);
        for (resource, policy) in loaded.policies {
            self.with_policy(&resource, |cell| {
                *cell = PolicyCell::restore(policy);
                Ok(())
            })?;
        }
        Ok(())
    }
}
