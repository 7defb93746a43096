//! What the clouds cost a runner that has nothing to do: two runners with the same kinds, one of which links them.

use std::time::Duration;

use serde_json::json;

use super::Bench;
use crate::observe;
use crate::programs::Running;
use crate::report::{Goal, Report, Row, median};
use crate::system::{Identity, System};

/// Until a runner is idle: its claim is parked, its stream is open.
const SETTLE: Duration = Duration::from_secs(5);

/// In KiB.
#[derive(Default)]
struct Memory {
    all: Vec<f64>,
    own: Vec<f64>,
}

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let system = System::start(&bench.programs, &bench.scratch).await?;
    let runner = system.register("idle").await?;
    let (mut without, mut with) = (Memory::default(), Memory::default());
    for _ in 0..bench.size.samples(10) {
        let bare = system.bench_runner(&runner, &system.origin(), 1)?;
        without.look(&system, &runner, bare).await?;
        with.look(&system, &runner, system.cloud_runner(&runner, &[])?).await?;
    }
    let mebibytes = |samples: &[f64]| median(samples) / 1024.0;
    let grown = |with: &[f64], without: &[f64]| mebibytes(with) - mebibytes(without);
    let rows = vec![
        Row::new("the clouds add to an idle runner (RSS), MiB", grown(&with.all, &without.all), Goal::AtMost(2.0)),
        Row::new("  of it not shared (RssAnon), MiB", grown(&with.own, &without.own), Goal::Told),
        Row::new("idle runner with the clouds (RSS), MiB", mebibytes(&with.all), Goal::Told)
            .beside("without", mebibytes(&without.all)),
    ];
    let raw = json!({"with_kib": with.all, "without_kib": without.all,
                     "with_own_kib": with.own, "without_own_kib": without.own});
    Ok(Report { rows, raw })
}

impl Memory {
    #[expect(clippy::cast_precision_loss, reason = "kibibytes of one process")]
    async fn look(&mut self, system: &System, runner: &Identity, mut running: Running) -> anyhow::Result<()> {
        system.online(runner).await?;
        tokio::time::sleep(SETTLE).await;
        self.all.push(observe::status(running.pid(), "VmRSS")? as f64);
        self.own.push(observe::status(running.pid(), "RssAnon")? as f64);
        running.terminate().map(drop)
    }
}
