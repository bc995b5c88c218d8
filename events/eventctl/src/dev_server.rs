//! `eventctl dev-server`: the server alone, beside an emulator and workers that run already.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::Context as _;
use clap::Args;
use events::{Connection, ProjectId, Publisher, TenantId, connection::EMULATOR_VARIABLE};
use parking_lot::RwLock;

use crate::{
    audit,
    dead_letters::Watcher,
    failure::Usage,
    feed::Feed,
    output,
    plane::Plane,
    server::{self, Dev},
    signals::Stop,
    topics,
};

const EXAMPLES: &str = "\
Examples:
  eventctl dev-server --emulator 127.0.0.1:8085
  event-worker | eventctl dev-server --audit-log - --tenant tenant-123
  curl -X POST http://localhost:8000/test/publish-event -H 'Content-Type: application/json' \\
    -d '{\"event_type\": \"document.ingested\", \"tenant_id\": \"tenant-123\"}'
  curl -N 'http://localhost:8000/events/stream?tenant=tenant-123'

It publishes to an emulator only: whoever reaches its port may publish. `eventctl dev` starts the emulator and workers too.

Exit codes: 0 stopped, 1 it did not work, 2 the command line is wrong.";

/// Serve a page and an API to publish events to an emulator, and to watch what becomes of them.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DevServer {
    #[command(flatten)]
    serving: Serving,
    /// Address of the emulator, host:port.
    #[arg(long, env = EMULATOR_VARIABLE, value_name = "ADDRESS")]
    emulator: String,
    /// The tenants that have a worker; events of others are refused. Default: all are taken.
    #[arg(long = "tenant", value_name = "ID")]
    tenants: Vec<TenantId>,
    /// A worker's log, to see what was handled and refused: a file or pipe, or - for standard input. It is read to its end.
    #[arg(long = "audit-log", value_name = "FILE")]
    audit_logs: Vec<PathBuf>,
}

/// Where it is served, and what it publishes to.
#[derive(Debug, Args)]
pub(crate) struct Serving {
    /// Where the page and the API are served; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:8000", value_name = "ADDRESS")]
    pub(crate) listen: SocketAddr,
    /// A host that requests may name, beside this machine's own names for itself.
    #[arg(long = "allow-host", value_name = "NAME")]
    pub(crate) hosts: Vec<String>,
    /// Project of the topics.
    #[arg(
        long,
        env = "GCP_PROJECT_ID",
        default_value = "local-project",
        value_name = "ID"
    )]
    pub(crate) project: ProjectId,
    /// The operator's configuration, whose catalogue says which topic carries which type. Default: the operator's own.
    #[arg(long, value_name = "FILE")]
    pub(crate) catalogue: Option<PathBuf>,
}

impl DevServer {
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let mut stop = Stop::listen()?;
        if self.emulator.is_empty() {
            return Err(Usage(format!(
                "--emulator: {EMULATOR_VARIABLE} is empty; host:port is needed"
            ))
            .into());
        }
        let connection = Connection::emulator(&self.emulator);
        let serving = &self.serving;
        let catalogue = topics::catalogue(serving.catalogue.as_deref(), &serving.project, None)?;
        let plane = Plane::new(&self.emulator, &serving.project);
        let feed = Feed::default();
        let watcher = Watcher::new(&connection, feed.clone()).await?;
        for name in plane.watch(&catalogue).await? {
            watcher.watch(name);
        }
        for path in &self.audit_logs {
            read(path, feed.clone())?;
        }
        let dev = Arc::new(Dev {
            publisher: RwLock::new(Publisher::builder(catalogue).build(&connection).await?),
            feed,
            tenants: self.tenants,
            project: serving.project.to_string(),
        });
        let (address, mut server) = server::serve(serving.listen, dev, serving.hosts.clone())?;
        output::print(&format!(
            "Serves http://{address}/ for the emulator {}.\n",
            self.emulator
        ))?;
        tokio::select! {
            () = stop.received() => Ok(()),
            ended = &mut server => ended.context("the server ended")?.context("the server ended"),
        }
    }
}

/// Reads a worker's log; a thread does, because a pipe that gives nothing may block it for ever.
fn read(path: &Path, feed: Feed) -> anyhow::Result<()> {
    use std::io::{BufRead, BufReader};
    let reader: Box<dyn BufRead + Send> = if path.as_os_str() == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        let opened = std::fs::File::open(path);
        let opened = opened.with_context(|| format!("--audit-log: cannot read {}", path.display()));
        Box::new(BufReader::new(
            opened.map_err(|error| Usage(format!("{error:#}")))?,
        ))
    };
    std::thread::spawn(move || {
        for seen in reader
            .lines()
            .map_while(Result::ok)
            .filter_map(|line| audit::seen(&line))
        {
            feed.add(seen);
        }
    });
    Ok(())
}
