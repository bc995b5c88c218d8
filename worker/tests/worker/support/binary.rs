//! The real binary, as a process with signals.

use std::process::Stdio;

use serde_json::Value;
use tokio::{
    io::AsyncReadExt,
    process::{Child, Command},
    time::timeout,
};

use super::{
    PATIENCE,
    cloud::{Cloud, PROJECT, Plane},
};

/// A command that runs the worker for a subscription, its log kept.
pub(crate) fn binary(cloud: &Cloud, plane: &Plane<'_>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_event-worker"));
    command
        .env_clear()
        .env("PUBSUB_EMULATOR_HOST", &cloud.address)
        .env("GCP_PROJECT_ID", PROJECT)
        .env("TENANT_ID", "tenant-123")
        .env("SUBSCRIPTIONS", plane.subscription())
        .env("HTTP_ADDR", "127.0.0.1:0")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

/// The same, its log thrown away: for processes that outlive a pipe's buffer.
pub(crate) fn quiet(cloud: &Cloud, plane: &Plane<'_>) -> Command {
    let mut command = binary(cloud, plane);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command
}

pub(crate) async fn terminate(pid: u32) {
    let sent = Command::new("kill")
        .args(["-TERM", &pid.to_string()])
        .status()
        .await
        .unwrap();
    assert!(sent.success());
}

/// Waits for its end; returns the exit code and the log.
pub(crate) async fn end(mut child: Child) -> (Option<i32>, Vec<Value>) {
    let mut text = String::new();
    let mut stdout = child.stdout.take().unwrap();
    let read = timeout(PATIENCE, stdout.read_to_string(&mut text));
    read.await.unwrap().unwrap();
    let status = timeout(PATIENCE, child.wait()).await.unwrap().unwrap();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    (status.code(), lines.collect())
}
