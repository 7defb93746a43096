//! Line printed to SSE reader, on an idle system. The floor is the same program read through a pipe.

use serde_json::json;

use super::Bench;
use crate::report::{Goal, Report, Row, median, quantile};
use crate::system::System;
use crate::{clock, floors};

const PAUSE_MS: u64 = 50;

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let system = System::start(&bench.programs, &bench.scratch).await?;
    let runner = system.register("tail").await?;
    let _running = system.bench_runner(&runner, &system.origin(), 1)?;
    system.online(&runner).await?;
    let (mut seen, mut piped) = (Vec::new(), Vec::new());
    for _ in 0..bench.size.samples(20) {
        seen.extend(through_product(bench, &system, 50).await?);
        let programs = bench.programs.clone();
        let floor = tokio::task::spawn_blocking(move || floors::ticks_through_pipe(&programs, 50, PAUSE_MS));
        piped.extend(floor.await??);
    }
    let rows = vec![
        Row::new("line printed -> SSE reader p50, ms", median(&seen), Goal::AtMost(10.0))
            .beside("a pipe", median(&piped)),
        Row::new("line printed -> SSE reader p99, ms", quantile(&seen, 0.99), Goal::AtMost(60.0))
            .beside("a pipe at p99", quantile(&piped, 0.99)),
    ];
    Ok(Report { rows, raw: json!({"seen_ms": seen, "piped_ms": piped}) })
}

async fn through_product(bench: &Bench, system: &System, count: usize) -> anyhow::Result<Vec<f64>> {
    let args = ["tick", &count.to_string(), &PAUSE_MS.to_string()];
    let job = system.client.submit_program(&bench.programs.probe, &args).await?;
    let followed = system.client.follow(&job).await?;
    let mut latencies = Vec::with_capacity(count);
    for (piece, seen_ns) in &followed.pieces {
        for line in piece.lines().filter(|line| line.starts_with("tick ")) {
            latencies.push(clock::ms_between(floors::stamp(line, "tick")?, *seen_ns));
        }
    }
    anyhow::ensure!(latencies.len() == count, "{} of {count} lines were seen", latencies.len());
    Ok(latencies)
}
