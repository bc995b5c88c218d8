//! A fleet that is as it should be: what does a start cost, and what does it cost to look on?

use std::time::{Duration, Instant};

use e2e::process::Operator;

use crate::{
    fleet::Objects,
    ledger::Ledger,
    patience::{so_far, until},
    report::{Figure, number},
    scene::{Scene, explain},
};

/// How long anything here may take; a start that reads the policy of each subscription of a large fleet takes a minute.
const PATIENCE: Duration = Duration::from_secs(600);

/// Reconciles that ended are counted in the operator's metrics, not told apart. They have come to rest when there are enough
/// of them and no more come for so long.
const REST: Duration = Duration::from_secs(2);

/// Over so many resyncs it is looked on.
const RESYNCS: usize = 3;

/// An operator that was started on a fleet that is there.
pub(crate) struct Start {
    pub(crate) operator: Operator,
    took: Duration,
    ledger: Ledger,
}

impl Start {
    /// Starts it, and waits until it is ready and has looked at everything.
    pub(crate) async fn of(scene: &Scene, resync: &str, objects: Objects) -> anyhow::Result<Self> {
        let mark = scene.mark()?;
        let begun = Instant::now();
        let operator = scene.operator(resync)?;
        let looked = looked_at_everything(&operator, begun, objects).await;
        let took = explain(looked, &operator)?;
        Ok(Self {
            operator,
            took,
            ledger: scene.since(mark)?,
        })
    }

    pub(crate) fn figures(&self) -> anyhow::Result<Vec<Figure>> {
        let ledger = &self.ledger;
        Ok(vec![
            Figure::seconds("restart: ready, and everything looked at, s", self.took).at_most(15.0),
            Figure::count("restart: admin calls", ledger.all())
                .at_most(100.0)
                .detail(ledger)?,
            Figure::count("restart: of these reads of IAM policies", ledger.policy_reads()),
            Figure::count("restart: writes to Pub/Sub", ledger.writes()).at_most(0.0),
            Figure::count("restart: writes to Kubernetes", ledger.kubernetes_writes()).at_most(0.0),
        ])
    }
}

/// Looks on over some resyncs: from the list of topics that one begins with, which is a page, to that of the last.
pub(crate) async fn steady(scene: &Scene, operator: &Operator) -> anyhow::Result<Vec<Figure>> {
    let lists = || -> Vec<u64> {
        let calls = scene.emulator.calls();
        let lists = calls.iter().filter(|call| call.method == "Publisher.ListTopics");
        lists.map(|call| call.sequence).collect()
    };
    let resyncs = async |what: &str, wanted: usize| {
        until(what, Instant::now(), PATIENCE, async || {
            let seen = lists().len();
            so_far(seen >= wanted, || format!("resync {seen} of {wanted}"))
        })
        .await
    };
    let first = lists().len() + 1;
    resyncs("a resync begins", first).await?;
    let (mark, cpu) = (scene.mark()?, operator.usage()?.cpu);
    let took = resyncs("some resyncs later", first + RESYNCS).await?;
    let cpu = operator.usage()?.cpu.saturating_sub(cpu);
    let kubernetes = scene.since(mark)?;

    let lists = lists();
    let between = |at: u64| {
        lists.get(first - 1).is_some_and(|from| at >= *from)
            && lists.get(first - 1 + RESYNCS).is_some_and(|to| at < *to)
    };
    let calls = scene.emulator.calls();
    let ledger = Ledger::of_calls(calls.iter().filter(|call| between(call.sequence)));
    let each = |count: usize| number(count) / number(RESYNCS);
    Ok(vec![
        Figure::new(
            "steady: admin calls a resync, but for IAM",
            1,
            each(ledger.all() - ledger.policy_reads()),
        )
        .at_most(40.0)
        .detail(&ledger)?,
        Figure::new(
            "steady: reads of IAM policies a resync",
            1,
            each(ledger.policy_reads()),
        ),
        Figure::count("steady: writes to Pub/Sub", ledger.writes()).at_most(0.0),
        Figure::count("steady: writes to Kubernetes", kubernetes.kubernetes_writes())
            .at_most(0.0)
            .detail(&kubernetes)?,
        Figure::new(
            "steady: operator's processor time, % of one",
            1,
            100.0 * cpu.as_secs_f64() / took.as_secs_f64(),
        ),
    ])
}

/// How long that took, to the last reconcile that was seen.
async fn looked_at_everything(
    operator: &Operator,
    begun: Instant,
    objects: Objects,
) -> anyhow::Result<Duration> {
    let mut last = (Reconciles::default(), begun.elapsed());
    until(
        "it is ready and its reconciles rest",
        begun,
        PATIENCE,
        async || {
            let now = match reconciles(operator).await {
                // It does not listen yet.
                Err(error) => return Ok(Err(error.to_string())),
                Ok(now) => now,
            };
            if now != last.0 {
                last = (now, begun.elapsed());
            }
            let enough =
                now.ready && now.tenants >= objects.tenants && now.subscriptions >= objects.subscriptions;
            let rests = begun.elapsed() >= last.1 + REST;
            so_far(enough && rests, || format!("{now:?}"))
        },
    )
    .await?;
    Ok(last.1)
}

/// What an operator has looked at since it started.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Reconciles {
    ready: bool,
    tenants: usize,
    subscriptions: usize,
}

async fn reconciles(operator: &Operator) -> anyhow::Result<Reconciles> {
    let ready = reqwest::get(operator.url("/readyz")).await?.text().await?;
    let metrics = reqwest::get(operator.url("/metrics")).await?.text().await?;
    let count = |kind: &str| {
        let name = format!("event_operator_reconciles_total{{kind=\"{kind}\",outcome=\"ok\"}} ");
        let count = metrics.lines().find_map(|line| line.strip_prefix(&name));
        count.and_then(|count| count.parse().ok()).unwrap_or_default()
    };
    Ok(Reconciles {
        // Whoever waits for another one to end is ready too, in other words.
        ready: ready == "ok\n",
        tenants: count("Tenant"),
        subscriptions: count("EventSubscription"),
    })
}
