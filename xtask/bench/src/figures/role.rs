//! What it costs that a job is somebody: submit to the first instruction of the tool under an assumed role.
//!
//! Three arms take turns: a job that is nobody, a bare `AssumeRole`, a job under the role. Our own part is what the third
//! takes more than the first two together. How often STS is asked is counted in a run of its own, through a proxy.

use serde_json::json;

use super::Bench;
use crate::moto::{self, Moto, ROLE};
use crate::proxy::Proxy;
use crate::report::{Goal, Report, Row, median, quantile};
use crate::system::{Identity, System};
use crate::{clock, floors};

const STAMP: &[&str] = &["stamp"];

#[derive(Default)]
struct Samples {
    nobody: Vec<f64>,
    assumed: Vec<f64>,
    somebody: Vec<f64>,
}

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let moto = Moto::start(bench.brought.moto_python.as_deref()).await?;
    let endpoint = format!("http://{}", moto.host_port);
    let system = System::start(&bench.programs, &bench.scratch).await?;
    let runner = system.register("cloud").await?;
    let mut running = system.cloud_runner(&runner, &moto::environment(&endpoint))?;
    system.online(&runner).await?;
    let identity = system.client.connect_role(ROLE).await?;
    take_turns(bench, &system, &moto, &identity, bench.size.samples(20)).await?;
    let samples = take_turns(bench, &system, &moto, &identity, bench.size.samples(200)).await?;
    running.terminate()?;
    let asked = asked_per_job(bench, &system, &moto, &runner, &identity).await?;

    let floor = median(&samples.nobody) + median(&samples.assumed);
    let rows = vec![
        Row::new("own part of a start under a role p50, ms", median(&samples.somebody) - floor, Goal::AtMost(5.0)),
        Row::new("submit -> first instruction under it p50, ms", median(&samples.somebody), Goal::Told)
            .beside("the same as nobody + a bare AssumeRole", floor),
        Row::new("submit -> first instruction under it p99, ms", quantile(&samples.somebody, 0.99), Goal::Told),
        Row::new("questions to STS per job", asked, Goal::AtMost(1.0)),
    ];
    let raw = json!({"nobody_ms": samples.nobody, "assume_role_ms": samples.assumed, "somebody_ms": samples.somebody});
    Ok(Report { rows, raw })
}

async fn take_turns(
    bench: &Bench,
    system: &System,
    moto: &Moto,
    identity: &str,
    count: usize,
) -> anyhow::Result<Samples> {
    let (mut samples, probe) = (Samples::default(), &bench.programs.probe);
    for _ in 0..count {
        let begun = clock::now_ns();
        let job = system.client.submit_program(probe, STAMP).await?;
        let followed = system.client.follow(&job).await?;
        samples.nobody.push(clock::ms_between(begun, floors::stamp(&followed.text(), "stamp")?));
        samples.assumed.push(moto.assume_role().await?);
        let begun = clock::now_ns();
        let job = system.client.submit_program_as(probe, STAMP, identity).await?;
        let followed = system.client.follow(&job).await?;
        samples.somebody.push(clock::ms_between(begun, floors::stamp(&followed.text(), "stamp")?));
    }
    Ok(samples)
}

#[expect(clippy::cast_precision_loss, reason = "small counts")]
async fn asked_per_job(
    bench: &Bench,
    system: &System,
    moto: &Moto,
    runner: &Identity,
    identity: &str,
) -> anyhow::Result<f64> {
    let proxy = Proxy::start(moto.host_port.clone()).await?;
    let _running = system.cloud_runner(runner, &moto::environment(&proxy.origin))?;
    let jobs = bench.size.samples(20);
    for _ in 0..jobs {
        let job = system.client.submit_program_as(&bench.programs.probe, STAMP, identity).await?;
        system.client.follow(&job).await?;
    }
    Ok(proxy.seen().len() as f64 / jobs as f64)
}
