//! What was asked of Pub/Sub and of the API server, by their own logs.

use std::collections::BTreeMap;

use e2e::control_plane::{ControlPlane, OPERATOR};
use pubsub_emulator::{Call, Code, Emulator};

/// A moment in both logs.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    call: u64,
    audit: u64,
}

impl Mark {
    pub(crate) fn now(emulator: &Emulator, plane: &ControlPlane) -> anyhow::Result<Self> {
        Ok(Self {
            call: emulator.calls().last().map_or(0, |call| call.sequence + 1),
            audit: plane.audit_position()?,
        })
    }
}

/// What the operator did in some time.
#[derive(Debug, Default, Clone, serde::Serialize)]
pub(crate) struct Ledger {
    /// Administrative calls to Pub/Sub by method; other services on the emulator's port have quotas of their own.
    pub(crate) calls: BTreeMap<&'static str, usize>,
    /// Those that Pub/Sub refused, because the quota was used up.
    pub(crate) refused: usize,
    /// Writes to the API server by verb and kind, but for the lease.
    pub(crate) kubernetes: BTreeMap<String, usize>,
}

impl Ledger {
    /// Since a moment.
    pub(crate) fn since(mark: Mark, emulator: &Emulator, plane: &ControlPlane) -> anyhow::Result<Self> {
        let mut ledger = Self::of_calls(emulator.calls().iter().filter(|call| call.sequence >= mark.call));
        for entry in plane.audit_since(mark.audit)?.0 {
            let about = entry.object_ref.clone().unwrap_or_default();
            if entry.user.username != OPERATOR || !entry.is_write() || about.resource == "leases" {
                continue;
            }
            let slash = if about.subresource.is_empty() { "" } else { "/" };
            let what = format!("{} {}{slash}{}", entry.verb, about.resource, about.subresource);
            *ledger.kubernetes.entry(what).or_default() += 1;
        }
        Ok(ledger)
    }

    /// These calls, and no writes to the API server.
    pub(crate) fn of_calls<'a>(calls: impl Iterator<Item = &'a Call>) -> Self {
        let mut ledger = Self::default();
        for call in calls.filter(|call| is_admin(call)) {
            *ledger.calls.entry(call.method).or_default() += 1;
            ledger.refused += usize::from(call.code == Some(Code::ResourceExhausted));
        }
        ledger
    }

    /// All administrative calls.
    pub(crate) fn all(&self) -> usize {
        self.calls.values().sum()
    }

    /// Reads of policies: a call for each object, where the rest is listed.
    pub(crate) fn policy_reads(&self) -> usize {
        self.calls
            .get("IAMPolicy.GetIamPolicy")
            .copied()
            .unwrap_or_default()
    }

    /// Calls that are no reads.
    pub(crate) fn writes(&self) -> usize {
        let reads = |method: &str| method.contains(".Get") || method.contains(".List");
        let writes = self.calls.iter().filter(|(method, _)| !reads(method));
        writes.map(|(_, count)| count).sum()
    }

    /// Writes to the API server.
    pub(crate) fn kubernetes_writes(&self) -> usize {
        self.kubernetes.values().sum()
    }
}

fn is_admin(call: &Call) -> bool {
    ["Publisher.", "Subscriber.", "IAMPolicy."]
        .iter()
        .any(|service| call.method.starts_with(service))
}
