//! Many events: sent as they come, and each one's receipt awaited.

use std::{
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
    pin::pin,
    time::Duration,
};

use anyhow::{Context as _, bail};
use events::{DomainEvent, Payload, PublishError, PublishOptions, Publisher, event::Id};
use futures::{Stream, StreamExt as _, stream::FuturesUnordered};
use tokio::{
    sync::mpsc,
    time::{interval, timeout},
};

use super::progress::{EACH, Progress};
use crate::{
    draft::{self, Defaults},
    failure::{Usage, usage},
    output::{self, Format},
};

/// So many failures are described; the others are counted.
const DESCRIBED: u64 = 10;

/// So many lines are read ahead.
const WAITING: usize = 1_000;

type Next = anyhow::Result<(DomainEvent, PublishOptions)>;
type Settled = (Id, anyhow::Result<String>);

pub(super) struct Many<'a> {
    pub(super) publisher: &'a Publisher,
    pub(super) timeout: Duration,
    pub(super) output: Format,
}

/// The events of a file, or of standard input for `-`. A thread reads it: a pipe that gives nothing may block it for ever.
pub(super) fn lines(file: &Path, source: &str) -> anyhow::Result<impl Stream<Item = Next> + use<>> {
    let reader: Box<dyn BufRead + Send> = if file.as_os_str() == "-" {
        Box::new(BufReader::new(std::io::stdin()))
    } else {
        let opened = File::open(file).with_context(|| format!("cannot read {}", file.display()));
        Box::new(BufReader::new(opened.map_err(|error| usage("--file", error))?))
    };
    let (name, source) = (file.display().to_string(), source.to_owned());
    let (sender, mut receiver) = mpsc::channel(WAITING);
    std::thread::spawn(move || {
        for (number, line) in (1_u64..).zip(reader.lines()) {
            let next = match line {
                Ok(line) if line.trim().is_empty() => continue,
                Ok(line) => event(&line, &source)
                    .map_err(|problem| Usage(format!("{name}, line {number}: {problem}")).into()),
                Err(error) => Err(usage(&format!("{name}, line {number}"), error)),
            };
            let wrong = next.is_err();
            if sender.blocking_send(next).is_err() || wrong {
                return;
            }
        }
    });
    Ok(futures::stream::poll_fn(move |context| {
        receiver.poll_recv(context)
    }))
}

fn event(line: &str, source: &str) -> Result<(DomainEvent, PublishOptions), String> {
    let defaults = Defaults {
        source,
        data: |_| Payload::default(),
    };
    draft::read(line.as_bytes(), &defaults).map_err(|wrong| draft::listed(&wrong))
}

impl Many<'_> {
    /// Publishes them all; says at the end how many were.
    pub(super) async fn publish(&self, events: impl Stream<Item = Next>) -> anyhow::Result<()> {
        let mut progress = Progress::new();
        let mut events = pin!(events);
        let mut receipts = FuturesUnordered::new();
        let mut wrong = None;
        let mut open = true;
        let mut tick = interval(EACH);
        while open || !receipts.is_empty() {
            tokio::select! {
                next = events.next(), if open => match next {
                    Some(Ok((event, options))) => match self.publisher.send(&event, &options).await {
                        Ok(receipt) => receipts.push(self.settled(event.event_id, receipt)),
                        // Nothing of it was sent, and nothing but a change of the event helps.
                        Err(error) => {
                            let what = format!("event {}", event.event_id);
                            (wrong, open) = (Some(usage(&what, error)), false);
                        }
                    },
                    Some(Err(error)) => (wrong, open) = (Some(error), false),
                    None => open = false,
                },
                Some((id, result)) = receipts.next(), if !receipts.is_empty() => note(&mut progress, &id, &result),
                _ = tick.tick() => progress.show(),
            }
        }
        progress.clear();
        let summary = progress.summary();
        self.output.print(&summary, &format!("{}\n", summary.text()))?;
        if let Some(wrong) = wrong {
            return Err(wrong);
        }
        if progress.failed > 0 {
            let all = progress.failed + progress.published;
            bail!(
                "{} of {all} events were not published; with the same event_id they can be published again",
                progress.failed
            );
        }
        Ok(())
    }

    async fn settled(&self, id: Id, receipt: impl Future<Output = Result<String, PublishError>>) -> Settled {
        let result = match timeout(self.timeout, receipt).await {
            Ok(result) => result.map_err(Into::into),
            Err(_) => Err(anyhow::anyhow!(
                "Pub/Sub did not answer within {} s; it may be published",
                self.timeout.as_secs()
            )),
        };
        (id, result)
    }
}

fn note(progress: &mut Progress, id: &Id, result: &anyhow::Result<String>) {
    match result {
        Ok(_) => progress.published += 1,
        Err(error) => {
            progress.failed += 1;
            if progress.failed <= DESCRIBED {
                progress.clear();
                output::complain(&anyhow::anyhow!("event {id} is not published: {error:#}"));
            }
        }
    }
}
