//! A plan through the product, and the same commands in `sh`: init, plan to a file, show as JSON into a file.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::json;

use super::Bench;
use crate::clock;
use crate::programs::command;
use crate::report::{Goal, Report, Row, median};
use crate::system::System;

const STACK: &str = r#"
terraform {
  backend "local" {}
}
resource "terraform_data" "item" {
  count = 20
  input = "item ${count.index}"
}
"#;
const SCRIPT: &str = "set -e
terraform init -input=false -no-color >log
terraform plan -input=false -no-color -out=plan >>log
terraform show -json plan >plan.json";

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let system = System::start(&bench.programs, &bench.scratch).await?;
    let runner = system.register("terraform").await?;
    let _running = system.product_runner(&runner, &system.origin())?;
    system.online(&runner).await?;
    let (mut product, mut shell) = (Vec::new(), Vec::new());
    for turn in 0..bench.size.samples(40) {
        // The order changes with every turn.
        if turn % 2 == 0 {
            shell.push(in_shell(system.folder(), turn)?);
        }
        product.push(through_product(&system, turn).await?);
        if turn % 2 == 1 {
            shell.push(in_shell(system.folder(), turn)?);
        }
    }
    let more: Vec<f64> = product.iter().zip(&shell).map(|(product, shell)| product - shell).collect();
    let ratio: Vec<f64> = product.iter().zip(&shell).map(|(product, shell)| product / shell).collect();
    let rows = vec![
        Row::new("init + plan + show + artifact + log, ms", median(&product), Goal::Told).beside("sh", median(&shell)),
        Row::new("  more than sh, median of pairs, ms", median(&more), Goal::AtMost(25.0)),
        Row::new("  times sh, median of pairs", median(&ratio), Goal::AtMost(1.1)),
    ];
    Ok(Report { rows, raw: json!({"product_ms": product, "sh_ms": shell}) })
}

async fn through_product(system: &System, turn: usize) -> anyhow::Result<f64> {
    let payload = json!({
        "action": "plan", "source": {"files": {"main.tf": STACK.replace("  backend \"local\" {}\n", "")}},
        "backend": {"type": "plane", "name": format!("bench-{turn}")},
    });
    let begun = clock::now_ns();
    let job = system.client.submit("terraform", payload).await?;
    let followed = system.client.follow(&job).await?;
    Ok(clock::ms_between(begun, followed.ended_ns))
}

fn in_shell(folder: &Path, turn: usize) -> anyhow::Result<f64> {
    let folder = folder.join(format!("sh-{turn}"));
    fs::create_dir(&folder)?;
    fs::write(folder.join("main.tf"), STACK)?;
    let mut shell = command(Path::new("/bin/sh"));
    shell.args(["-c", SCRIPT]).current_dir(&folder).env("HOME", &folder);
    shell.env("TF_IN_AUTOMATION", "1").env("CHECKPOINT_DISABLE", "1");
    let begun = clock::now_ns();
    let status = shell.status().context("no sh")?;
    let took = clock::ms_since(begun);
    ensure!(status.success(), "terraform in sh ended with {status}");
    Ok(took)
}
