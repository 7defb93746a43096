//! A DEPLOY of an environment that is as it is wanted: submit to end, beside the time in which terraform ran.

use anyhow::ensure;
use serde_json::json;

use super::Bench;
use crate::environment::{Environment, Timed};
use crate::report::{Goal, Report, Row, median};

/// To see that there is nothing to do, and what was made before.
const BY_HAND: [&str; 3] = ["init", "plan", "output"];

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let environment = Environment::start(bench).await?;
    let first = environment.run("DEPLOY").await?;
    ensure!(verbs(&first).contains(&"apply"), "the first DEPLOY applied nothing: {:?}", verbs(&first));
    let mut deploys = Vec::new();
    for _ in 0..bench.size.samples(5) {
        let deploy = environment.run("DEPLOY").await?;
        let changes = deploy.job.execution_metadata.as_ref().map(|told| &told["plan_summary"]);
        ensure!(!verbs(&deploy).contains(&"apply"), "there was something to do: {changes:?}");
        deploys.push(deploy);
    }
    let of = |what: fn(&Timed) -> f64| deploys.iter().map(what).collect::<Vec<_>>();
    let (own, total, tools) = (of(Timed::own_ms), of(|deploy| deploy.total_ms), of(Timed::tools_ms));
    let beyond = of(|deploy| deploy.beyond_ms(&BY_HAND));
    let ratio = of(|deploy| deploy.total_ms / deploy.tools_ms());
    let rows = vec![
        Row::new("DEPLOY with nothing to do, times terraform", median(&ratio), Goal::AtMost(1.2)),
        Row::new("  submit -> end p50, s", median(&total) / 1000.0, Goal::Told)
            .beside("terraform in it", median(&tools) / 1000.0),
        Row::new("  own work p50, ms", median(&own), Goal::Told),
        Row::new("  calls beyond init, plan and output, ms", median(&beyond), Goal::Told),
    ];
    let raw: Vec<_> = deploys.iter().map(Timed::raw).collect();
    Ok(Report { rows, raw: json!({"first": first.raw(), "nothing_to_do": raw}) })
}

fn verbs(deploy: &Timed) -> Vec<&str> {
    deploy.calls.iter().map(|call| call.verb.as_str()).collect()
}
