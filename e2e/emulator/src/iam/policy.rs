//! One resource's policy: read-modify-write guarded by an etag, in force after a delay.

use super::pb::{Binding, Policy};
use crate::status::{Code, Result, Status};
use bytes::Bytes;
use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};
use tokio::time::Instant;

/// What the service answers for a policy that was never set: base64 `ACAB`.
const NEVER_SET: &[u8] = &[0x00, 0x20, 0x01];

/// Earlier policies kept, for the propagation delay.
const HISTORY: usize = 32;

#[derive(Debug)]
pub(crate) struct PolicyCell {
    current: Policy,
    writes: u64,
    /// Policies with the instant of their write, oldest first; the last is the current one.
    history: VecDeque<(Option<Instant>, Policy)>,
}

impl Default for PolicyCell {
    fn default() -> Self {
        let current = Policy {
            etag: Bytes::from_static(NEVER_SET),
            ..Policy::default()
        };
        Self {
            history: VecDeque::from([(None, current.clone())]),
            current,
            writes: 0,
        }
    }
}

impl PolicyCell {
    pub(crate) fn read(&self) -> Policy {
        self.current.clone()
    }

    /// The same cell, where a policy that was never set has another etag than the service's.
    pub(crate) fn with_never_set_etag(&mut self, etag: Option<&Bytes>) -> &mut Self {
        if self.current.version == 0 {
            self.current.etag = etag.cloned().unwrap_or_else(|| Bytes::from_static(NEVER_SET));
        }
        self
    }

    /// Replaces the policy. An empty etag overwrites whatever is there, a stale one is refused.
    pub(crate) fn write(&mut self, mut policy: Policy, now: Instant) -> Result<Policy> {
        if !policy.etag.is_empty() && policy.etag != self.current.etag {
            return Err(Status::new(
                Code::Aborted,
                "There were concurrent policy changes. Please retry the whole read-modify-write with exponential backoff.",
            ));
        }
        self.writes += 1;
        policy.bindings = normalised(policy.bindings);
        // Version 3 is for conditions; without one the service answers 1, whatever was asked for.
        let conditional = policy.bindings.iter().any(|binding| binding.condition.is_some());
        policy.version = if conditional { policy.version.max(1) } else { 1 };
        policy.etag = etag(self.writes);
        self.current = policy.clone();
        self.history.push_back((Some(now), policy.clone()));
        if self.history.len() > HISTORY {
            self.history.pop_front();
        }
        Ok(policy)
    }

    /// The policy that decides at this instant, given how long a write takes to arrive everywhere.
    pub(crate) fn in_force(&self, now: Instant, delay: Duration) -> &Policy {
        self.history
            .iter()
            .rev()
            .find(|(written, _)| written.is_none_or(|at| at + delay <= now))
            .or_else(|| self.history.front())
            .map_or(&self.current, |(_, policy)| policy)
    }

    /// The cell of a policy that the store kept.
    pub(crate) fn restore(policy: Policy) -> Self {
        let writes = <[u8; 8]>::try_from(&policy.etag[..]).map_or(0, u64::from_be_bytes);
        Self {
            history: VecDeque::from([(None, policy.clone())]),
            current: policy,
            writes: writes & !ETAG_MARK,
        }
    }
}

/// Makes etags look like the service's (`BwX…`), and never like the never-set one.
const ETAG_MARK: u64 = 0x0705_0000_0000_0000;

fn etag(writes: u64) -> Bytes {
    Bytes::copy_from_slice(&(ETAG_MARK | writes).to_be_bytes())
}

