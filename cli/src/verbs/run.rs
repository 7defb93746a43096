//! `run`: a job without a control plane. The same executors, here and now.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use executor_api::{ExecutorError, ExecutorRegistry, Input, Job, JobId, Outcome, Stop, StopReason, StopTrigger};
use runner_host::local::{LocalRun, RECORD};
use runner_host::{Config, Variables};
use serde_json::{Map, Value, json};
use tokio::signal::unix::{SignalKind, signal};

use crate::ending::{Ending, Misused};
use crate::identity_args::IdentityArgs;
use crate::log_printer::LogPrinter;
use crate::output;
use crate::payload::{JobArgs, Packed, missing_in_typed_words, note_of_state, state_beside, take_plan};

#[derive(Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    who: IdentityArgs,
    /// Keep what the job makes, for example a plan, in this folder
    #[arg(long, value_name = "DIR")]
    artifacts: Option<PathBuf>,
    /// Apply the plan that an earlier run has kept in this folder
    #[arg(long, value_name = "DIR", conflicts_with = "dir")]
    plan: Option<PathBuf>,
    /// Print one JSON document at the end, and no log
    #[arg(long)]
    json: bool,
}

pub(crate) async fn run(args: RunArgs) -> anyhow::Result<ExitCode> {
    let registry = ExecutorRegistry::from_linked()?;
    let identity = args.who.identity()?;
    let packed = args.job.packed()?;
    let mut payload = args.job.payload(packed.as_ref(), state_beside)?;
    if args.plan.is_some() {
        take_plan(&args.job.kind, &mut payload);
    }
    if let (Some(note), false) = (note_of_state(&payload), args.json) {
        output::note(&note);
    }
    let folder = tempfile::tempdir().context("cannot make a folder for the run")?;
    let artifacts = args.artifacts.unwrap_or_else(|| folder.path().join("artifacts"));
    let variables = Variables::of_process();
    let mut settings = Config::job_settings(&variables);
    settings.local_states = variables.data_dir().map(|dir| dir.join("environments"));
    let payload = Value::Object(payload);
    let mut run = LocalRun::new(&args.job.kind, &payload, settings, folder.path(), &artifacts)
        .with_context(|| format!("cannot make the run's folders in {}", artifacts.display()))?;
    run.job_mut().timeout_s = args.job.timeout_s();
    if let Some(identity) = identity {
        run.run_as(identity);
    }
    if let Some(plan) = &args.plan {
        run.job_mut().plan_job_id = Some(plan_in(plan)?);
    }
    bring_inputs(&run, &registry, packed.as_ref(), args.plan.as_deref())?;
    stop_on_signals(run.stop_trigger())?;
    let ended = run.run(&registry, Box::new(LogPrinter::new(args.json))).await;
    report(ended, args.json)
}

/// Which job made the plan that an earlier run has kept.
fn plan_in(folder: &Path) -> anyhow::Result<JobId> {
    let file = folder.join(RECORD);
    let text = std::fs::read(&file).map_err(|error| {
        let give = "give the folder of a run with --artifacts that ended with SUCCESS";
        Misused(format!("--plan: cannot read {}: {error}; {give}", file.display()))
    })?;
    let record: Job = serde_json::from_slice(&text)
        .map_err(|error| Misused(format!("--plan: {} is no record of a job: {error}", file.display())))?;
    Ok(record.id)
}

fn bring_inputs(
    run: &LocalRun,
    registry: &ExecutorRegistry,
    packed: Option<&Packed>,
    plan: Option<&Path>,
) -> anyhow::Result<()> {
    for input in run.inputs(registry).map_err(|error| Misused(missing_in_typed_words(error.to_string())))? {
        let of_plan = match (&input, plan) {
            (Input::JobRecord(_), Some(plan)) => Some(plan.join(RECORD)),
            (Input::Artifact { name, .. }, Some(plan)) => Some(plan.join(name)),
            _ => None,
        };
        if let Some(file) = of_plan {
            bring(run, &input, &file)?;
            continue;
        }
        match (&input, packed) {
            (Input::Source(id), Some(packed)) if *id == packed.id => {
                std::fs::write(run.input_file(&input), &packed.archive).context("cannot keep the packed folder")?;
            }
            // There is none here; what needs one says so.
            (Input::GitToken { .. }, _) => {}
            _ => {
                let error = format!("the job needs {}, which only a control plane has", input.file_name());
                return Err(Misused(error).into());
            }
        }
    }
    Ok(())
}

fn bring(run: &LocalRun, input: &Input, file: &Path) -> anyhow::Result<()> {
    let missing = |error| Misused(format!("--plan: cannot read {}: {error}", file.display()));
    std::fs::copy(file, run.input_file(input)).map(drop).map_err(|error| missing(error).into())
}

/// The first signal stops the job kindly; a second one, from the keyboard, without grace. Its tools do not hear the
/// keyboard themselves, and a terminal that is closed must not leave them with nobody to write to.
fn stop_on_signals(stop: StopTrigger) -> anyhow::Result<()> {
    let listen = |kind| signal(kind).context("cannot listen for signals");
    let (mut interrupt, mut terminate, mut hangup) =
        (listen(SignalKind::interrupt())?, listen(SignalKind::terminate())?, listen(SignalKind::hangup())?);
    tokio::spawn(async move {
        let mut presses = 0;
        loop {
            tokio::select! {
                Some(()) = interrupt.recv() => presses += 1,
                Some(()) = terminate.recv() => {}
                Some(()) = hangup.recv() => {}
                else => return,
            }
            let force = presses > 1;
            output::note(if force { "ending it at once" } else { "stopping it; once more ends it without grace" });
            stop.stop(Stop { reason: StopReason::CancelledByUser, force });
        }
    });
    Ok(())
}

fn report(ended: Result<Outcome, ExecutorError>, as_json: bool) -> anyhow::Result<ExitCode> {
    let (ending, error, metadata) = match ended {
        Ok(outcome) => (Ending::Done, None, outcome.metadata),
        Err(ExecutorError::Stopped(StopReason::CancelledByUser)) => {
            (Ending::Cancelled, Some("it was stopped".to_owned()), Map::new())
        }
        Err(error) => {
            let error = missing_in_typed_words(format!("{:#}", anyhow::Error::from(error)));
            (Ending::Failed, Some(error), Map::new())
        }
    };
    let metadata = Value::Object(metadata);
    if as_json {
        output::json(&json!({ "status": ending.status(), "error_message": error, "execution_metadata": metadata }))?;
        return Ok(ending.into());
    }
    if metadata["plan_completed"] == true {
        output::plan_summary(&metadata);
    }
    output::outputs(&metadata);
    anstream::println!("\n{}{}", output::status(ending.status()), error.map(|e| format!(": {e}")).unwrap_or_default());
    Ok(ending.into())
}
