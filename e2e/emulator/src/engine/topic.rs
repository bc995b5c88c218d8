//! One topic.

use super::{fanout::Fanout, snapshots::Snapshot};
use crate::{
    clock,
    iam::PolicyCell,
    message::Message,
    pb,
    store::{Kind, Store, held_key, held_prefix},
};
use parking_lot::{Mutex, RwLock};
use std::{collections::VecDeque, sync::Arc, time::SystemTime};
use tokio::time::Instant;

pub(super) struct Topic {
    pub(super) created: Instant,
    pub(super) config: RwLock<pb::Topic>,
    /// Who gets a published message.
    pub(super) fanout: RwLock<Fanout>,
    /// Snapshots keep what is published after them.
    pub(super) snapshots: RwLock<Vec<Arc<Snapshot>>>,
    /// Published messages, oldest first, while the topic retains them.
    pub(super) retained: Mutex<VecDeque<Arc<Message>>>,
    pub(super) policy: Mutex<PolicyCell>,
    store: Option<Arc<Store>>,
}

impl Topic {
    pub(super) fn new(config: pb::Topic, created: Instant, store: Option<Arc<Store>>) -> Self {
        Self {
            created,
            config: RwLock::new(config),
            fanout: RwLock::default(),
            snapshots: RwLock::default(),
            retained: Mutex::default(),
            policy: Mutex::default(),
            store,
        }
    }

    pub(super) fn retention(&self) -> Option<std::time::Duration> {
        self.config
            .read()
            .message_retention_duration
            .as_ref()
            .and_then(clock::duration)
    }

    /// Adds to the retained messages, if the topic has a retention, and drops those past it.
    pub(super) fn retain(&self, messages: &[Arc<Message>], wall: SystemTime) {
        let name = self.config.read().name.clone();
        let Some(retention) = self.retention() else {
            self.forget_retained(&name);
            return;
        };
        if let Some(store) = &self.store {
            for message in messages {
                store.put(Kind::Retained, &held_key(&name, message.id), Vec::new());
            }
        }
        let mut retained = self.retained.lock();
        retained.extend(messages.iter().cloned());
        while retained
            .front()
            .is_some_and(|m| wall.duration_since(m.published).unwrap_or_default() >= retention)
        {
            if let (Some(message), Some(store)) = (retained.pop_front(), &self.store) {
                store.delete(Kind::Retained, &held_key(&name, message.id));
            }
        }
    }

    /// The retention was taken away.
    fn forget_retained(&self, name: &str) {
        let mut retained = self.retained.lock();
        if retained.is_empty() {
            return;
        }
        retained.clear();
        if let Some(store) = &self.store {
            store.delete_prefix(Kind::Retained, &held_prefix(name));
        }
    }
}
