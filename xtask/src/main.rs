//! What a developer and CI run: `cargo xtask test`, `cargo xtask bench`, `cargo xtask tools`, `cargo xtask cluster`.
//!
//! It depends on no crate of ours, so that it works while one of them does not compile.

mod cluster;
mod process;
mod steps;
mod tools;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Parser, Subcommand};

use steps::Step;
use tools::{Spares, Toolbox, provider_mirror};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Tests, benchmarks and the tools for them")]
struct Arguments {
    /// Where pinned tools are kept [default: ~/.cache/alethia-xtask]
    #[arg(long, env = "XTASK_CACHE", global = true)]
    cache: Option<PathBuf>,
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that CI runs: format, licences and bans, lints, documentation, tests, the README's demo
    Test {
        /// Only these steps
        #[arg(long, value_enum)]
        only: Vec<Step>,
        /// Also ask for known vulnerabilities; needs the advisory database from the internet
        #[arg(long)]
        advisories: bool,
    },
    /// The figures, each beside its floor measured in the same run; builds with --release
    Bench {
        /// Passed on; see `cargo xtask bench -- --help`
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Only gets the tools that the tests need
    Tools {
        /// Also those that this machine can do without: tofu, where there is a terraform
        #[arg(long)]
        all: bool,
    },
    /// Starts a test cluster: Kubernetes, Argo CD, and moto for AWS
    Cluster(cluster::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let cache = match arguments.cache {
        Some(cache) => cache,
        None => std::env::home_dir().context("no home directory; set XTASK_CACHE")?.join(".cache/alethia-xtask"),
    };
    let toolbox = Toolbox::new(cache)?;
    match arguments.task {
        Task::Test { only, advisories } => steps::run(&toolbox, &only, advisories)?,
        Task::Bench { arguments } => {
            toolbox.terraform()?;
            process::run(&mut process::cargo(["build", "--release", "--package", "bench", "--package", "cli"]))?;
            let mut bench = process::program(process::target()?.join("release/bench"));
            bench.arg("--moto-python").arg(toolbox.moto()?);
            if let Some(mirror) = provider_mirror::find() {
                bench.arg("--providers").arg(mirror);
            }
            process::run(bench.args(arguments).env("PATH", toolbox.path()?))?;
        }
        Task::Tools { all } => toolbox.get_all(if all { Spares::Also } else { Spares::Not })?,
        Task::Cluster(arguments) => return cluster::run(&toolbox, &arguments),
    }
    Ok(ExitCode::SUCCESS)
}
