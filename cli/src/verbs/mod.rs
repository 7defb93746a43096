//! What `alethia` can be told to do: one file per verb.

mod artifacts;
mod demo;
mod git_token;
mod identity;
mod job;
mod run;
mod runner;
mod server;
mod state;
mod tools;
mod user;

use std::process::ExitCode;

use clap::Subcommand;
use tokio::runtime::{Builder, Runtime};

#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Plan and apply a stack on this machine: a control plane and a runner, and nothing to set up
    Demo(demo::DemoArgs),
    /// Serve a control plane
    Server(server::ServerArgs),
    /// Take jobs and run them, and look after those who do
    #[command(subcommand)]
    Runner(runner::RunnerVerb),
    /// Submit jobs, and see what becomes of them
    #[command(subcommand)]
    Job(job::JobVerb),
    /// Say who jobs are at cloud providers
    #[command(subcommand)]
    Identity(identity::IdentityVerb),
    /// Keep tokens for the git hosts that jobs take their sources from
    #[command(subcommand)]
    GitToken(git_token::GitTokenVerb),
    /// Look after terraform's states at the control plane
    #[command(subcommand)]
    State(state::StateVerb),
    /// Look after the people of a control plane
    #[command(subcommand)]
    User(user::UserVerb),
    /// Run a job here and now, without a control plane
    ///
    /// Its tools live in this process and end with it: if it is killed in the middle of an apply, so is terraform, and
    /// what it was making may be in no state. An apply that must outlive what starts it is a job of a runner. A terraform
    /// stack has its state in its own folder here (terraform.tfstate); one at the control plane is another.
    Run(Box<run::RunArgs>),
    /// Look after the programs that jobs run: terraform, helm and their like
    #[command(subcommand)]
    Tools(tools::ToolsVerb),
}

impl Verb {
    pub(crate) fn run(self) -> anyhow::Result<ExitCode> {
        match self {
            Self::Demo(args) => serve(demo::run(args)),
            Self::Server(args) => serve(server::run(args)),
            Self::Runner(verb) => runner::run(verb),
            Self::Job(verb) => client_runtime()?.block_on(job::run(verb)),
            Self::Identity(verb) => client_runtime()?.block_on(identity::run(verb)),
            Self::GitToken(verb) => client_runtime()?.block_on(git_token::run(verb)),
            Self::State(verb) => client_runtime()?.block_on(state::run(verb)),
            Self::User(verb) => client_runtime()?.block_on(user::run(verb)),
            Self::Run(args) => client_runtime()?.block_on(run::run(*args)),
            Self::Tools(verb) => client_runtime()?.block_on(tools::run(verb)),
        }
    }
}

/// Runs what serves many at once. None of it is on this thread, from which every request would have to be handed over.
fn serve(command: impl Future<Output = anyhow::Result<ExitCode>> + Send + 'static) -> anyhow::Result<ExitCode> {
    let runtime = Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(runtime.spawn(command))?
}

fn client_runtime() -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().build()
}
