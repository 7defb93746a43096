//! The command line of a runner: what `alethia runner` embeds and what a team's own binary has at its top level.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use executor_api::{AMBIENT_SECRETS, ExecutorRegistry, HiddenVerb};
use tracing_subscriber::EnvFilter;

use crate::config::{Config, SECRETS, Variables};
use crate::shutdown::ShutdownSignals;
use crate::{doctor, job_process, kinds, run};

/// Something failed.
pub const EXIT_FAILURE: u8 = 1;
/// The configuration is wrong (sysexits.h, EX_CONFIG).
pub const EXIT_CONFIG: u8 = 78;

/// What `start` takes. Every flag has a variable; a token is never a flag, because everybody can read those.
#[derive(Args, Clone, Debug, Default)]
pub struct StartArgs {
    /// Where the control plane is, for example `https://alethia.example.com` [env: ALETHIA_WEB_ORIGIN]
    #[arg(long, value_name = "URL")]
    pub origin: Option<String>,
    /// Where jobs are kept; one runner per folder [env: ALETHIA_STATE_DIR]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// A file that holds the token; only its owner may read it [env: ALETHIA_WORKER_TOKEN_FILE]
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// How many jobs run at once, 1 to 256 [env: ALETHIA_SLOTS] [default: 1]
    #[arg(long, value_name = "N")]
    pub slots: Option<String>,
    /// What the runner offers to jobs that ask for it; may be repeated [env: ALETHIA_LABELS]
    #[arg(long = "label", value_name = "K=V")]
    pub labels: Vec<String>,
    /// How long running jobs have after the first signal [env: ALETHIA_DRAIN_TIMEOUT] [default: 10m]
    #[arg(long, value_name = "DURATION")]
    pub drain_timeout: Option<String>,
    /// Take one job, then leave [env: ALETHIA_ONCE]
    #[arg(long)]
    pub once: bool,
    /// Leave when there was no job for this long [env: ALETHIA_IDLE_EXIT]
    #[arg(long, value_name = "DURATION")]
    pub idle_exit: Option<String>,
    /// On a signal, leave running jobs to the next runner with the same state directory [env: ALETHIA_HANDOVER]
    #[arg(long)]
    pub handover: bool,
}

/// What `kinds` takes.
#[derive(Args, Clone, Debug, Default)]
pub struct KindsArgs {
    /// Print one JSON document
    #[arg(long)]
    pub json: bool,
}

/// The verbs of a runner.
#[derive(Subcommand, Clone, Debug)]
pub enum RunnerCommand {
    /// Take jobs and run them
    Start(StartArgs),
    /// List the kinds of job that this program can run
    Kinds(KindsArgs),
    /// Check settings, tools, the state directory and the way to the control plane
    Doctor(StartArgs),
}

/// A team's own runner.
#[derive(Parser)]
#[command(version = crate::VERSION, about = "Runs jobs of the control plane")]
struct OwnRunner {
    #[command(subcommand)]
    command: RunnerCommand,
}

/// All of a team's own runner: `fn main() -> ExitCode { runner_host::main() }`.
#[must_use]
pub fn main() -> ExitCode {
    if let Some(code) = run_if_job_process() {
        return code;
    }
    OwnRunner::parse().command.run()
}

impl RunnerCommand {
    /// Does what it says, in a runtime of its own.
    #[must_use]
    pub fn run(&self) -> ExitCode {
        match self {
            Self::Start(args) => start(args),
            Self::Kinds(args) => kinds(args),
            Self::Doctor(args) => doctor(args),
        }
    }
}

/// The first line of every binary that starts a runner: this process may be one of its job processes, or a hidden
/// verb that a tool of a job calls.
#[must_use]
pub fn run_if_job_process() -> Option<ExitCode> {
    let args: Vec<_> = std::env::args_os().skip(1).collect();
    if args.first()? != job_process::VERB {
        return HiddenVerb::run_if_asked(&args);
    }
    let Some(dir) = args.get(1) else {
        eprintln!("{} is for the runner itself and needs a job directory", job_process::VERB);
        return Some(ExitCode::from(2));
    };
    Some(job_process::run(Path::new(dir)))
}

/// Takes jobs until a signal; see [`run`].
fn start(args: &StartArgs) -> ExitCode {
    let variables = Variables::of_process();
    init_tracing(&variables.log_filter());
    for warning in variables.unknown() {
        tracing::warn!("{warning}");
    }
    let config = match Config::read(args, &variables) {
        Ok(config) => config,
        Err(error) => return fail(EXIT_CONFIG, &error),
    };
    if variables.storage().is_some() && config.job_settings.storage.is_none() {
        tracing::warn!("the S3 storage is not used: a cloud-hosted runner keeps all states at the control plane");
    }
    let registry = match ExecutorRegistry::from_linked() {
        Ok(registry) => registry,
        Err(error) => return fail(EXIT_CONFIG, &error),
    };
    if let Err(error) = process_supervisor::hide_secrets(&[SECRETS, AMBIENT_SECRETS].concat()) {
        tracing::warn!(
            error = crate::chain(&error),
            "jobs can read the runner's token; start the runner with a token file"
        );
    }
    block_on(async {
        let signals = match ShutdownSignals::of_process() {
            Ok(signals) => signals,
            Err(error) => return fail(EXIT_FAILURE, &error),
        };
        match run(config, registry, signals).await {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => fail(error.exit_code(), &error),
        }
    })
}

/// Lists the linked kinds.
fn kinds(args: &KindsArgs) -> ExitCode {
    match ExecutorRegistry::from_linked() {
        Ok(registry) => {
            let settings = Config::job_settings(&Variables::of_process());
            block_on(kinds::print(&registry, &settings, args.json))
        }
        Err(error) => fail(EXIT_CONFIG, &error),
    }
}

/// Checks what `start` would need.
fn doctor(args: &StartArgs) -> ExitCode {
    block_on(doctor::check(args, &Variables::of_process()))
}

/// From one look at the disk to the next, and more: a thread wakes to end, too.
const KEEPS_A_THREAD: Duration = Duration::from_secs(120);

/// One thread, and one for files: a runner waits nearly always.
fn block_on(work: impl Future<Output = ExitCode>) -> ExitCode {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    match runtime.enable_all().thread_keep_alive(KEEPS_A_THREAD).build() {
        Ok(runtime) => runtime.block_on(work),
        Err(error) => fail(EXIT_FAILURE, &error),
    }
}

/// The messages of this process itself: on standard error, with colours if that is a terminal.
pub fn init_tracing(filter: &str) {
    let filter = filter_of(filter);
    let colours = std::io::stderr().is_terminal() && Variables::of_process().get("NO_COLOR").is_none();
    let subscriber = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A program that embeds the verb may have set its own.
    let _ = subscriber.with_ansi(colours).with_target(false).try_init();
}

/// What it does not name is said as usual: a word that is no level is the name of a target, and would silence all others.
fn filter_of(text: &str) -> EnvFilter {
    EnvFilter::try_new(format!("info,{text}")).unwrap_or_else(|_| "info".into())
}

fn fail(code: u8, error: &dyn std::error::Error) -> ExitCode {
    eprintln!("error: {}", crate::chain(error));
    ExitCode::from(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_that_is_no_level_silences_nobody() {
        for (text, filter) in [
            ("info", "info"),
            ("warn", "warn"),
            ("debug", "debug"),
            ("off", "off"),
            ("verbose", "verbose=trace,info"),
            ("runner_host=debug", "runner_host=debug,info"),
            ("runner_host=loud", "info"),
        ] {
            assert_eq!(filter_of(text).to_string(), filter, "{text}");
        }
    }
}
