//! Who holds leases, and how many more each may take: flow control.

use std::{collections::BTreeMap, sync::Arc};
use tokio::sync::Notify;

/// One stream, or one waiting pull.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct OwnerId(u64);

/// The most that a puller wants to hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    pub(crate) messages: usize,
    pub(crate) bytes: usize,
}

#[derive(Debug)]
struct Owner {
    limit: Limit,
    messages: usize,
    bytes: usize,
    wake: Arc<Notify>,
    /// What the client calls itself, if it does; its next stream takes over what this one held.
    client: Box<str>,
    /// False once its stream ended, while leases of it are left.
    attached: bool,
}

impl Owner {
    fn has_room(&self) -> bool {
        self.attached && self.messages < self.limit.messages && self.bytes < self.limit.bytes
    }
}

#[derive(Debug, Default)]
pub(super) struct Owners {
    next: u64,
    all: BTreeMap<OwnerId, Owner>,
}

impl Owners {
    /// A stream that replaces one of the same client has its leases too, and its ordering keys: a
    /// client that reconnects may not hold its limit twice
    /// (`StreamingPullRequest.client_id`). An empty name is nobody's.
    pub(super) fn attach(&mut self, limit: Limit, client: &str) -> (OwnerId, Arc<Notify>) {
        let wake = Arc::new(Notify::new());
        let left = self
            .all
            .iter_mut()
            .find(|(_, owner)| !owner.attached && !client.is_empty() && &*owner.client == client);
        if let Some((id, owner)) = left {
            owner.limit = limit;
            owner.wake = wake.clone();
            owner.attached = true;
            return (*id, wake);
        }
        self.next += 1;
        self.all.insert(
            OwnerId(self.next),
            Owner {
                limit,
                messages: 0,
                bytes: 0,
                wake: wake.clone(),
                client: client.into(),
                attached: true,
            },
        );
        (OwnerId(self.next), wake)
    }

    pub(super) fn detach(&mut self, id: OwnerId) {
        if let Some(owner) = self.all.get_mut(&id) {
            owner.attached = false;
            if owner.messages == 0 || owner.client.is_empty() {
                self.all.remove(&id);
            }
        }
    }

    /// Those attached.
    pub(super) fn len(&self) -> usize {
        self.all.values().filter(|owner| owner.attached).count()
    }

    /// Messages and bytes that the owner may still take; at least one message while it has room,
    /// however large.
    pub(super) fn room(&self, id: OwnerId) -> Limit {
        self.all.get(&id).filter(|owner| owner.has_room()).map_or(
            Limit {
                messages: 0,
                bytes: 0,
            },
            |owner| Limit {
                messages: owner.limit.messages - owner.messages,
                bytes: owner.limit.bytes - owner.bytes,
            },
        )
    }

    pub(super) fn with_room(&self) -> usize {
        self.all.values().filter(|owner| owner.has_room()).count()
    }

    pub(super) fn take(&mut self, id: OwnerId, bytes: usize) {
        if let Some(owner) = self.all.get_mut(&id) {
            owner.messages += 1;
            owner.bytes += bytes;
        }
    }

    /// Gives room back, and wakes the owner if it had none and there is work.
    pub(super) fn give(&mut self, id: OwnerId, bytes: usize, work: bool) {
        if let Some(owner) = self.all.get_mut(&id) {
            let was_full = !owner.has_room();
            owner.messages = owner.messages.saturating_sub(1);
            owner.bytes = owner.bytes.saturating_sub(bytes);
            if was_full && work && owner.has_room() {
                owner.wake.notify_one();
            }
            if !owner.attached && owner.messages == 0 {
                self.all.remove(&id);
            }
        }
    }

    pub(super) fn wake_those_with_room(&self) {
        for owner in self.all.values().filter(|owner| owner.has_room()) {
            owner.wake.notify_one();
        }
    }

    /// Those attached, and those remembered for their leases.
    #[cfg(test)]
    pub(super) fn known(&self) -> usize {
        self.all.len()
    }
}
