//! `demo`: the main job of all this on an empty machine, with the real terraform.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use anstream::println;
use anyhow::{Context, bail};
use clap::Args;
use control_plane::ControlPlane;
use executor_api::ExecutorRegistry;
use owo_colors::OwoColorize;
use runner_host::command::init_tracing;
use runner_host::{Config, RunError, ShutdownSignals, ShutdownTrigger, Variables, find_tools};
use serde_json::{Value, json};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use wire::{Job, JobId, JobStatus, RegisterAnswer, RegisterRequest, SubmitRequest};

use super::server;
use crate::api::{Api, ApiError};
use crate::config::{DEFAULT_LISTEN, token_in};
use crate::ending::{Ending, Misconfigured};
use crate::follow::follow;
use crate::leave_requests::LeaveRequests;
use crate::log_printer::LogPrinter;
use crate::{output, payload};

/// The stack, so that the binary alone is enough.
const STACK: [(&str, &str); 2] = [
    ("main.tf", include_str!("../../../examples/stacks/hello/main.tf")),
    ("outputs.tf", include_str!("../../../examples/stacks/hello/outputs.tf")),
];

/// What its jobs are.
const KIND: &str = "terraform";

/// What people call the demo's runner.
const RUNNER: &str = "demo";

#[derive(Args)]
pub(crate) struct DemoArgs {
    /// Serve on when all is done, until Ctrl-C
    #[arg(long)]
    keep: bool,
    /// Keep everything in this folder, and find it there the next time [default: a new folder]
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// Destroy the stack in the end; without --dir, nothing is left
    #[arg(long)]
    destroy: bool,
}

pub(crate) async fn run(args: DemoArgs) -> anyhow::Result<ExitCode> {
    init_tracing(Variables::of_process().get("ALETHIA_LOG").unwrap_or("warn"));
    let folder = match &args.dir {
        Some(dir) => Folder::Kept(std::path::absolute(dir)?),
        None => {
            Folder::New(tempfile::Builder::new().prefix("alethia-demo-").tempdir().context("cannot make a folder")?)
        }
    };
    // One pair of ears for the whole of it: a Ctrl-C that comes between two steps is not lost.
    let mut requests = LeaveRequests::listen()?;
    let (demo, mut runner) = Demo::start(folder.path(), args.keep).await?;
    let ending = tokio::select! {
        // What is told to its end is done, even if a Ctrl-C came with its last line.
        biased;
        told = demo.tell(&args) => told.map(|()| Ending::Done)?,
        ended = &mut runner => bail!(early_end(ended)),
        () = requests.next() => {
            output::note("\nleaving; a job that runs is finished first (once more stops it)");
            Ending::Interrupted
        }
    };
    if args.keep && ending == Ending::Done {
        tokio::select! {
            ended = &mut runner => bail!(early_end(ended)),
            () = requests.next() => {}
        }
    }
    demo.leave(runner, &mut requests).await;
    if !args.destroy || ending != Ending::Done {
        folder.keep();
    }
    Ok(ending.into())
}

enum Folder {
    Kept(PathBuf),
    New(tempfile::TempDir),
}

impl Folder {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::New(folder) => folder.path(),
        }
    }

    /// What was deployed has its state in there.
    fn keep(self) {
        if let Self::New(folder) = self {
            let _ = folder.keep();
        }
    }
}

fn early_end(ended: Result<Result<(), RunError>, JoinError>) -> anyhow::Error {
    match ended {
        Ok(Err(error)) => Misconfigured(format!("{:#}", anyhow::Error::from(error))).into(),
        Ok(Ok(())) => anyhow::anyhow!("the runner has left"),
        Err(error) => error.into(),
    }
}

type RunnerTask = JoinHandle<Result<(), RunError>>;

/// A control plane and a runner in this process.
struct Demo {
    api: Api,
    folder: PathBuf,
    begun: Instant,
    leave: ShutdownTrigger,
    plane: JoinHandle<anyhow::Result<()>>,
    close: CancellationToken,
}

impl Demo {
    async fn start(folder: &Path, keep: bool) -> anyhow::Result<(Self, RunnerTask)> {
        let begun = Instant::now();
        let registry = kinds(keep).await?;
        let plane = listen(&folder.join("plane"), keep).await?;
        let origin = format!("http://{}", plane.address());
        let token = token_in(plane.admin_token_file())?;
        let close = CancellationToken::new();
        let plane = tokio::spawn(plane.run(close.clone()));
        let api = Api::new(origin.clone(), token)?;

        let RegisterAnswer { runner, runner_token, .. } = register(&api).await?;
        let config = Config::new(origin, runner.id, runner_token.into(), folder.join("runner"));
        let (leave, signals) = ShutdownSignals::channel();
        let runner = tokio::spawn(runner_host::run(config, registry, signals));
        step(&format!("a control plane at {} and a runner", api.origin()));
        Ok((Self { api, folder: folder.to_owned(), begun, leave, plane, close }, runner))
    }

