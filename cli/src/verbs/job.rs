//! `job`: what a user does with jobs.

use std::io::Write;
use std::process::ExitCode;

use anstream::println;
use anyhow::Context;
use clap::{Args, Subcommand};
use control_plane::state::StateName;
use futures_util::StreamExt;
use serde_json::{Map, Value};
use wire::{Job, JobId, JobStatus, SubmitRequest};

use crate::api::{Api, Explanation, JobQuery};
use crate::config::UserArgs;
use crate::ending::{Ending, Misused};
use crate::follow::{follow, until_interrupted};
use crate::log_printer::LogPrinter;
use crate::payload::{JobArgs, in_typed_words, name_and_value, note_of_state, state_in_plane, state_named, take_plan};
use crate::verbs::artifacts::{self, ArtifactsArgs};
use crate::verbs::identity;
use crate::{job_text, output};

#[derive(Subcommand)]
pub(crate) enum JobVerb {
    /// Submit a job
    Submit(Box<SubmitArgs>),
    /// List jobs, newest first
    List(ListArgs),
    /// Show one job
    Show(OneJob),
    /// Print a job's log
    Logs(LogsArgs),
    /// List what a job delivered besides its log, or get one of it
    Artifacts(ArtifactsArgs),
    /// Ask for a job's end
    Cancel(CancelArgs),
    /// Submit the same job again
    Retry(RetryArgs),
    /// Say why a job stands where it stands
    Explain(OneJob),
}

#[derive(Args)]
pub(crate) struct SubmitArgs {
    #[command(flatten)]
    job: JobArgs,
    /// Apply exactly the plan of this job; for infracost, say what it costs
    #[arg(long, value_name = "JOB", conflicts_with_all = ["dir", "destroy", "variables"])]
    plan: Option<JobId>,
    /// The name of a terraform job's state at the control plane [default: the name of its folder]
    #[arg(long, value_name = "NAME", conflicts_with = "plan")]
    state: Option<StateName>,
    /// Who it is at a cloud provider: the id or the label of an identity
    #[arg(long, value_name = "ID")]
    identity: Option<String>,
    /// A runner must carry this label to take the job; may be repeated
    #[arg(long = "label", value_name = "K=V", value_parser = name_and_value)]
    labels: Vec<(String, String)>,
    /// What it works on: of all jobs with the same key, one runs at a time [default: as its kind says]
    #[arg(long = "key", value_name = "KEY")]
    concurrency_key: Option<String>,
    /// Print its log until it has ended, and exit as it did
    #[arg(long, short)]
    follow: bool,
    #[command(flatten)]
    user: UserArgs,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Only those with this status, for example FAILED
    #[arg(long)]
    status: Option<JobStatus>,
    /// Only those of this kind
    #[arg(long = "type", value_name = "TYPE")]
    kind: Option<String>,
    /// At most so many
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=100))]
    limit: u32,
    /// Leave out so many of the newest
    #[arg(long, value_name = "N", default_value_t = 0)]
    offset: u64,
    #[command(flatten)]
    user: UserArgs,
}

#[derive(Args)]
pub(crate) struct OneJob {
    #[arg(value_name = "ID")]
    id: JobId,
    #[command(flatten)]
    user: UserArgs,
}

#[derive(Args)]
pub(crate) struct LogsArgs {
    #[command(flatten)]
    one: OneJob,
    /// Go on until the job has ended, and exit as it did
    #[arg(long, short)]
    follow: bool,
    /// The bytes as the tool wrote them, and nothing else
    #[arg(long, conflicts_with = "follow")]
    raw: bool,
}

