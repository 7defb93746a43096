//! The tool that test jobs run: `test-tool FOLDER NEXT-RECORD STEPS`, where the steps are JSON. After the last one it
//! marks how many records there are now.

use std::io::{self, BufWriter};
use std::path::Path;

use anyhow::Context;
use system_tests::steps::{Step, carry_out};

fn main() -> anyhow::Result<()> {
    let args: Vec<_> = std::env::args().skip(1).collect();
    let [folder, next, steps] = args.as_slice() else { anyhow::bail!("test-tool FOLDER NEXT-RECORD STEPS") };
    let (folder, steps) = (Path::new(folder), serde_json::from_str::<Vec<Step>>(steps).context("the steps")?);
    let mut out = BufWriter::with_capacity(64 * 1024, io::stdout());
    let next = carry_out(&steps, next.parse()?, folder, &mut out)?;
    carry_out(&[Step::Mark(format!("records {next}"))], next, folder, &mut out)?;
    Ok(())
}
