//! Pure: whose turn it is. A new default image or another setting of the operator's changes every worker; they change a few
//! at a time, and no more of them once one that was ready does not become ready again.
//!
//! Workers that run are the canaries: one at zero proves nothing, and would take a bad image at once. Those at zero follow when
//! every one that runs has changed and is settled.
//!
//! What has to be remembered stands on the Deployments themselves: which version of the fleet's settings each has, whether
//! it was ready when it got it, and whether it was ready when it ran last. So a rollout goes on where it was when the operator
//! starts again.

use crds::label;
use serde_json::Value;

use crate::kubernetes::Manifest;

/// Annotations of a worker's Deployment.
pub mod annotation {
    /// A hash of everything that comes from the operator, and is the same for all tenants.
    pub const FLEET: &str = "events.livingtwin.io/fleet-version";
    /// A hash of everything that comes from the Tenant.
    pub const OWN: &str = "events.livingtwin.io/tenant-version";
    /// Whether the worker was ready when it got its fleet version.
    pub const WAS_READY: &str = "events.livingtwin.io/was-ready";
    /// Whether the worker was ready when it ran last: at zero nothing else tells.
    pub const LAST_READY: &str = "events.livingtwin.io/last-ready";
}

/// Why a Deployment is to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is as wanted.
    None,
    /// It is new, its Tenant was edited, or somebody put a hand to it: written at once.
    Own,
    /// Only the operator's settings are others: it waits for its turn.
    Fleet,
}

/// What differs.
#[must_use]
pub fn change(wanted: &Manifest, live: Option<&Value>) -> Change {
    let Some(live) = live else {
        return Change::Own;
    };
    if wanted.is_applied(live) {
        return Change::None;
    }
    let differs = |key: &str| noted(live, key) != noted(&wanted.body, key);
    match differs(annotation::FLEET) && !differs(annotation::OWN) {
        true => Change::Fleet,
        false => Change::Own,
    }
}

/// Whether any pods are wanted.
#[must_use]
pub fn is_awake(live: &Value) -> bool {
    live.pointer("/spec/replicas") != Some(&Value::from(0))
}

/// What a worker that runs says of its readiness; nothing while it is at zero or changes.
fn readiness(live: &Value) -> Option<bool> {
    match state(live) {
        State::Settled if is_awake(live) => Some(true),
        State::Failed => Some(false),
        State::Settled | State::Rolling => None,
    }
}

/// Whether what is noted of the worker's readiness is no longer so, on a worker that may be at zero the next time.
#[must_use]
pub fn is_noted(live: &Value) -> bool {
    readiness(live).is_none_or(|ready| noted(live, annotation::LAST_READY) == Some(word(ready)))
}

const fn word(yes: bool) -> &'static str {
    if yes { "true" } else { "false" }
}

/// The manifest to write, with whether the worker was ready before it gets another fleet version, and when it ran last.
#[must_use]
pub fn noted_on(manifest: &Manifest, live: Option<&Value>, change: Change) -> Manifest {
    let is_noted = |key: &str| live.and_then(|live| noted(live, key)) == Some("true");
    let last_ready = live
        .and_then(readiness)
        .unwrap_or_else(|| is_noted(annotation::LAST_READY));
    let was_ready = match change {
        Change::Fleet => live.is_some_and(|live| match is_awake(live) {
            true => state(live) == State::Settled,
            false => last_ready,
        }),
        // What was noted stays, or this write would take it away.
        Change::Own | Change::None => is_noted(annotation::WAS_READY),
    };
    let mut manifest = manifest.clone();
    let annotations = manifest
        .body
        .pointer_mut("/metadata/annotations")
        .and_then(Value::as_object_mut);
    if let Some(annotations) = annotations {
        for (key, yes) in [
            (annotation::WAS_READY, was_ready),
            (annotation::LAST_READY, last_ready),
        ] {
            annotations.insert(key.to_owned(), Value::from(word(yes)));
        }
    }
    manifest
}

