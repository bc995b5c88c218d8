//! How does the operator do with many tenants? Its real binary, a real API server, and the emulator in this process with the
//! service's quota and a delay on each administrative call; everything anew for each size.
//!
//! `make bench-operator`, or `cargo run --release -p e2e --example scale -- --help`

#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "figures are its purpose, and it says how far it is"
)]

mod bulk;
mod fleet;
mod ledger;
mod patience;
mod report;
mod rest;
mod scene;

use std::process::ExitCode;

use clap::Parser;

use crate::{
    report::{Figure, Size},
    scene::Scene,
};

/// Measures the operator with many tenants, and says which bounds do not hold.
#[derive(Debug, Parser)]
#[command(
    name = "scale",
    after_help = "Figures go to standard output, progress to standard error. The operator's binary has to be built in the same \
                  profile: cargo build --release -p event-operator -p e2e --bin event-operator --example scale\n\nExit codes: 0 all bounds \
                  hold, 1 some do not or something went wrong, 2 the command line is wrong."
)]
struct Args {
    /// Sizes of the fleet, each measured by itself. Each tenant has five topics, and a project takes 1,000 such tenants.
    #[arg(long, value_delimiter = ',', default_value = "10,100,900", value_name = "N,N…", value_parser = clap::value_parser!(u16).range(1..=998))]
    tenants: Vec<u16>,
    /// JSON in the place of the table, with calls by method.
    #[arg(long)]
    json: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let args = Args::parse();
    if cfg!(debug_assertions) {
        eprintln!("This is the dev profile: the figures are none.");
    }
    let load = std::fs::read_to_string("/proc/loadavg")?;
    eprintln!("Load average: {}", load.trim_end());
    let mut sizes = Vec::new();
    for tenants in args.tenants {
        sizes.push(measure(usize::from(tenants)).await?);
    }
    match args.json {
        true => println!("{}", report::json(&sizes)?),
        false => print!("{}", report::table(&sizes)),
    }
    let broken = report::broken(&sizes);
    let verdict = match broken.is_empty() {
        true => "All bounds hold.".to_owned(),
        false => format!("Bounds that do not hold: {}.", broken.join("; ")),
    };
    // JSON is for programs.
    match args.json {
        true => eprintln!("{verdict}"),
        false => println!("\n{verdict}"),
    }
    Ok(ExitCode::from(u8::from(!broken.is_empty())))
}

/// Everything there is to know of a fleet of this size.
async fn measure(tenants: usize) -> anyhow::Result<Size> {
    eprintln!("{tenants} tenants:");
    let scene = Scene::set().await?;
    let mut figures = Vec::new();
    let operator = scene.operator(scene::RESYNC)?;
    let grown = bulk::measure(&scene, &operator, tenants).await;
    let (bulk, objects) = scene::explain(grown, &operator)?;
    figures.extend(bulk);
    let grew = operator.usage()?;
    scene.stop(operator).await?;

    let started = rest::Start::of(&scene, scene::RESYNC, objects).await?;
    figures.extend(started.figures()?);
    let restarted = started.operator.usage()?;
    scene.stop(started.operator).await?;

    // A third start, so that a resync comes soon enough to be waited for.
    let started = rest::Start::of(&scene, scene::SHORT_RESYNC, objects).await?;
    let steady = rest::steady(&scene, &started.operator).await;
    figures.extend(scene::explain(steady, &started.operator)?);
    let rested = started.operator.usage()?;
    scene.stop(started.operator).await?;

    let peak = [grew, restarted, rested]
        .map(|usage| usage.peak)
        .into_iter()
        .max();
    figures.push(Figure::megabytes("memory: peak, MB", peak.unwrap_or_default()).at_most(200.0));
    figures.push(Figure::megabytes("memory: at rest, MB", rested.resident).at_most(200.0));
    Ok(Size { tenants, figures })
}
