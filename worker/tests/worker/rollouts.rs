//! Twenty rollouts under load, as a Deployment makes them: the new worker starts, then the old one gets its SIGTERM. With
//! a shared store and a grace period longer than the handler nothing is lost, nothing doubled, no attempt spent.

use std::time::Duration;

use crate::support::{
    binary::{quiet, terminate},
    cloud::{Cloud, PROJECT, Plane},
    effects::Effects,
    redis::Redis,
    until,
};
use serde_json::json;
use tokio::{process::Child, time::timeout};

const ROLLOUTS: usize = 20;
const EVENTS_BETWEEN: usize = 40;

fn start(cloud: &Cloud, plane: &Plane<'_>, effects: &Effects, redis: &Redis, life: usize) -> Child {
    quiet(cloud, plane)
        .env("HANDLER", "http")
        .env("HANDLER_URL", effects.url(life))
        .env("IDEMPOTENCY_URL", redis.url())
        .env("SHUTDOWN_GRACE", "25s")
        .spawn()
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_rollouts_lose_and_double_nothing() {
    let cloud = Cloud::start().await;
    let plane = cloud.plane("rollouts", json!({})).await;
    let redis = Redis::start().await;
    let effects = Effects::start(Duration::from_millis(30)).await;
    let mut published = Vec::new();
    let name = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
    let mut old = start(&cloud, &plane, &effects, &redis, 0);
    for life in 1..=ROLLOUTS {
        // Always more than the workers get through: they are replaced in the midst of work.
        published.extend(plane.publish(EVENTS_BETWEEN, "tenant-123").await);
        let new = start(&cloud, &plane, &effects, &redis, life);
        until("the new worker to be at work", || async {
            let waiting = published.len() - effects.all().len();
            let at_work = effects.all().iter().any(|(of, _)| *of == life);
            // A process that has no stream yet may not even listen for its signal.
            let pulls = cloud.emulator.stats(&name).unwrap().pullers > 1;
            (pulls && (at_work || waiting == 0)).then_some(())
        })
        .await;
        terminate(old.id().unwrap()).await;
        let status = timeout(crate::support::PATIENCE, old.wait())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(status.code(), Some(0));
        old = new;
    }
    until("everything to be settled", || async {
        let stats = cloud.emulator.stats(&name).unwrap();
        (stats.backlog == 0 && stats.outstanding == 0).then_some(())
    })
    .await;
    terminate(old.id().unwrap()).await;
    old.wait().await.unwrap();
    let mut handled: Vec<String> = effects.all().into_iter().map(|(_, id)| id).collect();
    handled.sort();
    published.sort();
    assert_eq!(handled, published, "lost or doubled");
    let totals = cloud.emulator.stats(&name).unwrap().totals;
    assert_eq!(totals.expired, 0, "leases ran out");
    assert!(plane.dead_letters().await.is_empty());
    println!("{} events, {} given back", published.len(), totals.nacked);
    // What was fetched and not begun may be given back at a stop, never as often as dead-lettering takes.
    let lives: std::collections::HashSet<usize> = effects.all().into_iter().map(|(life, _)| life).collect();
    assert!(lives.len() > ROLLOUTS / 2, "{lives:?}");
}