/// The fleet version of a manifest.
#[must_use]
pub fn version(manifest: &Manifest) -> &str {
    noted(&manifest.body, annotation::FLEET).unwrap_or_default()
}

fn noted<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    object.get("metadata")?.get("annotations")?.get(key)?.as_str()
}

/// How a worker's Deployment does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// All pods wanted are of the newest version, and ready.
    Settled,
    /// Not yet.
    Rolling,
    /// Its controller gave up waiting.
    Failed,
}

/// How this Deployment does.
#[must_use]
pub fn state(live: &Value) -> State {
    let number = |pointer: &str| live.pointer(pointer).and_then(Value::as_i64);
    let wanted = number("/spec/replicas").unwrap_or(1);
    let at_least = |pointer: &str| number(pointer).unwrap_or(0) >= wanted;
    let seen = number("/status/observedGeneration") >= number("/metadata/generation");
    if seen && at_least("/status/readyReplicas") && at_least("/status/updatedReplicas") {
        return State::Settled;
    }
    let conditions = live.pointer("/status/conditions").and_then(Value::as_array);
    let gave_up = conditions
        .into_iter()
        .flatten()
        .any(|one| one["type"] == "Progressing" && one["status"] == "False");
    match seen && gave_up {
        true => State::Failed,
        false => State::Rolling,
    }
}

/// One worker of the fleet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its namespace.
    pub namespace: String,
    /// The version it has.
    pub version: Option<String>,
    /// Whether it was ready when it got it.
    pub was_ready: bool,
    /// Whether any pods are wanted.
    pub awake: bool,
    /// Whether anything keeps it from another version, such as a Tenant that is paused: nobody waits for it.
    pub held: bool,
    /// How it does.
    pub state: State,
}

impl Member {
    /// Reads it from its Deployment; none, if that is not labelled as this Tenant's.
    #[must_use]
    pub fn of(live: &Value, tenant: &str, held: bool) -> Option<Self> {
        let labels = live.pointer("/metadata/labels")?;
        if labels.get(label::TENANT)?.as_str() != Some(tenant) {
            return None;
        }
        Some(Self {
            namespace: live.pointer("/metadata/namespace")?.as_str()?.to_owned(),
            version: noted(live, annotation::FLEET).map(str::to_owned),
            was_ready: noted(live, annotation::WAS_READY) == Some("true"),
            awake: is_awake(live),
            held,
            state: state(live),
        })
    }
}

/// How far a version has come.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// Have it, and are settled or were broken before.
    pub done: Vec<String>,
    /// Are getting it, and run.
    pub rolling: Vec<String>,
    /// Are getting it, at zero: that takes a moment, and proves nothing.
    pub asleep: Vec<String>,
    /// Have another one.
    pub waiting: usize,
    /// Those of them that run, and that nothing keeps from it.
    pub canaries: usize,
    /// Were ready before they got it, and are not.
    pub regressed: Vec<String>,
}

impl Tally {
    /// Whether a worker has the version.
    #[must_use]
    pub fn has(&self, namespace: &str) -> bool {
        [&self.done, &self.rolling, &self.asleep, &self.regressed]
            .into_iter()
            .any(|list| list.iter().any(|one| one == namespace))
    }
}

/// Counts the fleet against a version.
#[must_use]
pub fn tally(members: impl IntoIterator<Item = Member>, version: &str) -> Tally {
    let mut tally = Tally::default();
    for member in members {
        if member.version.as_deref() != Some(version) {
            tally.waiting += 1;
            tally.canaries += usize::from(member.awake && !member.held);
            continue;
        }
        match member.state {
            State::Rolling if member.awake => tally.rolling.push(member.namespace),
            State::Rolling => tally.asleep.push(member.namespace),
            State::Failed if member.was_ready => tally.regressed.push(member.namespace),
            State::Settled | State::Failed => tally.done.push(member.namespace),
        }
    }
    tally.regressed.sort();
    tally
}

/// Whether a worker may change now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Turn {
    /// It may.
    #[default]
    Go,
    /// So many others are changing.
    Wait(usize),
    /// These were ready and are not any more; nobody else changes until that is mended.
    Halted(Vec<String>),
}

