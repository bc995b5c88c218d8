//! `eventctl`: the event plane's command line. It publishes, and it runs the whole plane on a laptop.

mod audit;
mod dead_letters;
mod dev;
mod dev_server;
mod draft;
mod failure;
mod feed;
mod output;
mod plane;
mod publish;
mod samples;
mod server;
mod signals;
mod topics;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

/// Works with the event plane from the command line.
#[derive(Debug, Parser)]
#[command(
    name = "eventctl",
    version,
    after_help = "Exit codes: 0 done, 1 it did not work, 2 the command line or an event of the input is wrong.\n\nPUBSUB_EMULATOR_HOST (host:port) sends everything to an emulator; else Google's Pub/Sub is used with the application default credentials."
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Publish an event, a file of events, or many of one kind.
    Publish(Box<publish::Publish>),
    /// Run the whole event plane on this machine: emulator, one worker for each tenant, page and API.
    Dev(Box<dev::Dev>),
    /// Serve a page and an API to publish events to an emulator, and to watch what becomes of them.
    DevServer(Box<dev_server::DevServer>),
    /// The event worker, as `dev` runs it.
    #[command(hide = true)]
    Worker(Box<event_worker::settings::Flags>),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Examples:\n  eventctl completions bash > /etc/bash_completion.d/eventctl\n  eventctl completions zsh > \"${fpath[1]}/_eventctl\"\n  eventctl completions fish > ~/.config/fish/completions/eventctl.fish"
    )]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Publish(publish) => publish.run().await,
        Command::Dev(dev) => dev.run().await,
        Command::DevServer(server) => server.run().await,
        Command::Worker(flags) => worker(*flags).await,
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
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

async fn worker(flags: event_worker::settings::Flags) -> anyhow::Result<()> {
    event_worker::program::run(flags)
        .await
        .map_err(|error| match error.is_setting() {
            true => failure::Usage(error.to_string()).into(),
            false => error.into(),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
