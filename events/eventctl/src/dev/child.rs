//! A process of ours: its lines are kept and read, and it is ended when we end.

use std::{
    fs::File,
    io::Write as _,
    os::unix::process::ExitStatusExt as _,
    path::Path,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    process::Command,
    sync::watch,
    time::timeout,
};

/// A worker gives itself 25 s to end; who waits longer has been forgotten by it.
const LONGEST_END: Duration = Duration::from_secs(30);

/// How long a process may take until it says that it is ready.
const LONGEST_START: Duration = Duration::from_secs(30);

/// A process that was started here.
#[derive(Debug)]
pub(super) struct Child {
    name: String,
    process: tokio::process::Child,
    /// The line that says that it is ready.
    ready: watch::Receiver<Option<String>>,
}

impl Child {
    /// Starts a process of a group of its own, so that Ctrl-C reaches it in order, by us. Its lines go to the log and to
    /// `read`; the first that holds `ready` says that it is.
    pub(super) fn start(
        name: String,
        mut command: Command,
        log: &Path,
        ready: &'static str,
        read: impl Fn(&str) + Send + Sync + Clone + 'static,
    ) -> anyhow::Result<Self> {
        let log = File::create(log).with_context(|| format!("cannot write {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let started = command.process_group(0).kill_on_drop(true).spawn();
        let mut process = started.with_context(|| format!("cannot start the {name}"))?;
        let (sender, receiver) = watch::channel(None);
        let (stdout, stderr) = (process.stdout.take(), process.stderr.take());
        if let Some(stdout) = stdout {
            lines(stdout, log.try_clone()?, ready, sender.clone(), read.clone());
        }
        if let Some(stderr) = stderr {
            lines(stderr, log, ready, sender, read);
        }
        Ok(Self {
            name,
            process,
            ready: receiver,
        })
    }

    /// Waits until it is ready; returns the line that says so.
    pub(super) async fn ready(&mut self) -> anyhow::Result<String> {
        let ready = timeout(LONGEST_START, self.ready.wait_for(Option::is_some));
        let said = match ready.await {
            Ok(Ok(line)) => line.clone(),
            Ok(Err(_)) => None,
            Err(_) => bail!(
                "the {} is not ready after {} s",
                self.name,
                LONGEST_START.as_secs()
            ),
        };
        match said {
            Some(line) => Ok(line),
            None => bail!("{} before it was ready", self.ended().await),
        }
    }

    /// Asks it to end.
    pub(super) fn terminate(&self) {
        let id = self.process.id().and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = id.and_then(Pid::from_raw) {
            // It may have ended meanwhile.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Waits for its end; says how it ended.
    pub(super) async fn ended(&mut self) -> String {
        let how = match self.process.wait().await {
            Ok(status) => describe(status),
            Err(error) => format!("is lost: {error}"),
        };
        format!("the {} {how}", self.name)
    }

    /// Waits for the end of a process that was asked to end, and kills it when it takes too long.
    pub(super) async fn reaped(&mut self) {
        if timeout(LONGEST_END, self.process.wait()).await.is_err() {
            // Nothing more can be done.
            let _ = self.process.kill().await;
        }
    }
}

fn describe(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("ended with exit code {code}"),
        (None, Some(signal)) => format!("was ended by signal {signal}"),
        (None, None) => "ended".to_owned(),
    }
}

fn lines(
    from: impl AsyncRead + Unpin + Send + 'static,
    mut log: File,
    ready: &'static str,
    sender: watch::Sender<Option<String>>,
    read: impl Fn(&str) + Send + 'static,
) {
    tokio::spawn(async move {
        let mut lines = BufReader::new(from).lines();
        while let Ok(Some(line)) = lines.next_line().await {
            // A full disk must not stop the workers.
            let _ = writeln!(log, "{line}");
            if line.contains(ready) {
                sender.send_if_modified(|said| said.is_none() && said.replace(line.clone()).is_none());
            }
            read(&line);
        }
    });
}
