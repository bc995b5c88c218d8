//! Does the emulator behave as Google's documents say, and where do other servers differ from it?
//!
//! The scenarios are data (`scenarios/*.yaml`), each with the document it is taken from. Ours has to
//! meet every expectation. Google's Go fake (`pstest`), and servers named in
//! `PUBSUB_DIFFERENTIAL_SERVERS=java=127.0.0.1:8085,…`, may differ only where `differences.yaml` says
//! so, with the document that is on our side; a difference that is gone fails too.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stderr,
    reason = "a test fails by panicking, and says what it skips"
)]

mod compare;
mod data;
mod play;
mod pstest;
mod schema;
#[path = "../emulator/support/wire.rs"]
mod wire;

use compare::{Differences, Everywhere, against_expectations, between};
use data::{Difference, Existing, Row, Scenario};
use futures::{StreamExt as _, stream};
use play::{Observed, play};
use pubsub_emulator::{Emulator, iam_pb, pb};
use std::collections::{BTreeMap, BTreeSet};
use wire::Connection;

/// Scenarios that run at a time; most of them wait for deadlines.
const AT_A_TIME: usize = 24;
const FURTHER: &str = "PUBSUB_DIFFERENTIAL_SERVERS";

/// What each scenario saw, step by step.
type Run = BTreeMap<String, Vec<Observed>>;

async fn run_ours(scenarios: &[Scenario], schema: &schema::Schema) -> Run {
    let runs = scenarios.iter().map(|scenario| async {
        let emulator = Emulator::builder()
            .settings(scenario.settings.clone())
            .start()
            .await
            .expect("a free port on loopback");
        let project = scenario.project();
        let bindings = scenario.grants.iter().map(|grant| iam_pb::Binding {
            role: grant.role.replace("{p}", &project),
            members: vec![grant.to.clone()],
            condition: None,
        });
        let policy = iam_pb::Policy {
            bindings: bindings.collect(),
            ..iam_pb::Policy::default()
        };
        emulator.set_policy(&project, policy).expect("granted");
        make(&emulator, &project, &scenario.existing);
        let connection = Connection::open(&emulator.address().to_string()).await;
        let seen = play(scenario, &connection, schema).await;
        emulator.shutdown().await;
        (scenario.id.clone(), seen)
    });
    stream::iter(runs).buffer_unordered(AT_A_TIME).collect().await
}

fn make(emulator: &Emulator, project: &str, existing: &Existing) {
    let topic = |n: u32| format!("{project}/topics/topic-{n}");
    let subscription = |n: u32| format!("{project}/subscriptions/subscription-{n}");
    for n in 1..=existing.topics {
        let topic = pb::Topic {
            name: topic(n),
            ..pb::Topic::default()
        };
        emulator.create_topic(topic).expect("created");
    }
    for n in 1..=existing.subscriptions {
        let subscription = pb::Subscription {
            name: subscription(n),
            topic: topic(1),
            filter: format!("attributes.tenant_id = \"{n}\""),
            ..pb::Subscription::default()
        };
        emulator.create_subscription(subscription).expect("created");
    }
    for n in 1..=existing.snapshots {
        let snapshot = pb::CreateSnapshotRequest {
            name: format!("{project}/snapshots/snapshot-{n}"),
            subscription: subscription(1),
            ..pb::CreateSnapshotRequest::default()
        };
        emulator.create_snapshot(snapshot).expect("created");
    }
}

/// A process for each scenario: one that ends in a panic takes no other with it.
async fn run_pstest(scenarios: &[Scenario], schema: &schema::Schema, pstest: &pstest::Built) -> Run {
    let runs = scenarios.iter().map(|scenario| async {
        let server = pstest.start();
        let connection = Connection::open(&server.address).await;
        (scenario.id.clone(), play(scenario, &connection, schema).await)
    });
    stream::iter(runs).buffer_unordered(AT_A_TIME).collect().await
}

async fn run_at(scenarios: &[Scenario], schema: &schema::Schema, address: &str) -> Run {
    let connection = Connection::open(address).await;
    let runs = scenarios
        .iter()
        .map(|scenario| async { (scenario.id.clone(), play(scenario, &connection, schema).await) });
    stream::iter(runs).buffer_unordered(AT_A_TIME).collect().await
}

