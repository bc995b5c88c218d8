//! A worker at work: everything it runs, and how it comes to an end.

use std::{future::Future, net::SocketAddr, sync::Arc, time::Duration};

use google_cloud_pubsub::client::Subscriber;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
    sync::watch,
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
};

/// A worker, ready to run.
#[derive(Debug)]
pub struct Worker {
    pub(crate) settings: Settings,
    pub(crate) list: Vec<Subscription>,
    pub(crate) listener: TcpListener,
    pub(crate) subscriber: Subscriber,
    pub(crate) pipeline: Arc<Pipeline>,
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
    pub async fn run(self) -> Result<(), WorkerError> {
        let on = |kind| signal(kind).map_err(|error| WorkerError::Start(error.to_string()));
        let mut terminate = on(SignalKind::terminate())?;
        let mut interrupt = on(SignalKind::interrupt())?;
        self.run_until(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        })
        .await;
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
        } = self;
        let (health, drain) = (pipeline.health.clone(), pipeline.drain.clone());
        let serving = CancellationToken::new();
        let metrics = settings.metrics.then(|| Arc::clone(&pipeline.metrics));
        let server = tokio::spawn(health::serve(listener, health.clone(), metrics, serving.clone()));
        announce(&settings, &list);

        let (list_sender, list) = watch::channel(list);
        let (back_sender, back) = watch::channel(0);
        if let Source::File(_) = settings.subscriptions {
            let watching = settings.subscriptions.clone();
            let own = settings.tenant.clone();
            tokio::spawn(watching.watch(own, list_sender, health.clone(), drain.clone()));
        }
        tokio::spawn(outage::watch(
            settings.connection.clone(),
            back_sender,
            health.clone(),
            drain.clone(),
        ));
        tokio::spawn(watch_circuit(Arc::clone(&pipeline)));
        tokio::spawn(note::watch(Arc::clone(&pipeline)));
        let pulling = tokio::spawn(fleet::pull_all(Arc::clone(&pipeline), subscriber, list, back));

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

/// Says what the circuit believes, for people and probes.
async fn watch_circuit(pipeline: Arc<Pipeline>) {
    let mut belief = pipeline.limits.circuit().belief();
    while let Some(Ok(())) = pipeline.drain.unless_stopping(belief.changed()).await {
        let now = *belief.borrow_and_update();
        let (state, why) = match now {
            Belief::Closed => (0, None),
            Belief::Probing => (1, Some("it is being tried again")),
            Belief::Open => (2, Some("it is not there; events wait")),
        };
        pipeline.metrics.circuit_state.set(state);
        match why {
            Some(why) => pipeline.health.blocked("handler", why),
            None => pipeline.health.fine("handler"),
        }
        match now {
            Belief::Closed => tracing::info!("The handler is there again."),
            Belief::Probing => tracing::debug!("The handler is tried with one event."),
            Belief::Open => tracing::warn!("The handler is not there; events wait, and spend no attempt."),
        }
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
