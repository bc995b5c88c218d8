//! What `--data` may be.

use std::{fs, io::Read as _, path::PathBuf, str::FromStr};

use anyhow::Context as _;
use events::Payload;

use crate::failure::{Usage, usage};

const ALLOWED: &str = "a JSON object is needed, such as {\"document_id\": \"doc-456\"}, with a version that is a text or a number where it has one";

/// A payload, or where it is.
#[derive(Debug, Clone)]
pub(crate) enum Data {
    /// On the command line.
    Given(Payload),
    /// In a file.
    File(PathBuf),
    /// On standard input.
    Standard,
}

impl Default for Data {
    fn default() -> Self {
        Self::Given(Payload::default())
    }
}

impl FromStr for Data {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match (text, text.strip_prefix('@')) {
            ("-", _) => Ok(Self::Standard),
            (_, Some(path)) => Ok(Self::File(path.into())),
            (text, None) => payload(text).map(Self::Given),
        }
    }
}

fn payload(text: &str) -> Result<Payload, String> {
    serde_json::from_str(text).map_err(|error| format!("{ALLOWED} (column {})", error.column()))
}

impl Data {
    /// The payload.
    pub(crate) fn read(self) -> anyhow::Result<Payload> {
        let text = match self {
            Self::Given(payload) => return Ok(payload),
            Self::File(path) => fs::read_to_string(&path)
                .with_context(|| format!("cannot read {}", path.display()))
                .map_err(|error| usage("--data", error))?,
            Self::Standard => {
                let mut text = String::new();
                std::io::stdin()
                    .read_to_string(&mut text)
                    .context("cannot read standard input")
                    .map_err(|error| usage("--data", error))?;
                text
            }
        };
        payload(&text).map_err(|problem| Usage(format!("--data: {problem}")).into())
    }
}
