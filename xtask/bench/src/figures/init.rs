//! `init` with the providers of a mirror, eight at once: as jobs of the product do it, and bare.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};
use futures_util::future::join_all;
use serde_json::json;

use super::Bench;
use crate::clock;
use crate::dead_end::DeadEnd;
use crate::programs::{Running, command};
use crate::report::{Goal, Report, Row, median};
use crate::system::{Identity, System};
use crate::tool_clock::ToolClock;

const AT_ONCE: usize = 8;
const NONE: Goal = Goal::AtMost(0.0);
const STACK: &str = r#"
terraform {
  required_providers {
    aws = { source = "hashicorp/aws" }
  }
}
"#;

/// Seconds of each round, and what the jobs that failed said.
#[derive(Default)]
struct Rounds {
    product_s: Vec<f64>,
    bare_s: Vec<f64>,
    failures: Vec<String>,
}

/// Who takes part.
struct Stage {
    system: System,
    tool_clock: ToolClock,
    dead_end: DeadEnd,
    runner: Identity,
}

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let mirror = bench.provider_mirror()?.display().to_string();
    let system = System::start(&bench.programs, &bench.scratch).await?;
    let tool_clock = ToolClock::install(&bench.programs, system.folder().join("first"))?;
    let (dead_end, runner) = (DeadEnd::start().await?, system.register("init").await?);
    let bare = Bare::new(tool_clock.real.clone(), &mirror, system.folder().join("bare"))?;
    let stage = Stage { system, tool_clock, dead_end, runner };
    let mut running = stage.runner(&[("ALETHIA_PROVIDER_MIRROR", &mirror)]).await?;
    let rounds = Rounds::take(bench.size.samples(25), &stage, &bare).await?;
    let requests = stage.dead_end.calls();
    running.terminate()?;
    stage.without_a_mirror_a_registry_is_asked().await?;

    let rows = vec![
        Row::new(
            format!("failures of {} warm inits, 8 at once", rounds.bare_s.len() * AT_ONCE),
            count(rounds.failures.len()),
            NONE,
        ),
        Row::new("  requests to registries", count(requests), NONE),
        Row::new("  submit of 8 -> last init's end p50, s", median(&rounds.product_s), Goal::Told)
            .beside("8 bare inits", median(&rounds.bare_s)),
    ];
    let raw = json!({"product_s": rounds.product_s, "bare_s": rounds.bare_s, "failures": rounds.failures});
    Ok(Report { rows, raw })
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
fn count(number: usize) -> f64 {
    number as f64
}

impl Rounds {
    async fn take(count: usize, stage: &Stage, bare: &Bare) -> anyhow::Result<Self> {
        let mut rounds = Self::default();
        for round in 0..count {
            // The order changes with every round.
            if round % 2 == 0 {
                rounds.bare_s.push(bare.round(round)?);
            }
            let (took, failed) = stage.round(round).await?;
            rounds.product_s.push(took);
            rounds.failures.extend(failed);
            if round % 2 == 1 {
                rounds.bare_s.push(bare.round(round)?);
            }
        }
        Ok(rounds)
    }
}

impl Stage {
    async fn runner(&self, env: &[(&str, &str)]) -> anyhow::Result<Running> {
        let (path, slots) = (self.tool_clock.path()?, AT_ONCE.to_string());
        let own = [("PATH", path.as_str()), ("ALETHIA_SLOTS", &slots)];
        let env = [&own[..], &self.dead_end.environment(), env].concat();
        let running = self.system.product_runner_in(&self.runner, &env)?;
        self.system.online(&self.runner).await?;
        Ok(running)
    }

    /// Seconds until the last `init` had ended, and what the jobs that failed said.
    async fn round(&self, round: usize) -> anyhow::Result<(f64, Vec<String>)> {
        let begun = clock::now_ns();
        let ended = join_all((0..AT_ONCE).map(|place| self.job(format!("init-{round}-{place}")))).await;
        let calls = self.tool_clock.calls(begun, clock::now_ns())?;
        let inits = calls.iter().filter(|call| call.verb == "init");
        let last = inits.map(|call| call.ended_ns).max().context("no job came to its init")?;
        let failed = ended.into_iter().filter_map(Result::err).map(|error| format!("{error:#}"));
        Ok((clock::ms_between(begun, last) / 1000.0, failed.collect()))
    }

    /// The job that does the least after its `init`.
    async fn job(&self, state: String) -> anyhow::Result<()> {
        let payload = json!({"action": "output", "source": {"files": {"main.tf": STACK}},
                             "backend": {"type": "plane", "name": state}});
        let job = self.system.client.submit("terraform", payload).await?;
        self.system.client.follow(&job).await.map(drop)
    }

    /// Makes the count above worth something.
    async fn without_a_mirror_a_registry_is_asked(&self) -> anyhow::Result<()> {
        let before = self.dead_end.calls();
        let _running = self.runner(&[]).await?;
        ensure!(self.job("no-mirror".to_owned()).await.is_err(), "an init without a mirror and a registry succeeded");
        ensure!(self.dead_end.calls() > before, "an init without a mirror was not seen to ask a registry");
        Ok(())
    }
}

/// Terraform without the product.
struct Bare {
    terraform: PathBuf,
    folder: PathBuf,
}

impl Bare {
    fn new(terraform: PathBuf, mirror: &str, folder: PathBuf) -> anyhow::Result<Self> {
        fs::create_dir(&folder)?;
        let config = format!("provider_installation {{\n  filesystem_mirror {{\n    path = {mirror:?}\n  }}\n}}\n");
        fs::write(folder.join("terraformrc"), config)?;
        Ok(Self { terraform, folder })
    }

    /// Seconds until the last had ended.
    fn round(&self, round: usize) -> anyhow::Result<f64> {
        let folders: Vec<_> = (0..AT_ONCE).map(|place| self.folder.join(format!("{round}-{place}"))).collect();
        for folder in &folders {
            fs::create_dir(folder)?;
            fs::write(folder.join("main.tf"), STACK)?;
        }
        let begun = clock::now_ns();
        let inits: anyhow::Result<Vec<Running>> = folders.iter().map(|folder| self.init(folder)).collect();
        for mut init in inits? {
            let status = init.0.wait()?;
            ensure!(status.success(), "a bare init ended with {status}");
        }
        Ok(clock::ms_since(begun) / 1000.0)
    }

    fn init(&self, folder: &Path) -> anyhow::Result<Running> {
        let mut init = command(&self.terraform);
        init.args(["init", "-input=false", "-no-color"]).current_dir(folder).env("HOME", folder);
        init.env("TF_CLI_CONFIG_FILE", self.folder.join("terraformrc"));
        init.env("TF_IN_AUTOMATION", "1").env("CHECKPOINT_DISABLE", "1");
        Ok(Running(init.stdout(fs::File::create(folder.join("log"))?).spawn()?))
    }
}