/// Decides, for a worker that runs or for one at zero.
#[must_use]
pub fn turn(tally: &Tally, awake: bool, max_concurrent: usize) -> Turn {
    if !tally.regressed.is_empty() {
        return Turn::Halted(tally.regressed.clone());
    }
    let before = tally.canaries + tally.rolling.len();
    if !awake && before > 0 {
        return Turn::Wait(before);
    }
    match tally.rolling.len() + tally.asleep.len() {
        rolling if rolling >= max_concurrent => Turn::Wait(rolling),
        _ => Turn::Go,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::kubernetes::{Kind, field_owners::applied};

    fn live(version: &str, was_ready: bool, status: &Value) -> Value {
        json!({
            "metadata": {"namespace": "acme", "generation": 2, "labels": {label::TENANT: "acme"}, "annotations": {
                annotation::FLEET: version, annotation::WAS_READY: was_ready.to_string(),
            }},
            "spec": {"replicas": 1},
            "status": status,
        })
    }

    fn ready() -> Value {
        json!({"observedGeneration": 2, "readyReplicas": 1, "updatedReplicas": 1})
    }

    fn failed() -> Value {
        json!({"observedGeneration": 2, "updatedReplicas": 1, "conditions": [{"type": "Progressing", "status": "False"}]})
    }

    fn member(version: &str, was_ready: bool, status: &Value) -> Member {
        Member::of(&live(version, was_ready, status), "acme", false).unwrap()
    }

    #[test]
    fn a_deployment_that_is_another_tenants_or_nobodys_is_no_member() {
        let mut one = live("v", true, &ready());
        assert_eq!(Member::of(&one, "globex", false), None);
        one["metadata"]["labels"] = json!({});
        assert_eq!(Member::of(&one, "acme", false), None);
    }

    #[test]
    fn a_deployment_that_was_not_seen_yet_is_rolling_whatever_its_status_said() {
        let old = json!({"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1});
        assert_eq!(state(&live("v", true, &old)), State::Rolling);
        assert_eq!(state(&live("v", true, &ready())), State::Settled);
        assert_eq!(state(&live("v", true, &failed())), State::Failed);
        let mut stopped = live("v", true, &json!({"observedGeneration": 2}));
        stopped["spec"]["replicas"] = json!(0);
        assert_eq!(state(&stopped), State::Settled);
    }

    #[test]
    fn only_so_many_at_a_time() {
        let rolling = json!({"observedGeneration": 2});
        let fleet = |rolling_ones: usize| {
            let rolling = (0..rolling_ones).map(|_| member("new", true, &rolling));
            tally(rolling.chain([member("old", true, &ready())]), "new")
        };
        assert_eq!(turn(&fleet(2), true, 3), Turn::Go);
        assert_eq!(turn(&fleet(3), true, 3), Turn::Wait(3));
    }

    fn asleep(version: &str, status: &Value) -> Value {
        let mut one = live(version, true, status);
        one["spec"]["replicas"] = json!(0);
        one
    }

    #[test]
    fn those_at_zero_follow_when_all_that_run_have_changed_and_are_settled() {
        let zero = Member::of(&asleep("old", &ready()), "acme", false).unwrap();
        let canary = member("old", true, &ready());
        let paused = Member {
            held: true,
            ..canary.clone()
        };
        let rolling = member("new", true, &json!({"observedGeneration": 2}));
        let fleet = |members: &[&Member]| tally(members.iter().map(|one| (*one).clone()), "new");
        let turn = |members: &[&Member]| super::turn(&fleet(members), false, 2);
        assert_eq!(
            turn(&[&zero, &canary]),
            Turn::Wait(1),
            "one that runs has not changed"
        );
        assert_eq!(
            turn(&[&zero, &rolling]),
            Turn::Wait(1),
            "one that runs is changing"
        );
        assert_eq!(turn(&[&zero, &member("new", true, &ready())]), Turn::Go);
        assert_eq!(
            turn(&[&zero, &paused]),
            Turn::Go,
            "nobody waits for one that cannot change"
        );
        // Nobody runs: still so many at a time.
        let changing = Member::of(&asleep("new", &json!({"observedGeneration": 1})), "acme", false).unwrap();
        assert_eq!(turn(&[&zero, &changing]), Turn::Go);
        assert_eq!(turn(&[&zero, &changing, &changing]), Turn::Wait(2));
        // One that runs does not wait for those at zero.
        assert_eq!(
            super::turn(&fleet(&[&canary, &zero, &changing]), true, 2),
            Turn::Go
        );
    }

    #[test]
    fn one_that_was_ready_before_it_slept_and_fails_when_it_wakes_has_regressed() {
        let body = json!({"metadata": {"annotations": {annotation::FLEET: "new"}}});
        let manifest = Manifest::new(Kind::Deployment, Some("acme"), "event-worker", &body).unwrap();
        let note = |live: &Value, key: &str, change| {
            noted(&noted_on(&manifest, Some(live), change).body, key).map(str::to_owned)
        };
        let running = live("old", false, &ready());
        assert!(
            !is_noted(&running),
            "that it is ready has to be written down before it sleeps"
        );
        assert_eq!(
            note(&running, annotation::LAST_READY, Change::None).as_deref(),
            Some("true")
        );
        for (last, expected) in [("true", "true"), ("false", "false")] {
            let mut sleeps = asleep("old", &json!({"observedGeneration": 2}));
            sleeps["metadata"]["annotations"][annotation::LAST_READY] = json!(last);
            sleeps["metadata"]["annotations"][annotation::WAS_READY] = json!("false");
            assert!(is_noted(&sleeps), "at zero there is nothing to note");
            assert_eq!(
                note(&sleeps, annotation::WAS_READY, Change::Fleet).as_deref(),
                Some(expected)
            );
            assert_eq!(
                note(&sleeps, annotation::LAST_READY, Change::Fleet).as_deref(),
                Some(last)
            );
        }
        let mut woken = live("new", true, &failed());
        woken["metadata"]["annotations"][annotation::LAST_READY] = json!("true");
        let woken = Member::of(&woken, "acme", false).unwrap();
        assert_eq!(
            turn(&tally([woken], "new"), true, 10),
            Turn::Halted(vec!["acme".into()])
        );
    }

    #[test]
    fn one_that_was_ready_and_failed_stops_all_and_one_that_was_broken_before_none() {
        let regressed = tally([member("new", true, &failed())], "new");
        assert_eq!(turn(&regressed, true, 10), Turn::Halted(vec!["acme".into()]));
        let broken_before = tally([member("new", false, &failed())], "new");
        assert_eq!(turn(&broken_before, true, 1), Turn::Go);
        // Another version is another try.
        assert_eq!(
            turn(&tally([member("new", true, &failed())], "newer"), true, 1),
            Turn::Go
        );
    }

    #[test]
    fn an_edit_does_not_wait_and_a_setting_does() {
        let wanted = |fleet: &str, own: &str| {
            let body = json!({"metadata": {"annotations": {annotation::FLEET: fleet, annotation::OWN: own}}, "x": [fleet, own]});
            Manifest::new(Kind::Deployment, Some("acme"), "event-worker", &body).unwrap()
        };
        let before = applied(&wanted("1", "a").body);
        assert_eq!(change(&wanted("1", "a"), Some(&before)), Change::None);
        assert_eq!(change(&wanted("1", "a"), None), Change::Own);
        assert_eq!(change(&wanted("1", "b"), Some(&before)), Change::Own);
        assert_eq!(change(&wanted("2", "a"), Some(&before)), Change::Fleet);
        assert_eq!(
            change(&wanted("2", "b"), Some(&before)),
            Change::Own,
            "the edit does not wait"
        );
        let mut by_hand = before.clone();
        let ours = by_hand.pointer_mut("/metadata/managedFields/0/fieldsV1").unwrap();
        ours.as_object_mut().unwrap().remove("f:x");
        assert_eq!(change(&wanted("1", "a"), Some(&by_hand)), Change::Own);
    }
}
