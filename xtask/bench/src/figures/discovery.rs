//! FETCH_RESOURCES over all regions of an account, beside the slowest of them alone.
//!
//! Regions are asked at the same time, so all should take little more than one. moto is one process that answers one
//! question at a time, and on loopback nothing else takes time: there the two say how fast moto is. So both are also
//! measured with the round trip that a runner has to regions of other continents, and that is judged.

use std::time::Duration;

use anyhow::Context;
use serde_json::json;

use super::Bench;
use crate::clock;
use crate::moto::{self, Moto, ROLE};
use crate::proxy::Proxy;
use crate::report::{Goal, Report, Row, median};
use crate::system::System;

const ROUND_TRIP: Duration = Duration::from_millis(100);
/// In each region; one is there by default.
const VPCS: usize = 5;

/// What jobs took, from submit to end, in milliseconds.
struct Times {
    all: f64,
    slowest: f64,
}

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let moto = Moto::start(bench.brought.moto_python.as_deref()).await?;
    let regions = moto.regions().await?;
    for region in &regions {
        moto.make_vpcs(region, VPCS - 1).await?;
    }
    let near = times(bench, &moto, Duration::ZERO, &regions).await?;
    let far = times(bench, &moto, ROUND_TRIP, &regions).await?;
    let count = regions.len();
    let rows = vec![
        Row::new(format!("{count} regions, times the slowest alone"), far.all / far.slowest, Goal::AtMost(2.0)),
        Row::new("  all of them, 100 ms away, ms", far.all, Goal::Told).beside("the slowest alone", far.slowest),
        Row::new("  all of them on loopback, ms", near.all, Goal::Told).beside("the slowest alone", near.slowest),
    ];
    let raw = |times: &Times| json!({"all_ms": times.all, "slowest_alone_ms": times.slowest});
    Ok(Report { rows, raw: json!({"regions": regions, "far": raw(&far), "near": raw(&near)}) })
}

async fn times(bench: &Bench, moto: &Moto, round_trip: Duration, regions: &[String]) -> anyhow::Result<Times> {
    let proxy = Proxy::at_a_distance(moto.host_port.clone(), round_trip).await?;
    let system = System::start(&bench.programs, &bench.scratch).await?;
    let runner = system.register("discovery").await?;
    let _running = system.cloud_runner(&runner, &moto::environment(&proxy.origin))?;
    system.online(&runner).await?;
    let identity = system.client.connect_role(ROLE).await?;
    let all: Vec<&str> = regions.iter().map(String::as_str).collect();
    let slowest = slowest(&system, &identity, &all).await?;
    let (mut whole, mut alone) = (Vec::new(), Vec::new());
    for _ in 0..bench.size.samples(10) {
        whole.push(took(&system, &identity, &all).await?);
        alone.push(took(&system, &identity, &[slowest]).await?);
    }
    Ok(Times { all: median(&whole), slowest: median(&alone) })
}

/// Which it is; how slow, is asked again: what once was the slowest of many had bad luck, too.
async fn slowest<'a>(system: &System, identity: &str, regions: &[&'a str]) -> anyhow::Result<&'a str> {
    let (mut slowest, mut longest) = (None, 0.0);
    for region in regions {
        let mut alone = Vec::new();
        for _ in 0..3 {
            alone.push(took(system, identity, &[region]).await?);
        }
        if median(&alone) > longest {
            (slowest, longest) = (Some(*region), median(&alone));
        }
    }
    slowest.context("there is no region")
}

async fn took(system: &System, identity: &str, regions: &[&str]) -> anyhow::Result<f64> {
    let begun = clock::now_ns();
    let job = system.client.submit_as("FETCH_RESOURCES", json!({"regions": regions}), identity).await?;
    let ended = system.client.follow(&job).await?.ended_ns;
    let job = system.client.job(job.id.as_str()).await?;
    let metadata = job.execution_metadata.unwrap_or_default();
    let vpcs = metadata.pointer("/cached_resources/vpcs").and_then(|vpcs| vpcs.as_object());
    let found = vpcs.map_or(0, |vpcs| vpcs.values().filter_map(|list| list.as_array()).map(Vec::len).sum());
    anyhow::ensure!(found == VPCS * regions.len(), "{found} networks were found in {} regions", regions.len());
    Ok(clock::ms_between(begun, ended))
}
