//! What a PLAN of an environment takes beside terraform: submit to end, less the time in which terraform ran.

use serde_json::json;

use super::Bench;
use crate::environment::{Environment, Timed};
use crate::floors;
use crate::report::{Goal, Report, Row, median, quantile};

/// To make the plan, and to read it.
const BY_HAND: [&str; 3] = ["init", "plan", "show"];

pub(super) async fn measure(bench: &Bench) -> anyhow::Result<Report> {
    let environment = Environment::start(bench).await?;
    let (mut plans, mut stamping) = (Vec::new(), Vec::new());
    for _ in 0..bench.size.samples(10) {
        let plan = environment.run("PLAN").await?;
        stamping.push(stamping_ms(bench, &plan)?);
        plans.push(plan);
    }
    let of = |what: fn(&Timed) -> f64| plans.iter().map(what).collect::<Vec<_>>();
    let (own, total, tools) = (of(Timed::own_ms), of(|plan| plan.total_ms), of(Timed::tools_ms));
    let beyond = of(|plan| plan.beyond_ms(&BY_HAND));
    let rows = vec![
        Row::new("own work of a PLAN p50, ms", median(&own), Goal::AtMost(60.0))
            .beside("terraform in it", median(&tools)),
        Row::new("  slowest, ms", quantile(&own, 1.0), Goal::Told),
        Row::new("  of it starts of what stamps, ms", median(&stamping), Goal::Told),
        Row::new("  calls beyond init, plan and show, ms", median(&beyond), Goal::Told),
        Row::new("PLAN, submit -> end p50, s", median(&total) / 1000.0, Goal::Told)
            .beside("terraform in it", median(&tools) / 1000.0),
    ];
    let raw: Vec<_> = plans.iter().map(Timed::raw).collect();
    Ok(Report { rows, raw: json!({"plans": raw, "stamping_ms": stamping}) })
}

/// What the starts of what stamps took of a plan, by the floor of a bare spawn.
fn stamping_ms(bench: &Bench, plan: &Timed) -> anyhow::Result<f64> {
    plan.calls.iter().map(|_| floors::spawn_to_stamp(&bench.programs)).sum()
}
