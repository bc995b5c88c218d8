//! How far it has come, on a terminal.

use std::{
    io::{self, IsTerminal as _, Write as _},
    time::{Duration, Instant},
};

use serde::Serialize;

/// How often the line is written again.
pub(super) const EACH: Duration = Duration::from_millis(200);

/// What was published so far.
#[derive(Debug)]
pub(super) struct Progress {
    began: Instant,
    pub(super) published: u64,
    pub(super) failed: u64,
    shown: bool,
}

/// What was published in the end.
#[derive(Debug, Serialize)]
pub(super) struct Summary {
    published: u64,
    failed: u64,
    seconds: f64,
    events_per_second: f64,
}

impl Progress {
    pub(super) fn new() -> Self {
        Self {
            began: Instant::now(),
            published: 0,
            failed: 0,
            shown: io::stderr().is_terminal(),
        }
    }

    /// Writes the line again. A terminal that went away is no reason to stop.
    pub(super) fn show(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r{}\x1b[K", self.summary().text());
        }
    }

    /// Takes the line away, before something else is written.
    pub(super) fn clear(&self) {
        if self.shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }

    pub(super) fn summary(&self) -> Summary {
        let seconds = self.began.elapsed().as_secs_f64();
        #[allow(clippy::cast_precision_loss, reason = "it is a rate for people")]
        let events_per_second = self.published as f64 / seconds.max(1e-9);
        Summary {
            published: self.published,
            failed: self.failed,
            seconds,
            events_per_second,
        }
    }
}

impl Summary {
    pub(super) fn text(&self) -> String {
        let failed = match self.failed {
            0 => String::new(),
            failed => format!(", {failed} not"),
        };
        format!(
            "Published {}{failed} in {:.1} s, {:.0} a second.",
            self.published, self.seconds, self.events_per_second
        )
    }
}
