//! One file per figure: how it is measured, what it must be, what stands beside it.

mod clouds;
mod deploy;
mod discovery;
mod dispatch;
mod flood;
mod footprint;
mod init;
mod plan;
mod role;
mod start;
mod tail;
mod terraform;
mod throughput;

use std::fs;
use std::path::PathBuf;

use anyhow::Context;
use clap::ValueEnum;

use crate::observe::{cpu_pressure, machine};
use crate::programs::Programs;

/// A figure, or several that come from one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Figure {
    /// Submit to the first instruction of the tool; requests per job
    Dispatch,
    /// Line printed to SSE reader
    Tail,
    /// 1 GiB of 80-byte lines: MB/s, SHA-256, peak memory
    Flood,
    /// Start to first claim; idle drain
    Start,
    /// No-op jobs per second with 8 slots
    Throughput,
    /// Terraform through the product and in `sh`
    Terraform,
    /// Idle runner: memory, wake-ups, requests
    Footprint,
    /// Submit to the first instruction of the tool under an assumed role, against moto; questions to STS
    Role,
    /// FETCH_RESOURCES over all regions, beside the slowest region alone, against moto
    Discovery,
    /// What the clouds add to an idle runner's memory
    Clouds,
    /// What a PLAN of an environment takes beside terraform, against moto
    Plan,
    /// A DEPLOY of an environment with nothing to do, beside terraform
    Deploy,
    /// Warm init with a mirror of providers, eight at once: failures, requests to registries
    Init,
}

/// What whoever starts the benchmark brings along.
#[derive(Clone, Debug, Default)]
pub struct Brought {
    /// A Python that has moto.
    pub moto_python: Option<PathBuf>,
    /// A mirror of terraform's providers.
    pub providers: Option<PathBuf>,
}

/// How much to measure.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// A tenth of the samples, to see that it works.
    pub quick: bool,
}

impl Size {
    fn samples(self, full: usize) -> usize {
        if self.quick { (full / 10).max(3) } else { full }
    }
}

/// What every figure gets.
pub(crate) struct Bench {
    pub(crate) programs: Programs,
    size: Size,
    pub(crate) brought: Brought,
    /// On the disk of the work tree: a memory file system would make every sync free.
    pub(crate) scratch: PathBuf,
}

impl Bench {
    /// The mirror, if it has the provider of AWS.
    pub(crate) fn provider_mirror(&self) -> anyhow::Result<PathBuf> {
        let has_aws = |mirror: &PathBuf| mirror.join("registry.terraform.io/hashicorp/aws").is_dir();
        let mirror = self.brought.providers.clone().filter(has_aws);
        let mirror = mirror.context(
            "no terraform AWS provider; `cargo xtask bench` finds a mirror that this machine carries, or give \
             --providers DIR",
        )?;
        Ok(std::path::absolute(mirror)?)
    }
}

/// Measures the figures (all if `only` is empty). How many goals were missed.
///
/// # Errors
/// If something could not be measured at all.
pub async fn run(only: &[Figure], size: Size, brought: Brought, results: PathBuf) -> anyhow::Result<usize> {
    // Jobs, tools and what they are told of work in folders of their own.
    let scratch = std::path::absolute(results.join("scratch"))?;
    fs::create_dir_all(&scratch)?;
    let bench = Bench { programs: Programs::find()?, size, brought, scratch };
    let mut missed = 0;
    println!("{}", machine());
    for figure in Figure::value_variants().iter().filter(|figure| only.is_empty() || only.contains(figure)) {
        let name = format!("{figure:?}").to_lowercase();
        println!("\n{name} (processor pressure {:.0} %)", cpu_pressure());
        let report = match figure {
            Figure::Dispatch => dispatch::measure(&bench).await,
            Figure::Tail => tail::measure(&bench).await,
            Figure::Flood => flood::measure(&bench).await,
            Figure::Start => start::measure(&bench).await,
            Figure::Throughput => throughput::measure(&bench).await,
            Figure::Terraform => terraform::measure(&bench).await,
            Figure::Footprint => footprint::measure(&bench).await,
            Figure::Role => role::measure(&bench).await,
            Figure::Discovery => discovery::measure(&bench).await,
            Figure::Clouds => clouds::measure(&bench).await,
            Figure::Plan => plan::measure(&bench).await,
            Figure::Deploy => deploy::measure(&bench).await,
            Figure::Init => init::measure(&bench).await,
        };
        match report {
            Ok(report) => missed += report.publish(&name, &results)?,
            Err(error) => {
                println!("NOT MEASURED: {error:#}");
                missed += 1;
            }
        }
    }
    Ok(missed)
}
