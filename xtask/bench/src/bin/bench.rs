//! Measures the figures. Started by `cargo xtask bench`, which builds what it measures.

use std::path::PathBuf;
use std::process::ExitCode;

use bench::figures::{self, Brought, Figure, Size};
use clap::Parser;

#[derive(Parser)]
#[command(name = "cargo xtask bench")]
struct Arguments {
    /// Only these figures
    #[arg(long, value_enum)]
    only: Vec<Figure>,
    /// A tenth of the samples: shows that it works, not how well
    #[arg(long)]
    quick: bool,
    /// A Python that has moto, for what is measured against AWS
    #[arg(long, value_name = "FILE")]
    moto_python: Option<PathBuf>,
    /// A folder of terraform's providers with that of AWS, for what is measured with environments
    #[arg(long, value_name = "DIR")]
    providers: Option<PathBuf>,
    /// Where raw rows go
    #[arg(long, default_value = "target/bench")]
    results: PathBuf,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let size = Size { quick: arguments.quick };
    let brought = Brought { moto_python: arguments.moto_python, providers: arguments.providers };
    let missed = figures::run(&arguments.only, size, brought, arguments.results).await?;
    println!();
    if missed == 0 {
        println!("every goal is met");
        return Ok(ExitCode::SUCCESS);
    }
    println!("{missed} goals missed");
    Ok(ExitCode::FAILURE)
}