    /// Plan, apply that plan, show, and if so wanted destroy.
    async fn tell(&self, args: &DemoArgs) -> anyhow::Result<()> {
        let stack = self.folder.join("stack");
        write_stack(&stack)?;
        let packed = payload::pack(&stack)?;
        let source = json!({ "archive": packed.id });
        self.api.upload_source(packed.archive).await?;
        let whole = |action: &str| json!({ "action": action, "source": source, "backend": { "type": "plane", "name": "hello" } });

        step("plan the stack examples/stacks/hello");
        let plan = self.job(whole("plan"), None).await?;
        output::plan_summary(&metadata(&plan));
        step("apply exactly this plan");
        let apply = self.job(json!({ "action": "apply" }), Some(plan.id.clone())).await?;
        output::outputs(&metadata(&apply));
        if args.destroy {
            step("destroy the stack");
            self.job(whole("destroy"), None).await?;
        }
        step(&format!("done after {:.1} s", self.begun.elapsed().as_secs_f64()));
        if !args.destroy || args.keep || args.dir.is_some() {
            self.say_where(&apply.id, args.keep);
        }
        Ok(())
    }

    async fn job(&self, payload: Value, plan: Option<JobId>) -> anyhow::Result<Job> {
        let request = SubmitRequest {
            job_type: KIND.to_owned(),
            config_snapshot: payload,
            plan_job_id: plan,
            ..SubmitRequest::default()
        };
        let job = self.api.submit(&request).await?;
        let job = follow(&self.api, &job.id, &mut LogPrinter::new(false)).await?;
        if job.status != JobStatus::Success {
            bail!("job {} ended as {}: {}", job.id, job.status, job.error_message.unwrap_or_default());
        }
        Ok(job)
    }

    fn say_where(&self, apply: &JobId, keep: bool) {
        let folder = self.folder.display();
        println!("\n{}", "Where everything is:".bold());
        println!("  the stack           {folder}/stack");
        println!("  state, logs, jobs   {folder}/plane");
        println!("  the runner's folder {folder}/runner");
        if keep {
            println!("\nServing {} until Ctrl-C. From another terminal:", self.api.origin());
            println!("  export ALETHIA_WEB_ORIGIN={} ALETHIA_TOKEN_FILE={folder}/plane/admin-token", self.api.origin());
            println!("  alethia job list");
            println!("  alethia job logs {apply}");
        } else {
            println!("\nLook at it later: alethia demo --keep --dir {folder}");
        }
    }

    /// Finishes what runs; each Ctrl-C from here on asks more firmly.
    async fn leave(self, mut runner: RunnerTask, requests: &mut LeaveRequests) {
        self.leave.leave();
        loop {
            tokio::select! {
                _ = &mut runner => break,
                () = requests.next() => self.leave.leave(),
            }
        }
        self.close.cancel();
        let _ = self.plane.await;
    }
}

/// What the demo itself runs, which must be possible here; all there is if people are to come by.
async fn kinds(keep: bool) -> anyhow::Result<ExecutorRegistry> {
    let linked = ExecutorRegistry::from_linked()?;
    let registry = ExecutorRegistry::new([linked.get(KIND)?])?;
    let tools = find_tools(&registry, &Config::job_settings(&Variables::of_process())).await;
    if tools.iter().all(|tool| tool.problem.is_some()) {
        let problems: Vec<_> = tools.into_iter().filter_map(|tool| tool.problem).collect();
        let remedy = "run `alethia tools install terraform`, and the demo again";
        return Err(Misconfigured(format!("{}; {remedy}", problems.join("; "))).into());
    }
    Ok(if keep { linked } else { registry })
}

/// The usual address if people are to come by, any other if it is taken.
async fn listen(data: &Path, keep: bool) -> anyhow::Result<ControlPlane> {
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    if keep && let Ok(plane) = server::open(server::config(DEFAULT_LISTEN.parse()?, data.to_owned())?).await {
        return Ok(plane);
    }
    server::open(server::config(any, data.to_owned())?).await
}

/// A folder that was used before has a runner already.
async fn register(api: &Api) -> Result<RegisterAnswer, ApiError> {
    match api.runners().await?.into_iter().find(|runner| runner.name == RUNNER) {
        // One that was killed with a job goes on with it under the new token.
        Some(known) => api.rotate_token(known.id.as_str(), true).await,
        None => api.register(&RegisterRequest { name: RUNNER.to_owned(), ..RegisterRequest::default() }).await,
    }
}

/// What is there already stays: somebody may have changed it.
fn write_stack(dir: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    for (name, text) in STACK {
        let file = dir.join(name);
        if !file.exists() {
            std::fs::write(&file, text).with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(())
}

fn metadata(job: &Job) -> Value {
    job.execution_metadata.clone().unwrap_or_default()
}

fn step(text: &str) {
    println!("\n{} {}", "==>".green().bold(), text.bold());
}
