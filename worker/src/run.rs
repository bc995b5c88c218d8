//! A worker at work: everything it runs, and how it comes to an end.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use google_cloud_pubsub::client::Subscriber;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::watch,
    task::JoinHandle,
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    builder::{WorkerBuilder, WorkerError},
    circuit::Belief,
    fleet, health, note, outage,
    process::Pipeline,
    settings::Settings,
    subscriptions::{Source, Subscription},
    supervise::supervised,
};

/// A worker, ready to run.
#[derive(Debug)]
pub struct Worker {
    pub(crate) settings: Settings,
    pub(crate) list: Vec<Subscription>,
    pub(crate) listener: TcpListener,
    pub(crate) subscriber: Subscriber,
    pub(crate) pipeline: Arc<Pipeline>,
    pub(crate) signals: Option<Signals>,
}

/// The signals that stop a worker. They are listened for before anything else is set up: a pod may be deleted while its
/// worker starts, and has to end in order then too.
#[derive(Debug)]
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn received(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

impl Worker {
    /// Begins a worker.
    #[must_use]
    pub fn builder() -> WorkerBuilder {
        WorkerBuilder::default()
    }

    /// Where health and metrics are served: the port the system chose, where the setting says 0.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn http_addr(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Runs until SIGTERM or SIGINT, or until idle in job mode.
    ///
    /// # Errors
    /// [`WorkerError::Start`] when signals cannot be listened for.
    pub async fn run(mut self) -> Result<(), WorkerError> {
        let signals = match self.signals.take() {
            Some(signals) => signals,
            None => Signals::listen().map_err(|error| WorkerError::Start(error.to_string()))?,
        };
        self.run_until(signals.received()).await;
        Ok(())
    }

    /// Runs until `stop` is ready, or until idle in job mode; returns when all is settled or the grace is over.
    pub async fn run_until(self, stop: impl Future<Output = ()>) {
        let Self {
            settings,
            list,
            listener,
            subscriber,
            pipeline,
            signals: _,
        } = self;
        let (health, drain) = (pipeline.health.clone(), pipeline.drain.clone());
        let serving = CancellationToken::new();
        let metrics = settings.metrics.then(|| Arc::clone(&pipeline.metrics));
        let server = tokio::spawn(health::serve(listener, health.clone(), metrics, serving.clone()));
        announce(&settings, &list);

        let (list_sender, list) = watch::channel(list);
        let (back_sender, back) = watch::channel(0);
        if let Source::File(_) = settings.subscriptions {
            let (watching, own) = (settings.subscriptions.clone(), settings.tenant.clone());
            let (health, drain) = (health.clone(), drain.clone());
            spawn("subscriptions", &pipeline, move |_| {
                let watching = watching.clone();
                watching.watch(own.clone(), list_sender.clone(), health.clone(), drain.clone())
            });
        }
        let (connection, health_of, drain_of) = (settings.connection.clone(), health.clone(), drain.clone());
        spawn("reachability", &pipeline, move |_| {
            outage::watch(
                connection.clone(),
                back_sender.clone(),
                health_of.clone(),
                drain_of.clone(),
            )
        });
        spawn("circuits", &pipeline, watch_circuits);
        spawn("store", &pipeline, note::watch);
        let pulling = spawn("pullers", &pipeline, move |pipeline| {
            fleet::pull_all(pipeline, subscriber.clone(), list.clone(), back.clone())
        });

        tokio::select! {
            () = stop => tracing::info!("Stops: told to."),
            () = idle(&pipeline, settings.exit_when_idle) => tracing::info!("Stops: nothing to do."),
        }
        health.blocked("worker", "it is stopping");
        let pulled = async {
            let _ = pulling.await;
        };
        if drain.run(pulled).await {
            tracing::info!("Stopped.");
        } else {
            tracing::warn!("Stopped before everything was settled; Pub/Sub delivers the rest again.");
        }
        pipeline.traces.flush().await;
        serving.cancel();
        // A client that keeps its connection open must not keep the worker.
        let _ = tokio::time::timeout(Duration::from_millis(500), server).await;
    }
}

fn announce(settings: &Settings, list: &[Subscription]) {
    tracing::info!(
        tenant = %settings.tenant,
        pubsub = ?settings.connection,
        subscriptions = list.len(),
        max_concurrent_messages = settings.max_concurrent,
        "Worker starts."
    );
    if !settings.dead_lettering {
        tracing::warn!("Without dead letters an event that can never work stays until its retention ends.");
    }
}

/// Starts a task that must run as long as the worker does.
fn spawn<F>(
    task: &'static str,
    pipeline: &Arc<Pipeline>,
    start: impl Fn(Arc<Pipeline>) -> F + Send + Sync + 'static,
) -> JoinHandle<()>
where
    F: Future<Output = ()> + Send,
{
    let pipeline = Arc::clone(pipeline);
    tokio::spawn(async move {
        let stop = pipeline.drain.stopping.clone();
        let (health, metrics) = (&pipeline.health, &pipeline.metrics);
        supervised(task, health, metrics, &stop, || start(Arc::clone(&pipeline))).await;
    })
}

/// Reports what the circuits believe, the worst of them, for people and probes.
async fn watch_circuits(pipeline: Arc<Pipeline>) {
    let mut beliefs: Vec<_> = pipeline
        .registry
        .circuits()
        .iter()
        .map(|circuit| circuit.belief())
        .collect();
    let mut before = Belief::Closed;
    let mut since = Instant::now();
    loop {
        let worst = |beliefs: &mut Vec<watch::Receiver<Belief>>| {
            let believed = beliefs.iter_mut().map(|belief| *belief.borrow_and_update());
            believed.max().unwrap_or(Belief::Closed)
        };
        let now = worst(&mut beliefs);
        if (before == Belief::Closed) != (now == Belief::Closed) {
            since = Instant::now();
        }
        if now != before {
            report_belief(&pipeline, now);
        }
        if now == Belief::Closed {
            pipeline.metrics.circuit_open_seconds.set(0);
        } else {
            let seconds = i64::try_from(since.elapsed().as_secs()).unwrap_or(i64::MAX);
            pipeline.metrics.circuit_open_seconds.set(seconds);
            let why = format!("it is not there; events wait for it since {seconds} s");
            pipeline.health.blocked("handler", why);
        }
        before = now;
        let changed = futures::future::select_all(
            beliefs
                .iter_mut()
                .map(|belief| Box::pin(async move { belief.changed().await.is_ok() })),
        );
        let again = async {
            match now {
                Belief::Closed => std::future::pending().await,
                Belief::Probing | Belief::Open => tokio::time::sleep(Duration::from_secs(1)).await,
            }
        };
        let next = async {
            tokio::select! {
                _ = changed => {}
                () = again => {}
            }
        };
        if pipeline.drain.unless_stopping(next).await.is_none() {
            return;
        }
    }
}

fn report_belief(pipeline: &Pipeline, now: Belief) {
    let state = match now {
        Belief::Closed => 0,
        Belief::Probing => 1,
        Belief::Open => 2,
    };
    pipeline.metrics.circuit_state.set(state);
    match now {
        Belief::Closed => {
            pipeline.health.fine("handler");
            tracing::info!("The handler is there again.");
        }
        Belief::Probing => tracing::debug!("The handler is tried with a few events."),
        Belief::Open => tracing::warn!("The handler is not there; events wait, and spend no attempt."),
    }
}

/// Ready when nothing has come for so long and nothing is in hand.
async fn idle(pipeline: &Pipeline, after: Option<Duration>) {
    let Some(after) = after else {
        return std::future::pending().await;
    };
    let mut since = Instant::now();
    let mut seen = pipeline.metrics.received.get();
    while since.elapsed() < after {
        tokio::time::sleep(Duration::from_millis(200).min(after)).await;
        let received = pipeline.metrics.received.get();
        // Whoever cannot pull does not know that there is nothing to do.
        let busy = !pipeline.drain.deliveries.is_empty() || pipeline.health.problems().is_some();
        if received != seen || busy {
            (since, seen) = (Instant::now(), received);
        }
    }
}
