//! What a process costs, as the kernel counts it (proc(5)).

use std::{fs, time::Duration};

use anyhow::Context as _;

/// In what the kernel tells processor time, to programs, on every machine.
const TICK_MS: u64 = 10;

/// The costs of a process so far.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Bytes of memory that it has now.
    pub resident: u64,
    /// The most that it ever had.
    pub peak: u64,
    /// Processor time of all its threads.
    pub cpu: Duration,
}

impl Usage {
    /// Those of a running process.
    ///
    /// # Errors
    /// When it is gone.
    pub fn of(pid: u32) -> anyhow::Result<Self> {
        let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
        let bytes = |key: &str| -> anyhow::Result<u64> {
            let line = status.lines().find_map(|line| line.strip_prefix(key));
            let kilobytes = line.and_then(|rest| rest.split_whitespace().next());
            Ok(kilobytes.context("its memory is not told")?.parse::<u64>()? * 1_024)
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name before the last bracket may hold anything. User and system time are the 14th and 15th field of all.
        let fields = stat.rsplit(')').next().unwrap_or_default();
        let ticks = fields
            .split_whitespace()
            .skip(11)
            .take(2)
            .map(str::parse::<u64>)
            .sum::<Result<u64, _>>()?;
        Ok(Self {
            resident: bytes("VmRSS:")?,
            peak: bytes("VmHWM:")?,
            cpu: Duration::from_millis(TICK_MS * ticks),
        })
    }
}

/// Processor time of all processes that this one started and that run.
///
/// # Errors
/// When it is gone.
pub fn cpu_of_children(pid: u32) -> anyhow::Result<Duration> {
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    children
        .split_whitespace()
        .map(|child| Ok(Usage::of(child.parse()?)?.cpu))
        .sum()
}

/// How much processor time the whole machine has spent, and how much it had.
///
/// # Errors
/// When the kernel does not tell.
pub fn machine() -> anyhow::Result<(Duration, Duration)> {
    let stat = fs::read_to_string("/proc/stat")?;
    let total = stat.lines().next().unwrap_or_default().split_whitespace();
    let ticks = total
        .skip(1)
        .map(str::parse::<u64>)
        .collect::<Result<Vec<_>, _>>()?;
    let all: u64 = ticks.iter().take(8).sum();
    // The fourth is idle, the fifth waits for disks.
    let idle: u64 = ticks.iter().skip(3).take(2).sum();
    let time = |ticks| Duration::from_millis(TICK_MS * ticks);
    Ok((time(all - idle), time(all)))
}
