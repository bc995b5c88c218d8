//! Planned faults: which call fails, how often, in what way. For tests and rehearsals.

use crate::status::Code;
use parking_lot::Mutex;
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde::{Deserialize, Serialize};

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Strike {
    /// Instead of the call: nothing happens.
    #[default]
    Before,
    /// The call takes effect, but its reply is lost and the code is answered.
    AfterEffect,
}

/// One planned fault. Without a code it only delays.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase", deny_unknown_fields)]
pub struct Fault {
    /// `Publisher.CreateTopic`; `*` stands for anything: `Subscriber.*`, `*`.
    pub method: String,
    /// Only for resources whose name contains this.
    pub resource: Option<String>,
    /// What is answered.
    pub code: Option<Code>,
    /// Message of the answer.
    pub message: Option<String>,
    /// Before or after the effect.
    pub strike: Strike,
    /// Matching calls that are let through first.
    pub skip: u32,
    /// How often it strikes; `None` is for ever.
    pub count: Option<u32>,
    /// Of those, which part.
    pub probability: f64,
    /// Wait before the answer.
    pub delay_ms: u64,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            method: "*".to_owned(),
            resource: None,
            code: None,
            message: None,
            strike: Strike::Before,
            skip: 0,
            count: None,
            probability: 1.0,
            delay_ms: 0,
        }
    }
}

impl Fault {
    /// The next `count` calls of a method fail with a code and have no effect.
    #[must_use]
    pub fn fail(method: &str, code: Code, count: u32) -> Self {
        Self {
            method: method.to_owned(),
            code: Some(code),
            count: Some(count),
            ..Self::default()
        }
    }

    /// The next `count` calls of a method happen, but answer UNAVAILABLE.
    #[must_use]
    pub fn lose_reply(method: &str, count: u32) -> Self {
        Self {
            strike: Strike::AfterEffect,
            ..Self::fail(method, Code::Unavailable, count)
        }
    }

    fn matches(&self, method: &str, resource: &str) -> bool {
        let by_method = match self.method.strip_suffix('*') {
            Some(prefix) => method.starts_with(prefix),
            None => method == self.method,
        };
        by_method
            && self
                .resource
                .as_ref()
                .is_none_or(|part| resource.contains(part.as_str()))
    }
}

/// The faults in order; the first that matches and has strikes left decides.
pub(crate) struct FaultPlan {
    faults: Mutex<(Vec<Fault>, StdRng)>,
}

impl FaultPlan {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            faults: Mutex::new((Vec::new(), StdRng::seed_from_u64(seed))),
        }
    }

    pub(crate) fn add(&self, fault: Fault) {
        self.faults.lock().0.push(fault);
    }

    pub(crate) fn clear(&self) {
        self.faults.lock().0.clear();
    }

    pub(crate) fn lift(&self, resource: &str) {
        let faults = &mut self.faults.lock().0;
        faults.retain(|fault| fault.resource.as_deref() != Some(resource));
    }

    /// What is left of the plan.
    pub(crate) fn list(&self) -> Vec<Fault> {
        self.faults.lock().0.clone()
    }

    pub(crate) fn strike(&self, method: &str, resource: &str) -> Option<Fault> {
        let mut guard = self.faults.lock();
        let (faults, rng) = &mut *guard;
        let fault = faults
            .iter_mut()
            .find(|fault| fault.count != Some(0) && fault.matches(method, resource))?;
        if fault.skip > 0 {
            fault.skip -= 1;
            return None;
        }
        if fault.probability < 1.0 && !rng.random_bool(fault.probability.clamp(0.0, 1.0)) {
            return None;
        }
        if let Some(count) = &mut fault.count {
            *count -= 1;
        }
        Some(fault.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_skips_strikes_and_ends() {
        let plan = FaultPlan::new(1);
        plan.add(Fault {
            skip: 1,
            ..Fault::fail("A.*", Code::Internal, 2)
        });
        let struck: Vec<bool> = (0..5).map(|_| plan.strike("A.B", "r").is_some()).collect();
        assert_eq!(struck, [false, true, true, false, false]);
        assert!(plan.strike("B.B", "r").is_none());
    }

    #[test]
    fn one_resource_is_let_be_and_the_others_are_not() {
        let plan = FaultPlan::new(0);
        for resource in ["-a-", "-ab-"] {
            plan.add(Fault {
                resource: Some(resource.to_owned()),
                ..Fault::default()
            });
        }
        plan.lift("-a-");
        assert!(plan.strike("Get", "x-a-y").is_none());
        assert!(plan.strike("Get", "x-ab-y").is_some());
    }

    #[test]
    fn probability_is_seeded() {
        let run = || {
            let plan = FaultPlan::new(7);
            plan.add(Fault {
                probability: 0.5,
                ..Fault::default()
            });
            (0..64)
                .map(|_| plan.strike("A", "r").is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(run(), run());
        assert!(run().contains(&true) && run().contains(&false));
    }
}
