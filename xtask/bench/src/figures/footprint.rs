//! What a runner without work costs: memory, wake-ups, requests. Counts, so a loaded machine does not disturb them.
//!
//! It has had work: a runner that never ran a job is smaller, and nobody keeps one for that.

use std::time::Duration;

use serde_json::json;

use super::Bench;
use crate::observe;
use crate::proxy::Proxy;
use crate::report::{Goal, Report, Row};
use crate::system::System;

#[expect(clippy::cast_precision_loss, reason = "small counts")]
pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let system = System::start(&bench.programs, &bench.scratch).await?;
    let proxy = Proxy::start(system.host_port.clone()).await?;
    let runner = system.register("idle").await?;
    let running = system.product_runner(&runner, &proxy.origin)?;
    system.online(&runner).await?;
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before_work = observe::status(running.pid(), "VmRSS")?;
    let plan = json!({
        "action": "plan", "source": {"files": {"main.tf": "resource \"terraform_data\" \"one\" {}"}},
        "backend": {"type": "plane", "name": "footprint"},
    });
    let job = system.client.submit("terraform", plan).await?;
    system.client.follow(&job).await?;
    // The next heartbeat finds it without a job. A claim is held for a minute: whole minutes from then on.
    tokio::time::sleep(Duration::from_secs(65)).await;
    let minutes = if bench.size.quick { 1 } else { 5 };
    let (requests, time) = (proxy.seen().len(), Duration::from_secs(60 * minutes));
    let woken = tokio::try_join!(observe::wakeups(running.pid(), time), observe::wakeups(system.plane_pid(), time));
    let (woken, plane_woken) = woken?;
    let seen = proxy.seen();
    let minutes = minutes as f64;
    let mebibytes = |kibibytes: u64| kibibytes as f64 / 1024.0;
    let rows = vec![
        Row::new(
            "idle runner's memory (RSS), MiB",
            mebibytes(observe::status(running.pid(), "VmRSS")?),
            Goal::AtMost(12.0),
        ),
        Row::new(
            "  of it not shared (RssAnon), MiB",
            mebibytes(observe::status(running.pid(), "RssAnon")?),
            Goal::Told,
        ),
        Row::new("  before its first job, MiB", mebibytes(before_work), Goal::Told),
        Row::new("idle runner's wake-ups per second", woken as f64 / time.as_secs_f64(), Goal::AtMost(0.2)),
        Row::new("idle runner's requests per minute", (seen.len() - requests) as f64 / minutes, Goal::AtMost(2.2)),
        Row::new("plane's memory (RSS), MiB", mebibytes(observe::status(system.plane_pid(), "VmRSS")?), Goal::Told),
        Row::new("plane's wake-ups per second", plane_woken as f64 / time.as_secs_f64(), Goal::Told),
    ];
    let requests: Vec<_> = seen[requests..].iter().map(|seen| seen.request.clone()).collect();
    Ok(Report { rows, raw: json!({"minutes": minutes, "requests": requests}) })
}
