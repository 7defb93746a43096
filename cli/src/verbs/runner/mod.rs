//! `runner`: the runner itself, and the list of runners that the control plane keeps.

mod stack;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anstream::println;
use clap::{Args, Subcommand};
use runner_host::command::RunnerCommand;
use serde_json::{Map, Value, json};
use wire::{RegisterAnswer, RegisterRequest, RunnerInfo, RunnerMode};

use crate::api::{Api, ApiError};
use crate::config::UserArgs;
use crate::ending::Ending;
use crate::new_file::NewFile;
use crate::output;
use crate::payload::name_and_value;
use crate::verbs::identity;

#[derive(Subcommand)]
pub(crate) enum RunnerVerb {
    #[command(flatten)]
    Here(RunnerCommand),
    /// Make a runner known to the control plane, and get what it needs to start
    Register(RegisterArgs),
    /// Make a runner known, and let a job start it at a cloud
    Deploy(Box<stack::DeployArgs>),
    /// Let a job give a runner that it started there another image
    Update(stack::UpdateArgs),
    /// Let a job take away what it started there; the runner is forgotten then
    Destroy(stack::DestroyArgs),
    /// List the runners
    List(UserArgs),
    /// Show one runner
    Show(OneRunner),
    /// Ask a runner to finish what it has and leave
    Drain(OneRunner),
    /// Forget a runner; its token is worth nothing from then on
    Remove(RemoveArgs),
    /// Give a runner a new token; the old one is worth nothing from then on
    RotateToken(RotateArgs),
}

#[derive(Args)]
pub(crate) struct RegisterArgs {
    /// What people will call it; unique
    #[arg(long)]
    name: String,
    /// Whom it works for: self-hosted or cloud-hosted
    #[arg(long, default_value = "self-hosted")]
    mode: RunnerMode,
    /// What it offers to jobs that ask for it; may be repeated
    #[arg(long = "label", value_name = "K=V", value_parser = name_and_value)]
    labels: Vec<(String, String)>,
    /// It takes only jobs of this cloud identity, and those that are assigned to it
    #[arg(long, value_name = "ID")]
    identity: Option<String>,
    #[command(flatten)]
    target: Target,
    #[command(flatten)]
    user: UserArgs,
}

