//! What is printed, in the form asked for.

use std::io::{self, Write as _};

use clap::ValueEnum;
use serde::Serialize;

/// How an answer is printed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Format {
    /// For people.
    Table,
    /// One JSON object.
    Json,
    /// YAML.
    Yaml,
}

impl Format {
    /// Prints an answer; `table` is its form for people.
    pub(crate) fn print(self, answer: &impl Serialize, table: &str) -> anyhow::Result<()> {
        print(&match self {
            Self::Table => table.to_owned(),
            Self::Json => format!("{}\n", serde_json::to_string(answer)?),
            Self::Yaml => serde_yaml::to_string(answer)?,
        })
    }
}

/// Prints text; a reader that went away (`| head`) is no fault.
pub(crate) fn print(text: &str) -> anyhow::Result<()> {
    match io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// Says what went wrong, with its causes.
pub(crate) fn complain(error: &anyhow::Error) {
    // There is nowhere left to say that this failed.
    let _ = writeln!(io::stderr(), "eventctl: {error:#}");
}
