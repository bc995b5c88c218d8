//! Every word that people and their tools read: conditions and their messages in every state, plans, and what each failure comes
//! to. Whoever changes one sees here whom it concerns.

use std::{fmt::Write as _, sync::Arc};

use crate::{
    support::{UNKNOWN, World, now, settings, settings_with, subscription, tenant, valid, wanted},
    tenant_stages::{children, desired, observed, sample, summary},
};
use crds::{AccessVerified, EventSubscription, Reason};
use event_operator::{
    failure::{Class, Failure},
    leader::NotLeading,
    monitoring::Unread,
    pubsub::{Code, Policy, PubSubError, Resource, SubscriptionField, TopicField},
    subscription::{
        apply::Outcome,
        dead_letters::DeadLetters,
        plan::{Action, Draining, Plan, Step},
        status::{self, Known, Progress},
    },
    tenant::{self, observe::NamespaceState, rollout::Turn, status::Parts, validate::validate},
};
use insta::assert_snapshot;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use kube::core::Status;
use serde::Serialize;
use serde_json::{Value, json};

/// One line for each condition.
fn conditions(list: &[Condition]) -> String {
    list.iter().fold(String::new(), |mut text, one| {
        let (type_, status, reason, message) = (&one.type_, &one.status, &one.reason, &one.message);
        writeln!(text, "{type_}={status} {reason}: {message}").unwrap();
        text
    })
}

/// The fields of a status beside its conditions.
fn fields(status: &impl Serialize) -> String {
    let mut value = serde_json::to_value(status).unwrap();
    value.as_object_mut().unwrap().remove("conditions");
    serde_yaml::to_string(&value).unwrap()
}

const NO_DEAD_LETTERS: &str = "deadLetter: {enabled: false}";

fn refused() -> Failure {
    Failure::blocked(Reason::PermissionDenied, "Grant something.")
}

#[test]
fn an_event_subscription_says_how_far_it_is() {
    let mut text = String::new();
    let mut say = |title: &str, status: &crds::EventSubscriptionStatus| {
        writeln!(
            text,
            "# {title}\n{}{}",
            conditions(&status.conditions),
            fields(status)
        )
        .unwrap();
    };
    for (with, more) in [("", ""), (" without dead letters", NO_DEAD_LETTERS)] {
        let mut one = subscription("tenant-123", "user-events", more);
        let valid = valid(&one).unwrap();
        let plan = World::default().plan(&valid).unwrap();
        let mut planned = |title: &str, applied: usize, failure: Option<Failure>, known: &Known| {
            let outcome = Outcome { applied, failure };
            let status = status::status(&one, &Progress::Planned(&valid, &plan, &outcome, known), now());
            say(&format!("{title}{with}"), &status);
            status
        };
        for applied in 0..plan.steps.len() {
            planned(
                &format!("{applied} steps are done, and one fails"),
                applied,
                Some(refused()),
                &UNKNOWN,
            );
        }
        planned(
            "half is done, and time is up",
            plan.steps.len() / 2,
            None,
            &UNKNOWN,
        );
        let seen = Known {
            dead_letters: DeadLetters::Unread(Unread("it is down".into())),
            access: Some(AccessVerified {
                at: Time(now()),
                fingerprint: "f".into(),
            }),
        };
        let done = planned("all is done", plan.steps.len(), None, &seen);
        let waiting = Known {
            dead_letters: DeadLetters::Wait(valid.subscription.clone()),
            access: seen.access.clone(),
        };
        planned("dead letters wait", plan.steps.len(), None, &waiting);
        say(
            &format!("nothing could be looked at{with}"),
            &status::status(&one, &Progress::Unplanned(&valid, &refused()), now()),
        );
        one.status = Some(done);
        say(
            &format!("what made sense does not any more{with}"),
            &status::status(
                &one,
                &Progress::Invalid(&Failure::invalid(Reason::InvalidSpec, "Change it.")),
                now(),
            ),
        );
        say(
            &format!("a deletion that does not get on{with}"),
            &status::terminating(&one, &refused(), now()),
        );
        one.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
        say(
            &format!("a deletion that has not got on for long{with}"),
            &status::terminating(&one, &Failure::transient("No answer."), now()),
        );
    }
    assert_snapshot!(text);
}

