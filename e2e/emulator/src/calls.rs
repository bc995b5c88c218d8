//! The log of calls: which method, on what, by whom, with what result. Never what was in them.

use crate::{methods::Method, status::Code};
use parking_lot::Mutex;
use serde::{Serialize, Serializer};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::atomic::{AtomicU64, Ordering},
    time::SystemTime,
};

/// Publishes, pulls and acks kept; and administrative calls, more than any test makes: some 50 MB.
const DATA_KEPT: usize = 10_000;
const ADMIN_KEPT: usize = 200_000;

/// One finished call, or one opened stream.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// Position in the log; grows without gaps within a run.
    pub sequence: u64,
    /// `Publisher.CreateTopic`, `Subscriber.StreamingPull`, `IAMPolicy.SetIamPolicy` and so on.
    pub method: &'static str,
    /// Full name of the resource, or of the parent for lists.
    pub resource: String,
    /// Principal of the bearer token, if one came.
    pub caller: Option<String>,
    /// `None` is OK.
    #[serde(serialize_with = "code_name")]
    pub code: Option<Code>,
    /// True if a planned fault decided the result.
    pub fault: bool,
    /// When it ended, on the emulator's clock.
    #[serde(serialize_with = "rfc3339")]
    pub at: SystemTime,
}

#[allow(
    clippy::ref_option,
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes fields by reference"
)]
fn code_name<S: Serializer>(code: &Option<Code>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.map_or("OK", Code::name))
}

fn rfc3339<S: Serializer>(at: &SystemTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&crate::clock::rfc3339(&crate::clock::timestamp(*at)))
}

/// What is known of a call before its result.
pub(crate) struct Entry<'a> {
    pub(crate) method: &'static Method,
    pub(crate) resource: &'a str,
    pub(crate) caller: Option<&'a str>,
}

#[derive(Default)]
pub(crate) struct CallLog {
    next: AtomicU64,
    admin: Mutex<VecDeque<Call>>,
    data: Mutex<VecDeque<Call>>,
    counts: Mutex<BTreeMap<(&'static str, &'static str), u64>>,
}

impl CallLog {
    pub(crate) fn record(&self, entry: &Entry<'_>, code: Option<Code>, fault: bool, at: SystemTime) {
        *self
            .counts
            .lock()
            .entry((entry.method.name, code.map_or("OK", Code::name)))
            .or_default() += 1;
        let call = Call {
            sequence: self.next.fetch_add(1, Ordering::Relaxed),
            method: entry.method.name,
            resource: entry.resource.to_owned(),
            caller: entry.caller.map(str::to_owned),
            code,
            fault,
            at,
        };
        let (log, kept) = if entry.method.admin {
            (&self.admin, ADMIN_KEPT)
        } else {
            (&self.data, DATA_KEPT)
        };
        let mut log = log.lock();
        log.push_back(call);
        if log.len() > kept {
            log.pop_front();
        }
    }

    /// All kept calls, in order.
    pub(crate) fn all(&self) -> Vec<Call> {
        let mut calls: Vec<Call> = self.admin.lock().iter().cloned().collect();
        calls.extend(self.data.lock().iter().cloned());
        calls.sort_by_key(|call| call.sequence);
        calls
    }

    pub(crate) fn clear(&self) {
        self.admin.lock().clear();
        self.data.lock().clear();
        self.counts.lock().clear();
    }

    /// Calls by method and code since the last clearing.
    pub(crate) fn counts(&self) -> BTreeMap<(&'static str, &'static str), u64> {
        self.counts.lock().clone()
    }
}
