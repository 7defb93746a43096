//! A runner's start to its first claim, and its end when it has nothing to do.

use std::time::Duration;

use serde_json::json;

use super::Bench;
use crate::proxy::Proxy;
use crate::report::{Goal, Report, Row, median, quantile};
use crate::system::System;
use crate::{clock, floors};

const CLAIM: &str = "POST /api/jobs/claim";
const SETTLE: Duration = Duration::from_millis(300);

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let system = System::start(&bench.programs, &bench.scratch).await?;
    let proxy = Proxy::start(system.host_port.clone()).await?;
    let runner = system.register("start").await?;
    let (mut starts, mut drains, mut spawns, mut requests) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for turn in 0..bench.size.samples(50) {
        spawns.push(floors::spawn_to_stamp(&bench.programs)?);
        requests.push(system.client.round_trip().await?);
        let begun = clock::now_ns();
        let mut running = system.product_runner(&runner, &proxy.origin)?;
        starts.push(clock::ms_between(begun, proxy.wait_for(CLAIM, turn + 1).await));
        system.online(&runner).await?;
        // Until it is idle: the claim is parked and the events stream is open.
        tokio::time::sleep(SETTLE).await;
        let stopped = tokio::task::spawn_blocking(move || running.terminate());
        drains.push(stopped.await??);
    }
    let rows = vec![
        Row::new("start -> first claim p50, ms", median(&starts), Goal::AtMost(20.0))
            .beside("a spawn and a request", median(&spawns) + median(&requests)),
        Row::new("start -> first claim p90, ms", quantile(&starts, 0.9), Goal::Told),
        Row::new("idle drain p50, ms", median(&drains), Goal::AtMost(50.0))
            .beside("two requests", 2.0 * median(&requests)),
        Row::new("idle drain p90, ms", quantile(&drains, 0.9), Goal::Told),
    ];
    let raw = json!({"start_ms": starts, "drain_ms": drains, "spawn_ms": spawns, "request_ms": requests});
    Ok(Report { rows, raw })
}