#[test]
fn what_drains_is_named_and_its_switch_once_it_is_written_down() {
    let one = subscription("tenant-123", "user-events", "");
    let valid = valid(&one).unwrap();
    let old = |switched_at| Draining {
        name: valid.subscription.successor(7).unwrap(),
        switched_at,
        in_full: false,
        why: "its oldest message is of yesterday".into(),
    };
    let plan = Plan {
        steps: vec![Step {
            proves: crds::ConditionType::Draining,
            action: Action::DeleteSubscription(valid.subscription.clone()),
        }],
        current: Some(valid.subscription.clone()),
        draining: vec![old(Some(now())), old(None)],
        ..Plan::default()
    };
    let mut text = String::new();
    for applied in [0, 1] {
        let outcome = Outcome {
            applied,
            failure: None,
        };
        let said = status::status(&one, &Progress::Planned(&valid, &plan, &outcome, &UNKNOWN), now());
        writeln!(text, "{}{}", conditions(&said.conditions), fields(&said)).unwrap();
    }
    assert_snapshot!(text);
}

/// A Tenant with a worker that has this status.
fn parts(ready: &[Arc<EventSubscription>], replicas: i32, status: &Value) -> Parts {
    Parts {
        subscriptions: ready.to_vec(),
        wanted: ready.len(),
        worker: serde_json::from_value(json!({
            "metadata": {"generation": 2}, "spec": {"replicas": replicas, "selector": {}, "template": {}}, "status": status,
        }))
        .unwrap(),
        ..Parts::default()
    }
}

