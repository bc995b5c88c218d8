//! `eventctl dev`: emulator, event plane, workers and server on a laptop, started and ended together.

mod child;
mod started;
mod watch;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc, time::Instant};

use anyhow::Context as _;
use clap::Args;
use events::{Connection, Publisher, TenantId};
use parking_lot::RwLock;

use self::{
    child::Child,
    started::{Emulation, Worker},
};
use crate::{
    dead_letters::Watcher,
    dev_server::Serving,
    feed::{Entry, Feed},
    output,
    plane::Plane,
    server::{self, Dev as Server},
    signals::Stop,
    topics,
};

/// The sample tenants of `config/samples`, and the one of the documentation's curl.
const TENANTS: [&str; 3] = ["tenant-123", "tenant-456", "test-tenant"];

const EXAMPLES: &str = "\
Examples:
  eventctl dev
  eventctl dev --tenant acme --tenant globex --handler-url http://127.0.0.1:3000/events
  eventctl dev --catalogue operator.yaml --watch
  curl -X POST http://localhost:8000/test/publish-event -H 'Content-Type: application/json' \\
    -d '{\"event_type\": \"document.ingested\", \"tenant_id\": \"test-tenant\"}'

Everything is in this binary; the emulator keeps its data in memory. One Ctrl-C ends all.

Exit codes: 0 stopped, 1 it did not work or a part of it ended, 2 the command line is wrong.";

/// Run the whole event plane on this machine: emulator, one worker for each tenant, page and API.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Dev {
    #[command(flatten)]
    serving: Serving,
    /// A tenant that gets subscriptions and a worker; may be given several times. Default: tenant-123, tenant-456, test-tenant.
    #[arg(long = "tenant", value_name = "ID")]
    tenants: Vec<TenantId>,
    /// Port of the emulator on loopback; 0 takes a free one.
    #[arg(long, default_value_t = 8085, value_name = "PORT")]
    emulator_port: u16,
    /// A service that gets the events as `CloudEvents`, as HANDLER=http of the worker. Default: events are logged.
    #[arg(long, value_name = "URL")]
    handler_url: Option<String>,
    /// Read the catalogue again when its file changes, and make what is new in it.
    #[arg(long, requires = "catalogue")]
    watch: bool,
    /// A folder with pubsub-emulator and event-worker, to run these instead of what is in this binary.
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    /// Where the logs of the workers are kept. Default: a folder that goes when the command ends.
    #[arg(long, value_name = "DIR")]
    logs: Option<PathBuf>,
}

impl Dev {
    pub(crate) async fn run(mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        let mut stop = Stop::listen()?;
        if self.tenants.is_empty() {
            self.tenants = TENANTS
                .iter()
                .map(|id| TenantId::parse(id))
                .collect::<Result<_, _>>()?;
        }
        let mut seen = BTreeSet::new();
        self.tenants.retain(|tenant| seen.insert(tenant.clone()));
        let temporary = tempfile::tempdir()?;
        let logs = self.logs.clone().unwrap_or_else(|| temporary.path().to_owned());
        std::fs::create_dir_all(&logs).with_context(|| format!("--logs: cannot make {}", logs.display()))?;
        let mut emulation = Emulation::start(self.emulator_port, self.binaries.as_deref(), &logs).await?;
        let feed = Feed::default();
        let mut workers = Vec::new();
        let emulator = emulation.address.clone();
        let started = tokio::select! {
            () = stop.received() => None,
            started = self.start(&emulator, &feed, &logs, &mut workers) => Some(started),
        };
        let ended = match started {
            None => Ok(()),
            Some(Err(error)) => Err(error),
            Some(Ok(running)) => {
                output::print(&self.announcement(&emulator, &running, began))?;
                self.until_the_end(&mut stop, &mut emulation, &mut workers, running)
                    .await
            }
        };
        // Workers first, so that they can give back what they have.
        for worker in &mut workers {
            worker.child.terminate();
        }
        for worker in &mut workers {
            worker.child.reaped().await;
        }
        emulation.stop().await;
        output::print("Stopped.\n")?;
        ended
    }

