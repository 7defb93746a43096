//! One file per figure: how it is measured, what it must be, what stands beside it.

mod clouds;
mod dispatch;
mod flood;
mod footprint;
mod role;
mod start;
mod tail;
mod terraform;
mod throughput;

use std::fs;
use std::path::PathBuf;

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
    /// What the clouds add to an idle runner's memory
    Clouds,
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
struct Bench {
    programs: Programs,
    size: Size,
    /// A Python that has moto.
    moto_python: Option<PathBuf>,
    /// On the disk of the work tree: a memory file system would make every sync free.
    scratch: PathBuf,
}

/// Measures the figures (all if `only` is empty). How many goals were missed.
///
/// # Errors
/// If something could not be measured at all.
pub async fn run(only: &[Figure], size: Size, moto_python: Option<PathBuf>, results: PathBuf) -> anyhow::Result<usize> {
    let scratch = results.join("scratch");
    fs::create_dir_all(&scratch)?;
    let bench = Bench { programs: Programs::find()?, size, moto_python, scratch };
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
            Figure::Clouds => clouds::measure(&bench).await,
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
