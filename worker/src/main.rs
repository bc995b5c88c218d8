//! The `event-worker` binary: settings from the environment, and the handler they name.

use std::process::ExitCode;

use clap::Parser;
use event_worker::{program, settings::Flags};

/// An event is allocated by the thread that pulls and freed by the one that handles it (`e2e/bench/README.md`).
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// What a wrong command line ends with everywhere.
const WRONG_SETTING: u8 = 2;

#[tokio::main]
async fn main() -> ExitCode {
    match program::run(Flags::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&error.to_string());
            if error.is_setting() {
                ExitCode::from(WRONG_SETTING)
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

#[allow(clippy::print_stderr, reason = "a person reads it before there is a log")]
fn say(error: &str) {
    eprintln!("event-worker: {error}");
}
