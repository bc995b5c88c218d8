//! What the integration tests stand on: a Pub/Sub, a service that gets CloudEvents, and waiting for conditions.

pub(crate) mod binary;
pub(crate) mod cloud;
pub(crate) mod effects;
pub(crate) mod proxy;
pub(crate) mod redis;
pub(crate) mod redis_cluster;
pub(crate) mod service;
pub(crate) mod tls;

use std::{future::Future, time::Duration};

use clap::Parser;
use event_worker::{Settings, Worker, WorkerBuilder, settings::Flags};
use tokio::{sync::oneshot, task::JoinHandle, time::Instant};

/// The longest anything may take on a busy machine; conditions are usually met in milliseconds.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Waits until something is there.
pub(crate) async fn until<T, F: Future<Output = Option<T>>>(what: &str, ask: impl Fn() -> F) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = ask().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// A worker in this process.
pub(crate) struct Running {
    pub(crate) http: String,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// Settings as a command line gives them.
pub(crate) fn settings(cloud: &cloud::Cloud, args: &[&str]) -> Settings {
    let fixed = [
        "event-worker".to_owned(),
        format!("--pubsub-emulator-host={}", cloud.address),
        format!("--gcp-project-id={}", cloud::PROJECT),
        "--tenant-id=tenant-123".to_owned(),
        "--http-addr=127.0.0.1:0".to_owned(),
    ];
    let grace = "--shutdown-grace=5s".to_owned();
    let own = args
        .iter()
        .any(|argument| argument.starts_with("--shutdown-grace"));
    let args = fixed
        .into_iter()
        .chain((!own).then_some(grace))
        .chain(args.iter().map(ToString::to_string));
    Settings::try_from(Flags::try_parse_from(args).unwrap()).unwrap()
}

impl Running {
    pub(crate) async fn start(builder: WorkerBuilder, settings: Settings) -> Self {
        let worker: Worker = builder.settings(settings).build().await.unwrap();
        let http = format!("http://{}", worker.http_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(worker.run_until(async {
            let _ = stopped.await;
        }));
        Self { http, stop, task }
    }

    pub(crate) async fn stop(self) {
        self.stop.send(()).unwrap();
        self.task.await.unwrap();
    }

    /// The sum of a metric's values over the labels that contain all of these texts.
    pub(crate) async fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        metric(&self.http, name, labels).await
    }

    pub(crate) async fn ready(&self) -> Result<(), String> {
        let answer = reqwest::get(format!("{}/readyz", self.http)).await.unwrap();
        match answer.status().is_success() {
            true => Ok(()),
            false => Err(answer.text().await.unwrap()),
        }
    }

    /// Waits until so many deliveries came to this end.
    pub(crate) async fn processed(&self, outcome: &str, count: u32) {
        let label = format!("outcome=\"{outcome}\"");
        until(&format!("{count} × {outcome}"), || async {
            let processed = self.metric("event_worker_processed_total", &[&label]).await;
            (processed >= f64::from(count)).then_some(())
        })
        .await;
    }
}

pub(crate) async fn metric(http: &str, name: &str, labels: &[&str]) -> f64 {
    let answer = reqwest::get(format!("{http}/metrics")).await.unwrap();
    let text = answer.text().await.unwrap();
    text.lines()
        .filter(|line| line.starts_with(name) && labels.iter().all(|label| line.contains(label)))
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