    async fn start(
        &self,
        emulator: &str,
        feed: &Feed,
        logs: &std::path::Path,
        workers: &mut Vec<Worker>,
    ) -> anyhow::Result<Running> {
        let serving = &self.serving;
        let catalogue = topics::catalogue(serving.catalogue.as_deref(), &serving.project, None)?;
        let plane = Plane::new(emulator, &serving.project);
        plane.make(&catalogue, &self.tenants).await?;
        let connection = Connection::emulator(emulator);
        let watcher = Watcher::new(&connection, feed.clone()).await?;
        for name in plane.watch(&catalogue).await? {
            watcher.watch(name);
        }
        for tenant in &self.tenants {
            let worker = Worker::start(self, tenant, &catalogue, emulator, logs, feed);
            workers.push(worker?);
        }
        let publisher = Publisher::builder(catalogue.clone()).build(&connection).await?;
        let dev = Arc::new(Server {
            publisher: RwLock::new(publisher),
            feed: feed.clone(),
            tenants: self.tenants.clone(),
            project: serving.project.to_string(),
        });
        let (address, server) = server::serve(serving.listen, Arc::clone(&dev), serving.hosts.clone())?;
        for worker in workers.iter_mut() {
            worker.child.ready().await?;
        }
        tokio::spawn(print(feed.clone()));
        if let (true, Some(path)) = (self.watch, &serving.catalogue) {
            let files = workers
                .iter()
                .map(|worker| (worker.tenant.clone(), worker.list.clone()));
            let watch = watch::Watch {
                path: path.clone(),
                project: serving.project.clone(),
                tenants: files.collect(),
                plane,
                connection,
                watcher,
                dev,
            };
            tokio::spawn(watch.run(catalogue));
        }
        Ok(Running { address, server })
    }

    fn announcement(&self, emulator: &str, running: &Running, began: Instant) -> String {
        let tenants: Vec<&str> = self.tenants.iter().map(TenantId::as_str).collect();
        format!(
            "Ready after {:.1} s. Ctrl-C ends all.\n  page and API   http://{}/\n  emulator       PUBSUB_EMULATOR_HOST={emulator}\n  project        {}\n  workers for    {}\n",
            began.elapsed().as_secs_f64(),
            running.address,
            self.serving.project,
            tenants.join(", "),
        )
    }

    /// Waits for a signal, or until a part ends; says which.
    async fn until_the_end(
        &self,
        stop: &mut Stop,
        emulation: &mut Emulation,
        workers: &mut [Worker],
        running: Running,
    ) -> anyhow::Result<()> {
        let children = workers.iter_mut().map(|worker| &mut worker.child);
        let all: Vec<&mut Child> = children.chain(emulation.child.as_mut()).collect();
        let any = futures::future::select_all(all.into_iter().map(|child| Box::pin(child.ended())));
        tokio::select! {
            () = stop.received() => Ok(()),
            (ended, ..) = any => Err(anyhow::anyhow!("{ended}; the rest is ended too")),
            ended = running.server => ended.context("the server ended")?.context("the server ended"),
        }
    }
}

struct Running {
    address: std::net::SocketAddr,
    server: tokio::task::JoinHandle<std::io::Result<()>>,
}

/// Writes a line for each observation, for people.
async fn print(feed: Feed) {
    let (kept, mut live) = feed.after(0);
    for entry in kept {
        let _ = output::print(&line(&entry));
    }
    while let Ok(entry) = live.recv().await {
        // A terminal that went away is no reason to stop.
        let _ = output::print(&line(&entry));
    }
}

fn line(entry: &Entry) -> String {
    let seen = &entry.seen;
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let reason = seen
        .reason
        .as_ref()
        .map(|reason| format!("  {reason}"))
        .unwrap_or_default();
    format!(
        "{} {:<13} {:<20} {:<24} {}{reason}\n",
        entry.seen_at.strftime("%H:%M:%S"),
        seen.kind.name(),
        seen.tenant,
        text(&seen.event_type),
        text(&seen.event_id),
    )
}

impl Dev {
    fn worker_command(&self) -> anyhow::Result<(PathBuf, Option<&'static str>)> {
        match &self.binaries {
            Some(folder) => Ok((folder.join("event-worker"), None)),
            // This binary holds the worker too.
            None => Ok((
                std::env::current_exe().context("cannot find this binary")?,
                Some("worker"),
            )),
        }
    }
}
