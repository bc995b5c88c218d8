//! A fleet that comes at once, and users who cannot wait in the midst of it.

use std::time::{Duration, Instant};

use anyhow::Context as _;
use e2e::{process::Operator, stage::PROJECT, tenants::apply, usage};
use futures::{StreamExt as _, stream};
use serde_json::{Value, json};

use crate::{
    fleet::Objects,
    patience::{so_far, until},
    report::{Figure, number},
    scene::Scene,
};

/// The topics of the default catalogue: each tenant has all of them.
const TOPICS: [&str; 5] = [
    "events",
    "document-events",
    "query-events",
    "user-events",
    "system-events",
];

/// Was there before the others, and is edited in the midst.
const EARLY: &str = "early";

/// Comes in the midst.
const NEWCOMER: &str = "newcomer";

/// How many tenants are applied at a time.
const APPLIED_AT_A_TIME: usize = 8;

/// How long a single tenant may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// What takes the budget less than this waits for its own steps and for Kubernetes.
const BUDGET_COUNTS: Duration = Duration::from_secs(10);

/// The ack deadline that the edit asks for, in seconds.
const EDITED: i32 = 77;

/// Grows the fleet: the tenants of this size, the early one, and the newcomer.
pub(crate) async fn measure(
    scene: &Scene,
    operator: &Operator,
    tenants: usize,
) -> anyhow::Result<(Vec<Figure>, Objects)> {
    let objects = Objects {
        tenants: tenants + 2,
        subscriptions: (tenants + 2) * TOPICS.len(),
    };
    let from_the_start = scene.mark()?;
    apply(&scene.client, EARLY, spec(None)).await;
    let early = Objects {
        tenants: 1,
        subscriptions: TOPICS.len(),
    };
    ready(
        scene,
        operator,
        "the early tenant is Ready",
        Instant::now(),
        PATIENCE,
        early,
    )
    .await?;

    let rate = f64::from(Scene::budget()?) / 60.0;
    let mark = scene.mark()?;
    let before = Spent::so_far(scene, operator)?;
    let begun = Instant::now();
    // By far more than the budget needs, so that what is too slow is measured and not given up.
    let patience = PATIENCE + Duration::from_secs_f64(3.0 * number(15 * objects.tenants) / rate);
    let applied = async {
        stream::iter(0..tenants)
            .for_each_concurrent(APPLIED_AT_A_TIME, |n| async move {
                apply(&scene.client, &format!("tenant-{n}"), spec(None)).await;
            })
            .await;
        eprintln!("  all are applied: after {:.1} s", begun.elapsed().as_secs_f64());
        Ok(())
    };
    let users = async {
        // Each has a dead-letter subscription too.
        let half = objects.subscriptions;
        let seen = || scene.emulator.subscriptions().len();
        until(
            "half of the subscriptions are there",
            begun,
            patience,
            async || {
                let seen = seen();
                so_far(seen >= half, || format!("{seen} subscriptions in Pub/Sub"))
            },
        )
        .await?;
        let (edit, newcomer) = futures::try_join!(edit(scene, patience), newcome(scene, patience))?;
        eprintln!(
            "  of {} subscriptions there are {} now",
            2 * objects.subscriptions,
            seen()
        );
        anyhow::Ok((edit, newcomer))
    };
    let all = async {
        let took = ready(scene, operator, "all are Ready", begun, patience, objects).await?;
        anyhow::Ok((took, Spent::so_far(scene, operator)?))
    };
    let ((), (edit, newcomer), (took, after)) = futures::try_join!(applied, users, all)?;

    let ledger = scene.since(mark)?;
    let whole = scene.since(from_the_start)?;
    let (calls, writes) = (number(whole.all()), number(whole.kubernetes_writes()));
    let budget = Duration::from_secs_f64(number(ledger.all()) / rate);
    let tenants = number(objects.tenants);
    let mut figures = vec![
        Figure::count("bulk: admin calls", whole.all())
            .at_most(15.0 * tenants + 100.0)
            .bound("15 a tenant and 100")
            .detail(&whole)?,
        Figure::new("bulk: admin calls a tenant", 1, calls / tenants),
        Figure::count("bulk: refused for the quota", whole.refused).at_most(0.0),
        Figure::new("bulk: writes to Kubernetes a tenant", 1, writes / tenants),
        Figure::seconds("bulk: all Ready, s", took),
        of_the_budget(took, budget),
        Figure::seconds("in the midst: an edit is in Pub/Sub, s", edit).at_most(5.0),
        Figure::seconds("in the midst: a new tenant's subscriptions exist, s", newcomer),
    ];
    figures.extend(before.until(&after));
    Ok((figures, objects))
}

