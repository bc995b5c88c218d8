//! The emulator as a process of its own, to be killed and weighed.

use serde_json::Value;
use std::{
    ffi::OsStr,
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
};

pub(crate) struct Process {
    pub(crate) child: Child,
    /// `127.0.0.1:PORT`
    pub(crate) address: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Starts it on a free port, and returns when it serves.
    pub(crate) fn start(arguments: &[&OsStr]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_pubsub-emulator"))
            .args(["--port", "0", "--log-format", "json"])
            .args(arguments)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        let mut log = BufReader::new(child.stderr.take().unwrap());
        log.read_line(&mut line).unwrap();
        let event: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("not a log line: {line}"));
        let address = event["fields"]["address"].as_str().unwrap().to_owned();
        Self { child, address }
    }

    pub(crate) fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// SIGKILL, and its end.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
