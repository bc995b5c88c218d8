//! What the worker itself uses: CPU, memory, file descriptors, under the names every Prometheus client has for them.
//!
//! Read from `/proc/self`, because the `prometheus` crate's own collector counts CPU in whole seconds.

use std::fs;

use prometheus::{
    Gauge, IntGauge,
    core::{Collector, Desc},
    proto::MetricFamily,
};

/// `/proc/self/stat` counts in these on every Linux there is (`getconf CLK_TCK`).
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self` whenever metrics are asked for.
pub(crate) struct OwnProcess {
    cpu: Gauge,
    resident: IntGauge,
    descriptors: IntGauge,
    most_descriptors: IntGauge,
    threads: IntGauge,
}

impl OwnProcess {
    pub(crate) fn new() -> Result<Self, prometheus::Error> {
        Ok(Self {
            cpu: Gauge::new("process_cpu_seconds_total", "CPU time spent, in seconds.")?,
            resident: IntGauge::new("process_resident_memory_bytes", "Memory in use, in bytes.")?,
            descriptors: IntGauge::new("process_open_fds", "Open file descriptors.")?,
            most_descriptors: IntGauge::new("process_max_fds", "File descriptors there may be.")?,
            threads: IntGauge::new("process_threads", "Threads of the operating system.")?,
        })
    }

    fn all(&self) -> [&dyn Collector; 5] {
        [
            &self.cpu,
            &self.resident,
            &self.descriptors,
            &self.most_descriptors,
            &self.threads,
        ]
    }
}

impl Collector for OwnProcess {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collector::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        if let Some(seconds) = read("stat").and_then(|text| cpu_seconds(&text)) {
            self.cpu.set(seconds);
        }
        if let Some(status) = read("status") {
            let kilobytes = field(&status, "VmRSS:").unwrap_or_default();
            self.resident.set(kilobytes.saturating_mul(1024));
            self.threads.set(field(&status, "Threads:").unwrap_or_default());
        }
        if let Ok(open) = fs::read_dir("/proc/self/fd") {
            self.descriptors
                .set(i64::try_from(open.count()).unwrap_or(i64::MAX));
        }
        if let Some(most) = read("limits").and_then(|text| field(&text, "Max open files")) {
            self.most_descriptors.set(most);
        }
        self.all().into_iter().flat_map(Collector::collect).collect()
    }
}

fn read(what: &str) -> Option<String> {
    fs::read_to_string(format!("/proc/self/{what}")).ok()
}

/// The first number behind a name at the start of a line.
fn field(text: &str, name: &str) -> Option<i64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

/// User and system time, fields 14 and 15. The second field is the program's name, which may hold spaces.
#[allow(clippy::cast_precision_loss, reason = "ticks of a hundred thousand years")]
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / TICKS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_kernel_writes() {
        let stat = "7 (a )b) S 1 7 7 0 -1 4194560 9 0 0 0 150 25 0 0 20 0 1 0 5 6 7";
        assert_eq!(cpu_seconds(stat), Some(1.75));
        assert_eq!(field("VmSize:\t 9 kB\nVmRSS:\t   12 kB\n", "VmRSS:"), Some(12));
        assert_eq!(cpu_seconds("nonsense"), None);
    }

    #[test]
    fn says_something_of_this_process() {
        let own = OwnProcess::new().unwrap();
        assert_eq!(own.collect().len(), 5);
        assert!(own.resident.get() > 100_000 && own.descriptors.get() > 2 && own.threads.get() > 0);
    }
}