/// Where the new token goes.
#[derive(Args)]
struct Target {
    /// Write the runner's variables to this new file, readable by its owner only, instead of printing them
    #[arg(long, value_name = "FILE")]
    env_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct OneRunner {
    /// The runner's id or name
    #[arg(value_name = "ID")]
    runner: String,
    #[command(flatten)]
    user: UserArgs,
}

#[derive(Args)]
pub(crate) struct RemoveArgs {
    #[command(flatten)]
    one: OneRunner,
    /// Also if a job has deployed it: what that made goes on running, and nobody knows of it any more
    #[arg(long)]
    force: bool,
}

#[derive(Args)]
pub(crate) struct RotateArgs {
    #[command(flatten)]
    one: OneRunner,
    /// Also while it holds a job: nothing of that job reaches the plane until the runner has the new token
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    target: Target,
}

pub(crate) fn run(verb: RunnerVerb) -> anyhow::Result<ExitCode> {
    match verb {
        RunnerVerb::Here(command) => Ok(command.run()),
        other => super::client_runtime()?.block_on(ask(other)),
    }
}

async fn ask(verb: RunnerVerb) -> anyhow::Result<ExitCode> {
    match verb {
        RunnerVerb::Here(_) => unreachable!("has a runtime of its own"),
        RunnerVerb::Register(args) => register(args).await?,
        RunnerVerb::Deploy(args) => return stack::deploy(*args).await,
        RunnerVerb::Update(args) => return stack::update(args).await,
        RunnerVerb::Destroy(args) => return stack::destroy(args).await,
        RunnerVerb::List(user) => list(&user).await?,
        RunnerVerb::Show(args) => show(&args).await?,
        RunnerVerb::Drain(args) => {
            let (api, runner) = args.find().await?;
            done(&args.user, &api.drain_runner(runner.id.as_str()).await?, &format!("{} drains", runner.name))?;
        }
        RunnerVerb::Remove(RemoveArgs { one, force }) => {
            let (api, runner) = one.find().await?;
            let answer = api.remove_runner(runner.id.as_str(), force).await?;
            done(&one.user, &answer, &format!("{} is forgotten", runner.name))?;
        }
        RunnerVerb::RotateToken(args) => {
            let (api, runner) = args.one.find().await?;
            let file = args.target.open()?;
            let answer = api.rotate_token(runner.id.as_str(), args.force).await?;
            hand_over(&api, &answer, file, args.one.user.json)?;
        }
    }
    Ok(Ending::Done.into())
}

async fn register(args: RegisterArgs) -> anyhow::Result<()> {
    let api = args.user.api()?;
    // Before the runner exists: a token that cannot be kept would be lost.
    let file = args.target.open()?;
    let labels = args.labels.into_iter().map(|(name, value)| (name, Value::String(value))).collect();
    let cloud_identity_id = match &args.identity {
        Some(named) => Some(identity::find(&api, named).await?.id),
        None => None,
    };
    let request = RegisterRequest { name: args.name, mode: args.mode, labels, cloud_identity_id };
    let answer = api.register(&request).await?;
    hand_over(&api, &answer, file, args.user.json)
}

impl Target {
    fn open(&self) -> anyhow::Result<Option<NewFile>> {
        self.env_file.as_deref().map(NewFile::make).transpose()
    }
}

/// Gives the token to its owner: this once.
fn hand_over(api: &Api, answer: &RegisterAnswer, file: Option<NewFile>, as_json: bool) -> anyhow::Result<()> {
    let runner = &answer.runner;
    let variables = [
        ("ALETHIA_WEB_ORIGIN", api.origin()),
        ("ALETHIA_WORKER_ID", runner.id.as_str()),
        ("ALETHIA_WORKER_TOKEN", &answer.runner_token),
        ("ALETHIA_WORKER_MODE", runner.mode.as_str()),
    ];
    let lines: String = variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect();
    if let Some(mut file) = file {
        file.write(&lines)?;
        let path = file.path();
        if as_json {
            return output::json(&json!({ "runner": runner, "env_file": path }));
        }
        println!("{} is runner {}; its variables are in {}", runner.name, runner.id, path.display());
        output::note(&format!("start it: set -a; . {}; set +a; alethia runner start", shell_path(path)));
        return Ok(());
    }
    if as_json {
        let variables: Map<String, Value> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        return output::json(&json!({ "runner": runner, "variables": variables }));
    }
    print!("{lines}");
    output::note("the token is shown this once: put these lines into a file that only the runner's user can read");
    Ok(())
}

/// `.` looks a bare name up on the PATH.
fn shell_path(path: &Path) -> String {
    let text = path.display().to_string();
    if text.contains('/') { text } else { format!("./{text}") }
}

fn done(user: &UserArgs, answer: &Value, text: &str) -> anyhow::Result<()> {
    if user.json {
        return output::json(answer);
    }
    println!("{text}");
    Ok(())
}

impl OneRunner {
    /// The runner with this id or name.
    async fn find(&self) -> anyhow::Result<(Api, RunnerInfo)> {
        let api = self.user.api()?;
        let found = find(&api, &self.runner).await?;
        Ok((api, found))
    }
}

async fn find(api: &Api, named: &str) -> anyhow::Result<RunnerInfo> {
    let known = api.runners().await?;
    let found = known.into_iter().find(|runner| runner.id.as_str() == named || runner.name == named);
    Ok(found.ok_or_else(|| ApiError::not_found(format!("no runner {named:?}; see `alethia runner list`")))?)
}

async fn list(user: &UserArgs) -> anyhow::Result<()> {
    let runners = user.api()?.runners().await?;
    if user.json {
        return output::json(&json!({ "runners": runners }));
    }
    if runners.is_empty() {
        output::note("no runner yet: `alethia runner register --name NAME`");
        return Ok(());
    }
    output::table(
        &["ID", "NAME", "STATUS", "JOBS", "VERSION", "LABELS"],
        runners.iter().map(|runner| {
            vec![
                runner.id.to_string(),
                runner.name.clone(),
                runner.status.as_str().to_owned(),
                runner.jobs.len().to_string(),
                runner.version.clone().unwrap_or_default(),
                output::labels(&runner.labels),
            ]
        }),
    );
    Ok(())
}

async fn show(args: &OneRunner) -> anyhow::Result<()> {
    let (_, runner) = args.find().await?;
    if args.user.json {
        return output::json(&runner);
    }
    println!("{}  {}  {}", runner.id, runner.name, runner.status.as_str());
    println!("mode        {}", runner.mode.as_str());
    println!("version     {}", runner.version.as_deref().unwrap_or("-"));
    println!("labels      {}", output::labels(&runner.labels));
    println!("last heard  {}", runner.last_heartbeat.map_or("never".to_owned(), |at| at.to_string()));
    for job in &runner.jobs {
        println!("job         {job}");
    }
    for kind in &runner.kinds {
        let tools: Vec<_> =
            kind.tools.iter().filter_map(|tool| Some(format!("{} {}", tool.name, tool.found.as_ref()?))).collect();
        println!("kind        {}  {}", kind.kind, tools.join(", "));
    }
    Ok(())
}
