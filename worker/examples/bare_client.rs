//! The least a Rust program can do with the official client: each message of one subscription acknowledged, nothing checked.
//! What the worker's CPU time for an event is measured against (`e2e/bench`).
//!
//! ```sh
//! PUBSUB_EMULATOR_HOST=127.0.0.1:8085 SUBSCRIPTIONS=projects/p/subscriptions/s MAX_OUTSTANDING_MESSAGES=1000 bare_client
//! ```
//!
//! Ends with SIGTERM, when what it acknowledged has been sent. Exit codes: 0 stopped, 1 the stream ended, 2 a variable is
//! missing or wrong.

use std::{env, process::ExitCode};

use events::{Connection, connect};
use google_cloud_pubsub::client::Subscriber;
use tokio::signal::unix::{SignalKind, signal};

/// What the official client has by default
/// (<https://docs.rs/google-cloud-pubsub/latest/google_cloud_pubsub/subscriber/builder/struct.Subscribe.html>).
const OUTSTANDING: i64 = 1000;

#[tokio::main]
async fn main() -> ExitCode {
    let Ok(name) = env::var("SUBSCRIPTIONS") else {
        say("SUBSCRIPTIONS is missing: the full name of one subscription");
        return ExitCode::from(2);
    };
    let outstanding = env::var("MAX_OUTSTANDING_MESSAGES").map_or(Ok(OUTSTANDING), |text| text.parse());
    let Ok(outstanding) = outstanding else {
        say("MAX_OUTSTANDING_MESSAGES must be a number");
        return ExitCode::from(2);
    };
    let Ok(subscriber) = connect!(Subscriber::builder(), &Connection::from_env())
        .build()
        .await
    else {
        say("cannot connect");
        return ExitCode::FAILURE;
    };
    let Ok(mut stop) = signal(SignalKind::terminate()) else {
        return ExitCode::FAILURE;
    };
    let mut stream = subscriber
        .subscribe(name)
        .set_max_outstanding_messages(outstanding)
        .build();
    loop {
        let message = tokio::select! {
            message = stream.next() => message,
            _ = stop.recv() => break,
        };
        match message {
            Some(Ok((_, handler))) => handler.ack(),
            Some(Err(error)) => {
                say(&error.to_string());
                return ExitCode::FAILURE;
            }
            None => return ExitCode::FAILURE,
        }
    }
    let shutdown = stream.shutdown_token();
    drop(stream);
    // Flushes the acknowledgements.
    shutdown.shutdown().await;
    ExitCode::SUCCESS
}

#[allow(clippy::print_stderr, reason = "there is nothing else to say it with")]
fn say(text: &str) {
    eprintln!("{text}");
}
