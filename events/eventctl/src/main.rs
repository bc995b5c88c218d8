//! `eventctl`: the event plane's command line. Today it publishes; it is also found by `kubectl` under the names of its
//! plugins.

mod output;
mod publish;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Works with the event plane from the command line.
#[derive(Debug, Parser)]
#[command(
    name = "eventctl",
    version,
    after_help = "Exit codes: 0 done, 1 Pub/Sub did not do it, 2 the command line is wrong.\n\nPUBSUB_EMULATOR_HOST (host:port) sends everything to an emulator; else Google's Pub/Sub is used with the application default credentials."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Publish one event.
    Publish(Box<publish::Publish>),
    /// Print a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Publish(publish) => publish.run().await,
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "eventctl", &mut script);
            output::print(&String::from_utf8_lossy(&script))
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