/// What may be seen of a worker.
fn workers() -> Vec<(&'static str, Value)> {
    let gave_up = json!([{"type": "Progressing", "status": "False", "message": "It took too long."}]);
    vec![
        (
            "runs",
            json!({"observedGeneration": 2, "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1}),
        ),
        ("is at zero", json!({"observedGeneration": 2})),
        (
            "was not seen",
            json!({"observedGeneration": 1, "readyReplicas": 1, "updatedReplicas": 1}),
        ),
        (
            "is half new",
            json!({"observedGeneration": 2, "replicas": 2, "readyReplicas": 1}),
        ),
        (
            "is not there yet",
            json!({"observedGeneration": 2, "conditions": [
                {"type": "Available", "status": "False", "message": "Too few."}, {"type": "Progressing", "status": "True"},
            ]}),
        ),
        ("gave up", json!({"observedGeneration": 2, "conditions": gave_up})),
        (
            "is refused its pods",
            json!({"observedGeneration": 2, "conditions": [
                {"type": "Progressing", "status": "True"},
                {"type": "ReplicaFailure", "status": "True", "message": "pods \"event-worker-1\" is forbidden: exceeded quota: none"},
            ]}),
        ),
    ]
}

/// What else there is to say of a Tenant whose worker runs.
fn ways(ready: &[Arc<EventSubscription>], runs: &Parts) -> Vec<(String, Parts)> {
    let with = |title: &str, change: &dyn Fn(&mut Parts)| {
        let mut parts = Parts {
            subscriptions: runs.subscriptions.clone(),
            wanted: runs.wanted,
            worker: runs.worker.clone(),
            ..Parts::default()
        };
        change(&mut parts);
        (title.to_owned(), parts)
    };
    let mut stuck = EventSubscription::clone(&ready[1]);
    stuck.status = Some(status::status(&stuck, &Progress::Invalid(&refused()), now()));
    let stuck = Arc::new(stuck);
    let unseen = Arc::new(EventSubscription::new("user-events", ready[0].spec.clone()));
    let names = ["a", "b", "c", "d", "e"].map(str::to_owned).to_vec();
    let mut changed = EventSubscription::clone(&ready[0]);
    changed.metadata.generation = Some(2);
    let changed = Arc::new(changed);
    vec![
        (
            "nothing is there yet".to_owned(),
            Parts {
                wanted: 2,
                ..Parts::default()
            },
        ),
        with("its worker waits", &|parts| parts.worker_waits = true),
        with("it waits for others", &|parts| parts.turn = Turn::Wait(3)),
        with("two hold all up", &|parts| {
            parts.turn = Turn::Halted(names[..2].to_vec());
        }),
        with("many hold all up", &|parts| {
            parts.turn = Turn::Halted(names.clone());
        }),
        with("a subscription was just changed", &|parts| {
            parts.subscriptions[0] = Arc::clone(&changed);
        }),
        with("others write the same", &|parts| {
            parts.contested = vec!["\"kyverno\" changes spec.replicas of it".to_owned()];
        }),
        with("two are applied by hand", &|parts| {
            parts.overridden = names[..2].to_vec();
        }),
        with("a subscription is stuck", &|parts| {
            parts.subscriptions[1] = Arc::clone(&stuck);
        }),
        with("one was not looked at", &|parts| {
            parts.subscriptions = vec![Arc::clone(&unseen)];
        }),
    ]
}

#[test]
fn a_tenant_says_how_far_it_is() {
    let mut text = String::new();
    for suspended in [false, true] {
        let mut one = sample("tenant-456");
        one.metadata.generation = Some(1);
        one.spec.suspended = Some(suspended);
        let valid = validate(&one, &[], &settings()).unwrap();
        let first = desired(&valid, &[], &settings()).unwrap();
        let ready = children(&first);
        let replicas = i32::from(!suspended);
        let mut say = |title: &str, progress: &tenant::status::Progress<'_>| {
            let said = tenant::status::status(&one, progress, now());
            let (conditions, fields) = (conditions(&said.conditions), fields(&said));
            writeln!(text, "# suspended: {suspended}, {title}\n{conditions}{fields}").unwrap();
        };
        for (does, status) in workers() {
            let parts = parts(&ready, replicas, &status);
            say(
                &format!("its worker {does}"),
                &tenant::status::Progress::Written(&valid, &parts, None),
            );
        }
        let runs = parts(&ready, replicas, &workers()[0].1);
        say(
            "a write failed",
            &tenant::status::Progress::Written(&valid, &runs, Some(&refused())),
        );
        for (title, parts) in ways(&ready, &runs) {
            say(&title, &tenant::status::Progress::Written(&valid, &parts, None));
        }
        say(
            "no namespace",
            &tenant::status::Progress::Unplanned(&valid, &refused()),
        );
        say(
            "it makes no sense",
            &tenant::status::Progress::Invalid(&refused()),
        );
    }
    assert_snapshot!(text);
}

#[test]
fn a_deletion_of_a_tenant_says_since_when_it_waits() {
    let mut one = tenant("acme");
    let verdict = event_operator::status::Verdict::working(Reason::Terminating, "Two are left.");
    let mut text = conditions(&tenant::status::terminating(&one, &verdict, now()).conditions);
    one.metadata.deletion_timestamp = Some(Time(Timestamp::UNIX_EPOCH));
    text += &conditions(&tenant::status::terminating(&one, &verdict, now()).conditions);
    assert_snapshot!(text);
}

#[test]
fn what_an_event_subscription_comes_to() {
    let all = "ackDeadline: 30s\nretention: 48h\nretryPolicy: {minimumBackoff: 5s, maximumBackoff: 1m}\nmessageOrdering: true\n\
               exactlyOnceDelivery: true\neventTypes: [user.login]\ndeadLetter: {maxDeliveryAttempts: 9, retention: 72h}";
    let mut text = String::new();
    for more in ["", NO_DEAD_LETTERS, all] {
        let one = subscription("tenant-123", "user-events", more);
        writeln!(text, "{:#?}", wanted(&valid(&one).unwrap())).unwrap();
    }
    assert_snapshot!(text);
}

#[test]
fn what_a_tenant_comes_to() {
    let settings = settings_with(
        "worker: {image: event-worker:1, idempotency: {url: 'redis://a:6379/1', secretName: store, ttl: 1h}}\n\
         regions: [europe-west1]\nlabels: {team: platform}",
    );
    let valid = validate(&sample("tenant-456"), &[], &settings).unwrap();
    let first = desired(&valid, &[], &settings).unwrap();
    let all = desired(&valid, &children(&first), &settings).unwrap();
    let manifests = all.ground.iter().chain(&all.subscriptions).chain(&all.worker);
    let mut text = String::new();
    for one in [&all.namespace]
        .into_iter()
        .chain(manifests)
        .chain([&all.deployment])
    {
        writeln!(
            text,
            "# {}\n{}",
            one.key,
            serde_yaml::to_string(&one.body).unwrap()
        )
        .unwrap();
    }
    writeln!(
        text,
        "# not wanted\n{:?}\n# not settled\n{}",
        all.unwanted, all.unsettled
    )
    .unwrap();
    assert_snapshot!(text);
}

/// The writes of a kind that are counted from zero.
fn counted(kind: &str) -> Vec<String> {
    let text = event_operator::metrics::Metrics::new().unwrap().render().unwrap();
    let text = String::from_utf8(text).unwrap();
    let writes = text.lines().filter_map(|line| {
        let labels = line.strip_prefix("event_operator_writes_total{action=\"")?;
        let (action, rest) = labels.split_once('"')?;
        rest.contains(&format!("kind=\"{kind}\""))
            .then(|| action.to_owned())
    });
    writes.collect()
}

#[test]
fn plans_are_told_step_by_step() {
    let one = valid(&subscription("tenant-123", "user-events", "")).unwrap();
    let desired_ = wanted(&one);
    let fresh = World::default().plan(&one).unwrap();
    let mut text = format!("{fresh}\n");
    let topic = Resource::Topic(one.topic.clone());
    let on = |resource| Action::SetPolicy {
        resource,
        policy: Policy::unset(),
    };
    for action in [
        Action::CreateTopic(desired_.topic.clone()),
        Action::UpdateTopic(desired_.topic.clone(), vec![TopicField::Labels]),
        Action::CreateSubscription(desired_.subscription.clone()),
        Action::UpdateSubscription(desired_.subscription.clone(), vec![SubscriptionField::Labels]),
        on(topic),
        on(Resource::Subscription(one.subscription.clone())),
        Action::DeleteSubscription(one.subscription.clone()),
    ] {
        let (word, told) = (action.as_str(), action.to_string());
        assert!(
            counted("EventSubscription").contains(&word.to_owned()),
            "{word} does not begin at zero"
        );
        let plan = Plan {
            steps: vec![Step {
                proves: crds::ConditionType::TopicReady,
                action,
            }],
            ..Plan::default()
        };
        writeln!(
            text,
            "{word}: {told}; touches topics: {}; nothing to do: {}",
            plan.touches_topics(),
            plan.is_empty()
        )
        .unwrap();
    }
    writeln!(text, "nothing to do: {}", Plan::default().is_empty()).unwrap();

    let valid = validate(&sample("tenant-456"), &[], &settings()).unwrap();
    let tenants = desired(&valid, &[], &settings()).unwrap();
    for namespace in [
        NamespaceState::Absent,
        NamespaceState::Made,
        NamespaceState::Given,
    ] {
        let mut seen = observed(&tenants, namespace.clone());
        seen.objects.clear();
        let plan = tenant::plan::plan(&valid, &tenants, &seen, Turn::Go).unwrap();
        let words: Vec<_> = plan.actions.iter().map(tenant::plan::Action::as_str).collect();
        writeln!(
            text,
            "{namespace:?}: {}\n  {}",
            summary(&plan).join("; "),
            words.join(" ")
        )
        .unwrap();
    }
    for namespace in [
        NamespaceState::Terminating,
        NamespaceState::Foreign(None),
        NamespaceState::Foreign(Some("globex".into())),
    ] {
        let seen = observed(&tenants, namespace);
        writeln!(
            text,
            "{}",
            tenant::plan::plan(&valid, &tenants, &seen, Turn::Go).unwrap_err()
        )
        .unwrap();
    }
    let key = tenants.deployment.key.clone();
    for action in [
        tenant::plan::Action::Delete(key.clone(), None),
        tenant::plan::Action::HandOver(key.clone(), 3),
        tenant::plan::Action::TakeAway(key, json!({})),
    ] {
        assert!(
            counted("Tenant").contains(&action.as_str().to_owned()),
            "{action}"
        );
        writeln!(text, "{}: {action} ({})", action.as_str(), action.key()).unwrap();
    }
    assert_snapshot!(text);
}

#[test]
fn every_failure_has_its_treatment() {
    let mut text = String::new();
    let mut say = |what: &str, failure: &Failure| {
        let treatment = failure.class.treatment();
        let (first, last) = (treatment.first_retry.as_secs(), treatment.last_retry.as_secs());
        writeln!(
            text,
            "{what}: {} ({first} to {last} s, stalled {}, event {}) {failure}",
            failure.class.as_str(),
            treatment.stalled,
            treatment.event
        )
        .unwrap();
    };
    for code in [
        Code::Cancelled,
        Code::Unknown,
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::AlreadyExists,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::LimitReached,
        Code::FailedPrecondition,
        Code::Aborted,
        Code::OutOfRange,
        Code::Unimplemented,
        Code::Internal,
        Code::Unavailable,
        Code::DataLoss,
        Code::Unauthenticated,
        Code::Transport,
        Code::NotLeading,
        Code::Unsendable,
    ] {
        for call in ["CreateSubscription", "SetIamPolicy", "GetProject"] {
            let error = PubSubError {
                call,
                permission: "some.permission",
                object: "projects/p/subscriptions/s".into(),
                code,
                message: "said so".into(),
            };
            say(&format!("{call} {code:?}"), &error.into());
        }
    }
    let denied = Status::failure(
        "admission webhook \"a.example.com\" denied the request: no",
        "Because",
    );
    say(
        "a policy",
        &kube::Error::Api(denied.with_code(422).boxed()).into(),
    );
    for code in [400, 403, 404, 409, 422, 429, 500, 503] {
        let status = Status::failure("said so", "Because").with_code(code).boxed();
        say(&format!("API server {code}"), &kube::Error::Api(status).into());
    }
    let no_json = serde_json::from_str::<Value>("{").unwrap_err();
    say("no JSON form", &kube::Error::SerdeError(no_json).into());
    say("not leading", &kube::Error::Service(Box::new(NotLeading)).into());
    say("broken", &kube::Error::Service("the way is broken".into()).into());
    say(
        "a bug",
        &Failure {
            class: Class::Bug,
            reason: Reason::InternalError,
            message: "Report it.".into(),
        },
    );
    assert_snapshot!(text);
}

#[test]
fn waits_double_within_their_bounds_whatever_the_class() {
    for class in [
        Class::Throttled,
        Class::Transient,
        Class::Blocked,
        Class::Invalid,
        Class::Bug,
    ] {
        let treatment = class.treatment();
        for failures in [0, 1, 2, 3, 5, 40] {
            let doubled = treatment.first_retry.as_secs_f64() * 2_f64.powi(failures.max(1) - 1);
            let least = doubled.min(treatment.last_retry.as_secs_f64());
            let wait = class.retry_after(u32::try_from(failures).unwrap()).as_secs_f64();
            assert!(
                (least * 0.799..=least * 1.201).contains(&wait),
                "{class:?} {failures}: {wait}"
            );
        }
    }
}