/// One binding per role and condition, in the order of roles, without repeated members; empty bindings go. Members stay
/// in the order they were sent in.
fn normalised(bindings: Vec<Binding>) -> Vec<Binding> {
    let mut out: Vec<Binding> = Vec::new();
    for binding in bindings {
        match out
            .iter_mut()
            .find(|b| b.role == binding.role && b.condition == binding.condition)
        {
            Some(known) => known.members.extend(binding.members),
            None => out.push(binding),
        }
    }
    for binding in &mut out {
        let mut seen = HashSet::new();
        binding.members.retain(|member| seen.insert(member.clone()));
    }
    out.retain(|binding| !binding.members.is_empty());
    out.sort_by(|a, b| a.role.cmp(&b.role));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(role: &str, members: &[&str], etag: &Bytes) -> Policy {
        let members = members.iter().map(|m| (*m).to_owned()).collect();
        let bindings = vec![Binding {
            role: role.to_owned(),
            members,
            condition: None,
        }];
        Policy {
            bindings,
            etag: etag.clone(),
            ..Policy::default()
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stale_etag_is_refused_and_an_empty_one_overwrites() {
        let mut cell = PolicyCell::default();
        assert_eq!(cell.read().etag, NEVER_SET);
        let first = cell.read().etag;
        let second = cell
            .write(policy("r", &["allUsers"], &first), Instant::now())
            .unwrap()
            .etag;
        assert_eq!(
            cell.write(policy("r", &[], &first), Instant::now())
                .unwrap_err()
                .code,
            Code::Aborted
        );
        assert!(cell.write(policy("r", &[], &second), Instant::now()).is_ok());
        assert!(
            cell.write(policy("r", &[], &Bytes::new()), Instant::now())
                .is_ok()
        );
        assert!(cell.read().bindings.is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn each_write_has_an_etag_of_its_own_also_after_a_restart() {
        let mut cell = PolicyCell::default();
        let mut etags = vec![cell.read().etag];
        let write = |cell: &mut PolicyCell, etags: &mut Vec<Bytes>| {
            let written = cell.write(policy("r", &["allUsers"], &Bytes::new()), Instant::now());
            etags.push(written.unwrap().etag);
        };
        for _ in 0..3 {
            write(&mut cell, &mut etags);
        }
        let mut cell = PolicyCell::restore(cell.read());
        assert_eq!(&cell.read().etag, etags.last().unwrap());
        assert!(
            !cell
                .in_force(Instant::now(), Duration::from_secs(60))
                .bindings
                .is_empty()
        );
        for _ in 0..3 {
            write(&mut cell, &mut etags);
        }
        // As the service's, they are eight bytes that begin with 07 05, and `BwU` in base64.
        assert!(
            etags
                .iter()
                .skip(1)
                .all(|etag| etag.len() == 8 && etag.starts_with(&[7, 5]))
        );
        let count = etags.len();
        etags.sort();
        etags.dedup();
        assert_eq!(etags.len(), count);
    }

    #[tokio::test(start_paused = true)]
    async fn as_many_earlier_policies_are_kept_as_a_delay_may_need() {
        let mut cell = PolicyCell::default();
        let start = Instant::now();
        for n in 0..=HISTORY {
            let role = format!("r{n}");
            let at = start + Duration::from_secs(n as u64);
            cell.write(policy(&role, &["allUsers"], &Bytes::new()), at)
                .unwrap();
        }
        assert_eq!(cell.history.len(), HISTORY);
        let in_force = |seconds: u64| {
            let at = start + Duration::from_secs(seconds);
            cell.in_force(at, Duration::from_secs(1)).bindings[0].role.clone()
        };
        assert_eq!(in_force(11), "r10");
        assert_eq!(in_force(HISTORY as u64 + 1), format!("r{HISTORY}"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_policy_is_in_force_only_after_the_delay() {
        let (mut cell, delay) = (PolicyCell::default(), Duration::from_secs(60));
        cell.write(policy("r", &["allUsers"], &Bytes::new()), Instant::now())
            .unwrap();
        assert!(cell.in_force(Instant::now(), delay).bindings.is_empty());
        assert!(!cell.in_force(Instant::now() + delay, delay).bindings.is_empty());
        assert!(!cell.in_force(Instant::now(), Duration::ZERO).bindings.is_empty());
    }

    #[test]
    fn bindings_are_merged_and_deduplicated() {
        let binding = |role: &str, members: &[&str]| Binding {
            role: role.to_owned(),
            members: members.iter().map(|m| (*m).to_owned()).collect(),
            condition: None,
        };
        let merged = normalised(vec![
            binding("b", &["y", "x"]),
            binding("a", &[]),
            binding("b", &["x"]),
        ]);
        assert_eq!(merged, vec![binding("b", &["y", "x"])]);

        let mut conditional = binding("b", &["x"]);
        conditional.condition.get_or_insert_default();
        let apart = vec![binding("b", &["x"]), conditional];
        assert_eq!(
            normalised(apart.clone()),
            apart,
            "a condition makes it another binding"
        );
        assert_eq!(
            normalised(vec![binding("a", &["x"]), binding("b", &["x"])]).len(),
            2
        );
    }
}
