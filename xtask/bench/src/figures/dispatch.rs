//! Submit to the first instruction of the tool.
//!
//! One runner is parked; a job is submitted, its tool prints when it began. Each job takes turns with the three floors
//! that it is made of: a spawn, a synced append, a request. Closed loop with a pause of random length, so that no timer of
//! the product can be in step with the benchmark.

use std::collections::BTreeMap;
use std::fs::File;
use std::time::Duration;

use serde_json::json;

use super::Bench;
use crate::bare::BareRunner;
use crate::proxy::Proxy;
use crate::report::{Goal, Report, Row, median, quantile};
use crate::system::System;
use crate::{clock, floors};

#[derive(Default)]
struct Samples {
    jobs: Vec<f64>,
    spawns: Vec<f64>,
    syncs: Vec<f64>,
    requests: Vec<f64>,
}

impl Samples {
    fn floor(&self) -> f64 {
        median(&self.spawns) + median(&self.syncs) + median(&self.requests)
    }
}

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let system = System::start(&bench.programs, &bench.scratch).await?;
    let runner = system.register("timed").await?;
    let mut running = system.bench_runner(&runner, &system.origin(), 1)?;
    system.online(&runner).await?;
    take_turns(bench, &system, bench.size.samples(20)).await?;
    let samples = take_turns(bench, &system, bench.size.samples(500)).await?;
    running.terminate()?;
    let bare = with_bare_runner(bench, &system).await?;
    let (per_job, by_request) = requests_per_job(bench, &system).await?;

    let tail = quantile(&samples.spawns, 0.99) + quantile(&samples.syncs, 0.99) + quantile(&samples.requests, 0.99);
    let rows = vec![
        Row::new("submit -> tool's first instruction p50, ms", median(&samples.jobs), Goal::AtMost(15.0))
            .beside("spawn + synced append + request", samples.floor()),
        Row::new("submit -> tool's first instruction p99, ms", quantile(&samples.jobs, 0.99), Goal::AtMost(60.0))
            .beside("the same at p99", tail),
        Row::new("  p50 of a bare client, ms", median(&bare.jobs), Goal::Told)
            .beside("spawn + synced append + request", bare.floor()),
        Row::new("requests per job", per_job, Goal::AtMost(4.0)),
    ];
    let raw = json!({"jobs_ms": samples.jobs, "spawn_ms": samples.spawns, "sync_ms": samples.syncs,
                     "request_ms": samples.requests, "bare_ms": bare.jobs, "requests": by_request});
    Ok(Report { rows, raw })
}

/// The peer without promises, on the same plane.
async fn with_bare_runner(bench: &Bench, system: &System) -> anyhow::Result<Samples> {
    let runner = BareRunner::connect(system.origin(), &system.register("bare").await?).await?;
    let serving = tokio::spawn(runner.serve());
    let samples = take_turns(bench, system, bench.size.samples(200)).await;
    serving.abort();
    samples
}

async fn take_turns(bench: &Bench, system: &System, count: usize) -> anyhow::Result<Samples> {
    let mut samples = Samples::default();
    let mut file = File::create(system.folder().join("sync"))?;
    for turn in 0..count {
        samples.spawns.push(floors::spawn_to_stamp(&bench.programs)?);
        samples.syncs.push(floors::durable_append(&mut file)?);
        samples.requests.push(system.client.round_trip().await?);
        let begun = clock::now_ns();
        let job = system.client.submit_program(&bench.programs.probe, &["stamp"]).await?;
        let followed = system.client.follow(&job).await?;
        samples.jobs.push(clock::ms_between(begun, floors::stamp(&followed.text(), "stamp")?));
        // A fixed sequence without a pattern: 0 to 30 ms.
        tokio::time::sleep(Duration::from_millis((turn as u64 * 7919) % 31)).await;
    }
    Ok(samples)
}

/// Counted in a run of its own, because the counting proxy takes time.
#[expect(clippy::cast_precision_loss, reason = "small counts")]
async fn requests_per_job(bench: &Bench, system: &System) -> anyhow::Result<(f64, BTreeMap<String, usize>)> {
    let proxy = Proxy::start(system.host_port.clone()).await?;
    let runner = system.register("counted").await?;
    let _running = system.bench_runner(&runner, &proxy.origin, 1)?;
    system.online(&runner).await?;
    let before = proxy.seen().len();
    let jobs = bench.size.samples(100);
    for _ in 0..jobs {
        let job = system.client.submit_program(&bench.programs.probe, &["stamp"]).await?;
        system.client.follow(&job).await?;
    }
    let mut by_request = BTreeMap::new();
    for seen in &proxy.seen()[before..] {
        *by_request.entry(without_ids(&seen.request)).or_default() += 1;
    }
    let total: usize = by_request.values().sum();
    Ok((total as f64 / jobs as f64, by_request))
}

fn without_ids(request: &str) -> String {
    let word = |word: &str| if word.len() > 30 { "{id}".to_owned() } else { word.to_owned() };
    request.split('/').map(word).collect::<Vec<_>>().join("/")
}