/// Processor time.
struct Spent {
    operator: Duration,
    kubernetes: Duration,
    machine: (Duration, Duration),
}

impl Spent {
    fn so_far(scene: &Scene, operator: &Operator) -> anyhow::Result<Self> {
        Ok(Self {
            operator: operator.usage()?.cpu,
            kubernetes: scene.plane.cpu()?,
            machine: usage::machine()?,
        })
    }

    fn until(&self, later: &Self) -> [Figure; 3] {
        let between = |before: Duration, after: Duration| after.saturating_sub(before);
        let busy = between(self.machine.0, later.machine.0).as_secs_f64();
        let had = between(self.machine.1, later.machine.1).as_secs_f64();
        [
            Figure::seconds(
                "bulk: the operator's processor time, s",
                between(self.operator, later.operator),
            ),
            Figure::seconds(
                "bulk: Kubernetes' processor time, s",
                between(self.kubernetes, later.kubernetes),
            ),
            Figure::new("bulk: this machine's processors, % in use", 0, 100.0 * busy / had),
        ]
    }
}

fn of_the_budget(took: Duration, budget: Duration) -> Figure {
    let ratio = took.as_secs_f64() / budget.as_secs_f64();
    let figure = Figure::new(
        "bulk: of the time that the budget takes for these calls",
        2,
        ratio,
    )
    .bound("1.15, from 10 s on");
    match budget >= BUDGET_COUNTS {
        true => figure.at_most(1.15),
        false => figure,
    }
}

/// A Tenant with all topics, and this ack deadline for one of them.
fn spec(ack_deadline: Option<i32>) -> Value {
    let topics = TOPICS.map(|topic| match ack_deadline.filter(|_| topic == TOPICS[0]) {
        Some(seconds) => json!({"topic": topic, "ackDeadline": format!("{seconds}s")}),
        None => json!({"topic": topic}),
    });
    json!({ "subscriptions": topics })
}

async fn edit(scene: &Scene, patience: Duration) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    apply(&scene.client, EARLY, spec(Some(EDITED))).await;
    let name = subscription(TOPICS[0], EARLY);
    until("the edit is in Pub/Sub", begun, patience, async || {
        let found = scene.emulator.subscription(&name);
        let deadline = found.map(|one| one.ack_deadline_seconds);
        so_far(deadline == Some(EDITED), || {
            format!("its ack deadline is {deadline:?}")
        })
    })
    .await
}

async fn newcome(scene: &Scene, patience: Duration) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    apply(&scene.client, NEWCOMER, spec(None)).await;
    until(
        "the new tenant's subscriptions exist",
        begun,
        patience,
        async || {
            let exist = TOPICS.iter().filter(|topic| {
                scene
                    .emulator
                    .subscription(&subscription(topic, NEWCOMER))
                    .is_some()
            });
            let exist = exist.count();
            so_far(exist == TOPICS.len(), || format!("there are {exist}"))
        },
    )
    .await
}

async fn ready(
    scene: &Scene,
    operator: &Operator,
    what: &str,
    begun: Instant,
    patience: Duration,
    wanted: Objects,
) -> anyhow::Result<Duration> {
    until(what, begun, patience, async || {
        // In a cluster it would be started again; here the figures would be of a restart.
        operator.usage().context("the operator has ended")?;
        let seen = scene.fleet.ready();
        so_far(seen == wanted, || {
            let waiting = scene.fleet.waiting().unwrap_or_default();
            format!(
                "Ready are {} Tenants and {} EventSubscriptions; {waiting}",
                seen.tenants, seen.subscriptions
            )
        })
    })
    .await
}

fn subscription(topic: &str, tenant: &str) -> String {
    format!("projects/{PROJECT}/subscriptions/living-twin-{topic}-{tenant}-worker")
}
