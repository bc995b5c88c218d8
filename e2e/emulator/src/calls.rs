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

/// Counters are kept for this many combinations of method, code and caller; what comes after is
/// counted for [`OTHERS`].
const MAX_COUNTED: usize = 10_000;
const OTHERS: &str = "*";

/// Method, code, and caller, which is empty for one without a token.
pub(crate) type Counted = (&'static str, &'static str, String);

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
    counts: Mutex<BTreeMap<Counted, u64>>,
}

impl CallLog {
    pub(crate) fn record(&self, entry: &Entry<'_>, code: Option<Code>, fault: bool, at: SystemTime) {
        self.count(entry, code);
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

    fn count(&self, entry: &Entry<'_>, code: Option<Code>) {
        let of = |caller: &str| {
            (
                entry.method.name,
                code.map_or("OK", Code::name),
                caller.to_owned(),
            )
        };
        let mut counts = self.counts.lock();
        let mut key = of(entry.caller.unwrap_or_default());
        if counts.len() >= MAX_COUNTED && !counts.contains_key(&key) {
            key = of(OTHERS);
        }
        *counts.entry(key).or_default() += 1;
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

    /// Calls since the last clearing.
    pub(crate) fn counts(&self) -> BTreeMap<Counted, u64> {
        self.counts.lock().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::methods::{GET_TOPIC, PUBLISH};

    fn call(log: &CallLog, method: &'static Method, caller: Option<&str>, code: Option<Code>) {
        let entry = Entry {
            method,
            resource: "projects/p/topics/t",
            caller,
        };
        log.record(&entry, code, false, SystemTime::now());
    }

    #[test]
    fn calls_are_counted_by_method_code_and_caller() {
        let log = CallLog::default();
        call(&log, &PUBLISH, Some("user:a"), None);
        call(&log, &PUBLISH, Some("user:a"), None);
        call(&log, &PUBLISH, Some("user:b"), None);
        call(&log, &GET_TOPIC, None, Some(Code::NotFound));
        let counts: Vec<_> = log.counts().into_iter().collect();
        let of = |method, code, caller: &str, count| ((method, code, caller.to_owned()), count);
        assert_eq!(
            counts,
            [
                of("Publisher.GetTopic", "NOT_FOUND", "", 1),
                of("Publisher.Publish", "OK", "user:a", 2),
                of("Publisher.Publish", "OK", "user:b", 1),
            ]
        );
    }

    #[test]
    fn many_callers_share_a_counter() {
        let log = CallLog::default();
        for caller in 0..MAX_COUNTED + 5 {
            call(&log, &PUBLISH, Some(&format!("user:{caller}")), None);
        }
        call(&log, &PUBLISH, Some("user:0"), None);
        let counts = log.counts();
        let of = |caller: &str| counts.get(&("Publisher.Publish", "OK", caller.to_owned()));
        assert_eq!((of(OTHERS), of("user:0")), (Some(&5), Some(&2)));
        assert_eq!(counts.len(), MAX_COUNTED + 1);
    }
}
