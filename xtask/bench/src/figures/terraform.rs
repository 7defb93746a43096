//! A plan through the product, and the same commands in `sh`: init, plan to a file, show as JSON into a file. Two more `sh` tell
//! apart what terraform itself takes longer with a state that is no file of this machine, and what it takes less because the
//! product lets Go's garbage collector rest longer.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use serde_json::json;

use super::Bench;
use crate::programs::command;
use crate::report::{Goal, Report, Row, median};
use crate::system::System;
use crate::{clock, empty_state};

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
    let address = empty_state::serve().await?;
    let (mut product, mut shell, mut over_http, mut rested) = (vec![], vec![], vec![], vec![]);
    for turn in 0..bench.size.samples(40) {
        // The order changes with every turn.
        for arm in 0..4 {
            match (turn + arm) % 4 {
                0 => product.push(through_product(&system, turn).await?),
                1 => shell.push(in_shell(system.folder(), turn, "local", &[]).await?),
                2 => over_http.push(in_shell(system.folder(), turn, "http", &remote(&address)).await?),
                _ => rested.push(in_shell(system.folder(), turn, "local", &[("GOGC", "200")]).await?),
            }
        }
    }
    let more = |beside: &[f64]| median(&pairs(&product, beside, |product, beside| product - beside));
    let times = |beside: &[f64]| median(&pairs(&product, beside, |product, beside| product / beside));
    let rows = vec![
        Row::new("init + plan + show + artifact + log, ms", median(&product), Goal::Told).beside("sh", median(&shell)),
        Row::new("  more than sh, median of pairs, ms", more(&shell), Goal::AtMost(25.0)),
        Row::new("  times sh, median of pairs", times(&shell), Goal::AtMost(1.1)),
        Row::new("  more than sh with its state over HTTP, ms", more(&over_http), Goal::Told)
            .beside("what the backend costs sh", median(&over_http) - median(&shell)),
        Row::new("  times sh with its state over HTTP", times(&over_http), Goal::Told),
        Row::new("  more than sh with the product's GOGC, ms", more(&rested), Goal::Told)
            .beside("what that saves sh", median(&shell) - median(&rested)),
        Row::new("  times sh with the product's GOGC", times(&rested), Goal::Told),
    ];
    Ok(Report {
        rows,
        raw: json!({"product_ms": product, "sh_ms": shell, "sh_http_ms": over_http, "sh_gogc_ms": rested}),
    })
}

fn pairs(product: &[f64], beside: &[f64], of: fn(f64, f64) -> f64) -> Vec<f64> {
    product.iter().zip(beside).map(|(product, beside)| of(*product, *beside)).collect()
}

/// What tells terraform's backend where the state is.
fn remote(address: &str) -> [(&'static str, &str); 5] {
    let (lock, unlock) = (("TF_HTTP_LOCK_ADDRESS", address), ("TF_HTTP_UNLOCK_ADDRESS", address));
    let methods = [("TF_HTTP_LOCK_METHOD", "PUT"), ("TF_HTTP_UNLOCK_METHOD", "DELETE")];
    [("TF_HTTP_ADDRESS", address), lock, unlock, methods[0], methods[1]]
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

async fn in_shell(folder: &Path, turn: usize, backend: &str, env: &[(&str, &str)]) -> anyhow::Result<f64> {
    let folder = folder.join(format!("sh-{backend}-{}-{turn}", env.len()));
    fs::create_dir(&folder)?;
    fs::write(folder.join("main.tf"), STACK.replace("local", backend))?;
    let mut shell = tokio::process::Command::from(command(Path::new("/bin/sh")));
    shell.args(["-c", SCRIPT]).current_dir(&folder).env("HOME", &folder);
    shell.env("TF_IN_AUTOMATION", "1").env("CHECKPOINT_DISABLE", "1").envs(env.iter().copied());
    let begun = clock::now_ns();
    // The state's server is in this process.
    let status = shell.status().await.context("no sh")?;
    let took = clock::ms_since(begun);
    ensure!(status.success(), "terraform in sh ended with {status}");
    Ok(took)
}
