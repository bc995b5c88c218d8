//! The binary as a process, and an emulator for it.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, Command, Output, Stdio},
};

use pubsub_emulator::{Emulator, pb};

pub(crate) const PROJECT: &str = "acme-events";

pub(crate) fn eventctl() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_eventctl"));
    command.env_clear();
    command
}

/// An emulator with the topics of the catalogue, and a subscription to each of the same name.
pub(crate) async fn emulator() -> Emulator {
    let emulator = Emulator::builder().start().await.unwrap();
    for key in [
        "events",
        "document-events",
        "query-events",
        "user-events",
        "system-events",
    ] {
        let topic = format!("projects/{PROJECT}/topics/living-twin-{key}");
        let name = topic.replace("/topics/", "/subscriptions/");
        emulator
            .create_topic(pb::Topic {
                name: topic.clone(),
                ..pb::Topic::default()
            })
            .unwrap();
        emulator
            .create_subscription(pb::Subscription {
                name,
                topic,
                ..pb::Subscription::default()
            })
            .unwrap();
    }
    emulator
}

pub(crate) fn backlog(emulator: &Emulator, key: &str) -> u64 {
    let name = format!("projects/{PROJECT}/subscriptions/living-twin-{key}");
    emulator.stats(&name).unwrap().backlog.try_into().unwrap()
}

/// Runs `eventctl publish` with arguments, and something on its standard input.
pub(crate) async fn publish(emulator: &Emulator, arguments: &[&str], input: &str) -> (i32, String, String) {
    let mut command = eventctl();
    command
        .args(["publish", "--project", PROJECT])
        .args(arguments)
        .env("PUBSUB_EMULATOR_HOST", emulator.address().to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let input = input.to_owned();
    let run = tokio::task::spawn_blocking(move || {
        let mut child = command.spawn().unwrap();
        // It may end before it has read everything.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        child.wait_with_output().unwrap()
    });
    let Output {
        status,
        stdout,
        stderr,
    } = run.await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

/// A process that ends with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let pid = self.0.id().to_string();
        // By the signal that it ends its own children at; it has ended already where the test went well.
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let _ = self.0.wait();
    }
}

impl Running {
    /// Waits for a line of its output, and returns all until there.
    pub(crate) fn until(&mut self, text: &str) -> String {
        let stdout = self.0.stdout.as_mut().unwrap();
        let mut seen = String::new();
        for line in BufReader::with_capacity(1, stdout).lines() {
            let line = line.unwrap();
            seen.push_str(&line);
            seen.push('\n');
            if line.contains(text) {
                return seen;
            }
        }
        panic!("{text:?} did not come: {seen}");
    }
}
