//! No-op jobs per second with 8 slots: every job is claimed, has its directory and its process, is reported, durably.
//!
//! The floor spawns `/bin/true` in a loop on as many threads. Jobs are in the queue before the runner starts; the span is
//! from the first claim to the last end, as the plane wrote them down.

use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};
use serde_json::json;
use wire::Job;

use super::Bench;
use crate::floors;
use crate::report::{Goal, Report, Row};
use crate::system::{Identity, System};

const SLOTS: usize = 8;
const FLOOR: Duration = Duration::from_secs(2);

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let system = System::start(&bench.programs, &bench.scratch).await?;
    let runner = system.register("throughput").await?;
    // Once up and down: from then on the plane knows the kinds and takes their jobs.
    let mut running = system.bench_runner(&runner, &system.origin(), SLOTS)?;
    system.online(&runner).await?;
    running.terminate()?;

    let count = bench.size.samples(2000);
    let before = tokio::task::spawn_blocking(|| floors::spawns_per_second(SLOTS, FLOOR)).await?;
    let nothing = jobs_per_second(&system, &runner, count, "nothing", &json!({})).await?;
    let between = tokio::task::spawn_blocking(|| floors::spawns_per_second(SLOTS, FLOOR)).await?;
    let payload = json!({"program": "/bin/true", "args": []});
    let spawning = jobs_per_second(&system, &runner, count, "program", &payload).await?;
    let after = tokio::task::spawn_blocking(|| floors::spawns_per_second(SLOTS, FLOOR)).await?;

    let floor = (before + between + after) / 3.0;
    let rows = vec![
        Row::new("no-op jobs per second, 8 slots", nothing, Goal::AtLeast(0.1 * floor))
            .beside("spawns per second", floor),
        Row::new("jobs of /bin/true per second, 8 slots", spawning, Goal::Told).beside("spawns per second", floor),
    ];
    let raw = json!({"jobs": count, "nothing": nothing, "true": spawning, "spawns": [before, between, after]});
    Ok(Report { rows, raw })
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
async fn jobs_per_second(
    system: &System,
    runner: &Identity,
    count: usize,
    kind: &str,
    payload: &serde_json::Value,
) -> anyhow::Result<f64> {
    let submit = |_| system.client.submit(kind, payload.clone());
    let jobs: Vec<Job> = stream::iter(0..count).map(submit).buffer_unordered(16).try_collect().await?;
    let mut running = system.bench_runner(runner, &system.origin(), SLOTS)?;
    while system.client.list("status=QUEUED&limit=1").await?.total > 0 {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let (mut first, mut last) = (i64::MAX, i64::MIN);
    for job in &jobs {
        let ended = system.client.wait_for_end(job).await?;
        first = first.min(ended.claimed_at.map_or(i64::MAX, |at| at.as_micros()));
        last = last.max(ended.completed_at.map_or(i64::MIN, |at| at.as_micros()));
    }
    running.terminate()?;
    Ok(count as f64 / ((last - first) as f64 / 1e6))
}
