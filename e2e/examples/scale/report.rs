//! Figures with their bounds, as a table and as JSON.

use std::{fmt::Write as _, time::Duration};

use serde::Serialize;
use serde_json::{Value, json};

use crate::ledger::Ledger;

/// Everything that was measured of a fleet of this size.
pub(crate) struct Size {
    pub(crate) tenants: usize,
    pub(crate) figures: Vec<Figure>,
}

/// One number.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Figure {
    name: &'static str,
    value: f64,
    /// The most it may be.
    limit: Option<f64>,
    /// The limit in words, where it depends on the size.
    #[serde(skip)]
    bound: Option<&'static str>,
    #[serde(skip)]
    digits: usize,
    /// What it is made of.
    #[serde(skip_serializing_if = "Value::is_null")]
    detail: Value,
}

impl Figure {
    /// A number, told with so many digits.
    pub(crate) fn new(name: &'static str, digits: usize, value: f64) -> Self {
        Self {
            name,
            value,
            limit: None,
            bound: None,
            digits,
            detail: Value::Null,
        }
    }

    pub(crate) fn count(name: &'static str, count: usize) -> Self {
        Self::new(name, 0, number(count))
    }

    pub(crate) fn seconds(name: &'static str, took: Duration) -> Self {
        Self::new(name, 1, took.as_secs_f64())
    }

    pub(crate) fn megabytes(name: &'static str, bytes: u64) -> Self {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let bytes = bytes as f64;
        Self::new(name, 0, bytes / 1_000_000.0)
    }

    pub(crate) fn at_most(self, limit: f64) -> Self {
        Self {
            limit: Some(limit),
            ..self
        }
    }

    /// Says the limit in words that fit every size.
    pub(crate) fn bound(self, words: &'static str) -> Self {
        Self {
            bound: Some(words),
            ..self
        }
    }

    /// Keeps what was counted, for the JSON.
    pub(crate) fn detail(self, ledger: &Ledger) -> anyhow::Result<Self> {
        Ok(Self {
            detail: serde_json::to_value(ledger)?,
            ..self
        })
    }

    fn holds(&self) -> bool {
        self.limit.is_none_or(|limit| self.value <= limit)
    }

    fn told(&self) -> String {
        grouped(self.value, self.digits)
    }

    fn limit_told(&self) -> String {
        let digits = if self.limit.is_some_and(|limit| limit.fract() > 0.0) {
            2
        } else {
            0
        };
        match (self.bound, self.limit) {
            (Some(words), _) => words.to_owned(),
            (None, Some(limit)) => grouped(limit, digits),
            (None, None) => String::new(),
        }
    }
}

/// A line for each figure, a column for each size; what is beyond its bound is marked.
pub(crate) fn table(sizes: &[Size]) -> String {
    let mut head = vec![String::new(), "at most".to_owned()];
    head.extend(sizes.iter().map(|size| format!("{} tenants", size.tenants)));
    let mut lines = vec![head];
    for (at, figure) in sizes
        .first()
        .map_or(&[][..], |size| &size.figures)
        .iter()
        .enumerate()
    {
        let mut line = vec![figure.name.to_owned(), figure.limit_told()];
        line.extend(sizes.iter().map(|size| match size.figures.get(at) {
            Some(figure) if figure.holds() => figure.told(),
            Some(figure) => format!("**{}**", figure.told()),
            None => String::new(),
        }));
        lines.push(line);
    }
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let cells = line.iter().enumerate().map(|(column, cell)| {
            let widths = lines.iter().filter_map(|line| line.get(column)).map(String::len);
            let width = widths.max().unwrap_or_default();
            if column == 0 {
                format!("{cell:width$}")
            } else {
                format!("{cell:>width$}")
            }
        });
        let cells: Vec<_> = cells.collect();
        let _ = writeln!(text, "| {} |", cells.join(" | "));
        if at == 0 {
            let rule = cells.iter().enumerate().map(|(column, cell)| {
                if column == 0 {
                    "-".repeat(cell.len())
                } else {
                    format!("{}:", "-".repeat(cell.len().saturating_sub(1)))
                }
            });
            let _ = writeln!(text, "| {} |", rule.collect::<Vec<_>>().join(" | "));
        }
    }
    text
}

/// The same for programs.
pub(crate) fn json(sizes: &[Size]) -> anyhow::Result<String> {
    let sizes: Vec<_> = sizes
        .iter()
        .map(|size| {
            let figures = size.figures.iter().map(|figure| {
                let mut one = serde_json::to_value(figure)?;
                if let (Some(fields), Some(_)) = (one.as_object_mut(), figure.limit) {
                    fields.insert("holds".to_owned(), json!(figure.holds()));
                }
                Ok(one)
            });
            let figures = figures.collect::<serde_json::Result<Vec<_>>>()?;
            Ok(json!({ "tenants": size.tenants, "figures": figures }))
        })
        .collect::<serde_json::Result<_>>()?;
    Ok(serde_json::to_string_pretty(&Value::Array(sizes))?)
}

/// What is beyond its bound, in words.
pub(crate) fn broken(sizes: &[Size]) -> Vec<String> {
    let of = |size: &Size| -> Vec<String> {
        let broken = size.figures.iter().filter(|figure| !figure.holds());
        broken
            .map(|figure| {
                let limit = grouped(figure.limit.unwrap_or_default(), figure.digits);
                format!(
                    "{} is {} and not at most {limit} at {} tenants",
                    figure.name,
                    figure.told(),
                    size.tenants
                )
            })
            .collect()
    };
    sizes.iter().flat_map(of).collect()
}

/// `12,345.6`
fn grouped(value: f64, digits: usize) -> String {
    let text = format!("{value:.digits$}");
    let (whole, rest) = text.split_at(text.find('.').unwrap_or(text.len()));
    let mut grouped = String::new();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped + rest
}

#[allow(clippy::cast_precision_loss, reason = "some thousands")]
pub(crate) fn number(count: usize) -> f64 {
    count as f64
}