#[tokio::test(flavor = "multi_thread")]
async fn ours_is_as_documented_and_others_differ_only_where_listed() {
    let scenarios = data::scenarios();
    let pstest = pstest::Built::build();
    let schema = schema::Schema::read(&pstest.descriptors);
    let further = std::env::var(FURTHER).unwrap_or_default();
    let further: Vec<&str> = further.split(',').filter(|server| !server.is_empty()).collect();
    if further.is_empty() {
        eprintln!(
            "SKIPPED: other servers, such as Google's Java emulator: {FURTHER} (java=HOST:PORT) is not set."
        );
    }
    let (ours, theirs) = tokio::join!(
        run_ours(&scenarios, &schema),
        run_pstest(&scenarios, &schema, &pstest)
    );
    let mut others = vec![("pstest", theirs)];
    for server in &further {
        let (name, address) = server.split_once('=').expect("name=host:port");
        others.push((name, run_at(&scenarios, &schema, address).await));
    }

    let wrong: Vec<String> = scenarios
        .iter()
        .flat_map(|scenario| against_expectations(scenario, &ours[&scenario.id]))
        .collect();
    assert!(wrong.is_empty(), "not as documented:\n{}", wrong.join("\n"));

    let listed = data::differences();
    let mut found = Differences::new();
    let mut problems = Vec::new();
    for (server, run) in &others {
        let everywhere = Everywhere::of(server, &listed);
        for scenario in &scenarios {
            found.extend(between(
                &everywhere,
                scenario,
                &ours[&scenario.id],
                &run[&scenario.id],
            ));
        }
        problems.extend(everywhere.gone());
    }
    let ran: BTreeSet<&str> = others.iter().map(|(name, _)| *name).collect();
    problems.extend(compare::unlisted_and_gone(&found, &listed, &ran));
    assert!(
        problems.is_empty(),
        "differences.yaml is not what was seen:\n{}",
        problems.join("\n")
    );
}

#[test]
fn every_documented_row_is_in_a_scenario() {
    let rows: BTreeSet<String> = data::rows().into_iter().map(|row| row.id).collect();
    let scenarios = data::scenarios();
    let used: BTreeSet<String> = scenarios.iter().flat_map(|s| s.rows.iter().cloned()).collect();
    let missing: Vec<_> = rows.difference(&used).collect();
    let unknown: Vec<_> = used.difference(&rows).collect();
    assert!(missing.is_empty(), "rows without a scenario: {missing:?}");
    assert!(
        unknown.is_empty(),
        "scenarios name rows that do not exist: {unknown:?}"
    );
}

#[test]
fn everything_names_its_document() {
    let scenarios = data::scenarios();
    let ids: BTreeSet<&str> = scenarios.iter().map(|s| s.id.as_str()).collect();
    assert_eq!(ids.len(), scenarios.len(), "ids of scenarios are unique");
    // Recordings are not published as documents; they show what the service answered.
    let recorded = "recorded traffic of the service, Config Connector's fixtures";
    let linked =
        |link: &str| link == recorded || link.starts_with("https://") && link.len() > "https://".len();
    for Scenario {
        id, source, steps, ..
    } in &scenarios
    {
        assert!(linked(source), "{id} has no source");
        assert!(!steps.is_empty(), "{id} has no steps");
    }
    for Row { id, says, document } in data::rows() {
        assert!(linked(&document) && !says.is_empty(), "row {id}");
    }
    for Difference {
        server,
        scenario,
        fields,
        got,
        reason,
        document,
    } in data::differences()
    {
        let what = format!("a difference of {server} in {scenario:?}");
        assert!(linked(&document) && !reason.is_empty(), "{what}");
        match scenario {
            Some(scenario) => {
                assert!(
                    ids.contains(scenario.as_str()),
                    "{what}: there is no such scenario"
                );
                assert!(!got.is_empty() && fields.is_empty(), "{what} has steps");
            }
            None => assert!(got.is_empty() && !fields.is_empty(), "{what} has fields"),
        }
    }
}