#[derive(Args)]
pub(crate) struct CancelArgs {
    #[command(flatten)]
    one: OneJob,
    /// Without grace: what the tool was doing may be half done, and terraform may lose state
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
pub(crate) struct RetryArgs {
    #[command(flatten)]
    one: OneJob,
    /// Print the new job's log until it has ended, and exit as it did
    #[arg(long, short)]
    follow: bool,
}

pub(crate) async fn run(verb: JobVerb) -> anyhow::Result<ExitCode> {
    match verb {
        JobVerb::Submit(args) => return submit(*args).await,
        JobVerb::Logs(args) => return logs(args).await,
        JobVerb::Retry(args) => {
            let api = args.one.user.api()?;
            let job = api.retry(&args.one.id).await?;
            return submitted(&api, job, args.follow, args.one.user.json).await;
        }
        JobVerb::Artifacts(args) => artifacts::run(args).await?,
        JobVerb::List(args) => list(args).await?,
        JobVerb::Show(args) => {
            let job = args.user.api()?.job(&args.id).await?;
            if args.user.json { output::json(&job)? } else { job_text::whole(&job) }
        }
        JobVerb::Cancel(args) => {
            let job = args.one.user.api()?.cancel(&args.one.id, args.force).await?;
            let state = cancelled(&job, args.force);
            if args.one.user.json { output::json(&job)? } else { println!("{} {state}", job.id) }
        }
        JobVerb::Explain(args) => explain(&args).await?,
    }
    Ok(Ending::Done.into())
}

fn cancelled(job: &Job, force: bool) -> String {
    match force {
        _ if job.status.is_terminal() => format!("is {}", output::status(job.status)),
        true => "is ended at once, without grace; what its tool was doing may be half done".to_owned(),
        false => "is asked to stop; its tool gets one interrupt and its grace".to_owned(),
    }
}

async fn submit(args: SubmitArgs) -> anyhow::Result<ExitCode> {
    let api = args.user.api()?;
    let packed = args.job.packed()?;
    let mut payload = args.job.payload(packed.as_ref(), state_in_plane)?;
    if let Some(name) = &args.state {
        if args.job.kind != "terraform" {
            return Err(Misused(format!("--state: the kind {:?} takes none", args.job.kind)).into());
        }
        payload.insert("backend".to_owned(), state_named(name.as_str()));
    }
    if args.plan.is_some() {
        take_plan(&args.job.kind, &mut payload);
    }
    let cloud_identity_id = match &args.identity {
        Some(named) => Some(identity::find(&api, named).await?.id),
        None => None,
    };
    if let Some(packed) = packed {
        let size_bytes = packed.archive.len();
        api.upload_source(packed.archive).await.with_context(|| args.job.refused_folder(size_bytes))?;
    }
    let state = note_of_state(&payload);
    let request = SubmitRequest {
        timeout_s: args.job.timeout_s(),
        job_type: args.job.kind,
        config_snapshot: Value::Object(payload),
        plan_job_id: args.plan,
        cloud_identity_id,
        concurrency_key: args.concurrency_key,
        labels: args.labels.into_iter().map(|(name, value)| (name, Value::String(value))).collect::<Map<_, _>>(),
        ..SubmitRequest::default()
    };
    let job = api.submit(&request).await.map_err(in_typed_words)?;
    if let (Some(note), false) = (state, args.user.json) {
        output::note(&note);
    }
    submitted(&api, job, args.follow, args.user.json).await
}

/// A job that was just submitted: its id, or all that becomes of it.
pub(crate) async fn submitted(api: &Api, job: Job, follow: bool, as_json: bool) -> anyhow::Result<ExitCode> {
    if !follow {
        if as_json {
            output::json(&job)?;
        } else {
            println!("{}", job.id);
            output::note(&format!("follow it: alethia job logs -f {}", job.id));
        }
        return Ok(Ending::Done.into());
    }
    if !as_json {
        output::note(&format!("job {}", job.id));
    }
    let ended = watch(api, &job.id, as_json).await?;
    Ok(ended.into())
}

/// Prints a job's log and how it ended. Ctrl-C leaves the job alone.
async fn watch(api: &Api, id: &JobId, as_json: bool) -> anyhow::Result<Ending> {
    let mut printer = LogPrinter::new(as_json);
    let Some(job) = until_interrupted(follow(api, id, &mut printer)).await? else {
        let follow = format!("follow it: alethia job logs -f {id}");
        output::note(&format!("\nthe job goes on; {follow}   end it: alethia job cancel {id}"));
        return Ok(Ending::Interrupted);
    };
    if as_json {
        output::json(&job)?;
    } else {
        job_text::ended(&job);
    }
    Ok(Ending::of_job(job.status))
}

async fn list(args: ListArgs) -> anyhow::Result<()> {
    let query = JobQuery {
        status: args.status.map(|status| status.to_string()),
        kind: args.kind,
        limit: args.limit,
        offset: args.offset,
    };
    let list = args.user.api()?.jobs(&query).await?;
    if args.user.json {
        return output::json(&list);
    }
    if list.jobs.is_empty() {
        output::note("no such jobs");
        return Ok(());
    }
    output::table(&job_text::COLUMNS, list.jobs.iter().map(job_text::row));
    let next = list.offset + list.jobs.len() as u64;
    if list.total > next {
        output::note(&format!("{} of {}; older ones with --offset {next}", list.jobs.len(), list.total));
    }
    Ok(())
}

async fn logs(args: LogsArgs) -> anyhow::Result<ExitCode> {
    let OneJob { id, user } = args.one;
    let api = user.api()?;
    if args.follow {
        return Ok(watch(&api, &id, user.json).await?.into());
    }
    if args.raw {
        let mut bytes = api.raw_log(&id).await?.bytes_stream();
        let mut out = std::io::stdout().lock();
        while let Some(bytes) = bytes.next().await {
            out.write_all(&bytes.context("the log broke off")?).context("cannot print the log")?;
        }
        out.flush()?;
        return Ok(Ending::Done.into());
    }
    if user.json {
        return Err(Misused("give --raw, or --follow with --json".to_owned()).into());
    }
    let mut printer = LogPrinter::new(false);
    let mut after = 0;
    loop {
        let page = api.log_page(&id, after).await?;
        let Some(last) = page.logs.last() else { return Ok(Ending::Done.into()) };
        after = last.id;
        page.logs.iter().for_each(|entry| printer.entry(entry));
    }
}

async fn explain(args: &OneJob) -> anyhow::Result<()> {
    let document = args.user.api()?.explain(&args.id).await?;
    if args.user.json {
        return output::json(&document);
    }
    let explanation: Explanation = serde_json::from_value(document).context("the explanation makes no sense")?;
    println!("{explanation}");
    Ok(())
}
