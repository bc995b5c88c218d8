//! The least a Rust program can do with the official client: the same subscription, each message acknowledged, nothing
//! checked. What the worker's CPU time for an event is measured against.
//!
//! ```sh
//! PUBSUB_EMULATOR_HOST=127.0.0.1:8085 bare_client projects/p/subscriptions/s 100000 [OUTSTANDING]
//! ```
//!
//! Ends after so many messages, and prints one line of JSON: messages, seconds since the first of them, and the CPU
//! seconds of the process.

use std::{process::ExitCode, time::Instant};

use events::{Connection, connect};
use google_cloud_pubsub::client::Subscriber;

#[tokio::main]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (Some(name), Some(count)) = (
        arguments.first(),
        arguments.get(1).and_then(|count| count.parse::<u64>().ok()),
    ) else {
        say("usage: bare_client SUBSCRIPTION COUNT [OUTSTANDING]");
        return ExitCode::from(2);
    };
    let outstanding = arguments
        .get(2)
        .and_then(|limit| limit.parse().ok())
        .unwrap_or(1000);
    let Ok(subscriber) = connect!(Subscriber::builder(), &Connection::from_env())
        .build()
        .await
    else {
        say("cannot connect");
        return ExitCode::FAILURE;
    };
    let mut stream = subscriber
        .subscribe(name)
        .set_max_outstanding_messages(outstanding)
        .build();
    let mut first = None;
    for _ in 0..count {
        match stream.next().await {
            Some(Ok((_, handler))) => handler.ack(),
            Some(Err(error)) => {
                say(&error.to_string());
                return ExitCode::FAILURE;
            }
            None => return ExitCode::FAILURE,
        }
        first.get_or_insert_with(Instant::now);
    }
    let seconds = first.map_or(0.0, |first| first.elapsed().as_secs_f64());
    let shutdown = stream.shutdown_token();
    drop(stream);
    // Flushes the acknowledgements.
    shutdown.shutdown().await;
    let cpu = cpu_seconds().unwrap_or_default();
    say(&format!(
        r#"{{"messages":{count},"seconds":{seconds:.3},"cpu_seconds":{cpu:.2}}}"#
    ));
    ExitCode::SUCCESS
}

/// Hundredths of a second of user and system time, from `/proc/self/stat`.
#[allow(clippy::cast_precision_loss, reason = "seconds of one run")]
fn cpu_seconds() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / 100.0)
}

#[allow(clippy::print_stdout, reason = "its result is what it prints")]
fn say(text: &str) {
    println!("{text}");
}
