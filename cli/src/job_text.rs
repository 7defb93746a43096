//! A job, as people read it.

use std::time::Duration;

use anstream::println;
use serde_json::Value;
use wire::{Job, JobStatus, Timestamp};

use crate::output;
use crate::terminal_text;

/// Of a list of jobs.
pub(crate) const COLUMNS: [&str; 6] = ["ID", "TYPE", "STATUS", "SUBMITTED", "TOOK", "WHY"];

/// A job in a list.
pub(crate) fn row(job: &Job) -> Vec<String> {
    vec![
        job.id.to_string(),
        job.job_type.clone(),
        job.status.to_string(),
        job.created_at.map(ago).unwrap_or_default(),
        took(job),
        job.reason.clone().unwrap_or_default(),
    ]
}

/// All there is to say of a job.
pub(crate) fn whole(job: &Job) {
    println!("{}  {}  {}{}", job.id, job.job_type, output::status(job.status), because(job));
    match job.status.is_terminal() {
        true => println!("attempt    {}", job.attempt),
        false => println!("attempt    {}, {}", job.attempt, job.phase.as_str()),
    }
    if let Some(runner) = &job.runner_id {
        println!("runner     {runner}");
    }
    if let Some(plan) = &job.plan_job_id {
        println!("plan       {plan}");
    }
    if let Some(identity) = &job.cloud_identity_id {
        println!("identity   {identity}");
    }
    for (name, at) in [
        ("submitted", job.created_at),
        ("claimed", job.claimed_at),
        ("started", job.started_at),
        ("ended", job.completed_at),
    ] {
        if let Some(at) = at {
            println!("{name:<10} {at}");
        }
    }
    let complete = match job.log_complete {
        Some(true) => ", complete",
        Some(false) => ", not complete",
        None => "",
    };
    println!("log        {} bytes{complete}", job.log_length);
    let metadata = job.execution_metadata.clone().unwrap_or_default();
    for (name, why) in missing(&metadata) {
        println!("missing    {name}: {why}");
    }
    output::plan_summary(&metadata);
    output::outputs(&metadata);
}

/// How a job ended, and what to do next.
pub(crate) fn ended(job: &Job) {
    let metadata = job.execution_metadata.clone().unwrap_or_default();
    let is_plan = metadata["plan_completed"] == true;
    if is_plan {
        output::plan_summary(&metadata);
    }
    output::outputs(&metadata);
    println!("\njob {} {}{}", job.id, output::status(job.status), because(job));
    if job.log_complete == Some(false) {
        output::note("its log is not complete");
    }
    let mut all_is_there = true;
    for (name, why) in missing(&metadata) {
        all_is_there = false;
        output::note(&format!("the control plane does not have {name}: {why}"));
    }
    if is_plan && all_is_there && job.status == JobStatus::Success && metadata["has_changes"] == true {
        output::note(&format!("apply exactly this plan: alethia job submit {}", what_applies(job)));
    }
}

/// What the job's runner could not deliver, and why: artifacts that the control plane does not take, and what was damaged before.
fn missing(metadata: &Value) -> impl Iterator<Item = (&str, &str)> {
    let all = metadata.as_object().into_iter().flatten();
    all.filter_map(|(key, why)| {
        let name = key.strip_prefix("artifact_refused:").or_else(|| key.strip_prefix("outbox_damaged:"))?;
        Some((name, why.as_str()?))
    })
}

/// An environment's plan is applied by another kind, which wants the plan's payload, too.
fn what_applies(job: &Job) -> String {
    match job.job_type.as_str() {
        "PLAN" => format!("DEPLOY --payload FILE --plan {} --follow", job.id),
        kind => format!("{kind} --plan {} --follow", job.id),
    }
}

fn because(job: &Job) -> String {
    job.error_message.as_ref().map(|error| format!(": {}", terminal_text::shown(error))).unwrap_or_default()
}

fn ago(at: Timestamp) -> String {
    let seconds = (Timestamp::now().as_micros() - at.as_micros()) / 1_000_000;
    let passed = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
    format!("{} ago", rounded(passed))
}

fn took(job: &Job) -> String {
    let (Some(start), Some(end)) = (job.started_at, job.completed_at) else { return String::new() };
    let millis = (end.as_micros() - start.as_micros()) / 1000;
    let took = Duration::from_millis(u64::try_from(millis).unwrap_or_default());
    if took < Duration::from_secs(1) { format!("{} ms", took.as_millis()) } else { rounded(took) }
}

/// The two largest units are enough.
fn rounded(duration: Duration) -> String {
    let text = humantime::format_duration(Duration::from_secs(duration.as_secs())).to_string();
    text.split(' ').take(2).collect::<Vec<_>>().join(" ")
}
