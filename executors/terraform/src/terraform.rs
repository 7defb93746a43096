//! The program: what it is called with, and what its exits mean.

use std::path::{Path, PathBuf};
use std::{fs, io};

use executor_api::{Command, Environment, ExecutorError, Finished, JobContext};
use semver::Version;
use serde_json::{Map, Value, json};

use crate::diagnostics;
use crate::files::write_private;
use crate::kept;
use crate::options::Options;
use crate::outputs::Outputs;
use crate::params::Engine;
use crate::plan::PlanDocument;
use crate::program::Program;
use crate::providers::Providers;

/// Go's garbage collector: by how many percent the memory may grow before it works again; Go's own choice is 100. A short
/// command has little else to do than to collect: with 200 an empty stack takes an eighth less time and one of AWS's a tenth, for
/// at most half as much memory again. Not for apply: no more memory than needed where the system could kill it for that.
const COLLECTOR: &str = "GOGC";
const COLLECTS_AT: &str = "200";

/// Terraform or tofu in one working directory.
pub struct Terraform<'a> {
    job: &'a JobContext,
    program: Program,
    providers: Providers,
    dir: PathBuf,
    env: Environment,
    init_args: Vec<String>,
    /// Arguments that plan takes and apply does not.
    plan_args: Vec<String>,
    common_args: Vec<String>,
    /// What the control plane calls the state, if it keeps it.
    state: Option<String>,
}

/// What a plan is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlanMode {
    /// Bring the world to what the stack says.
    Normal,
    /// Take everything away.
    Destroy,
    /// Only look at what has changed in the world.
    RefreshOnly,
}

impl<'a> Terraform<'a> {
    /// Finds the program that is wanted.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`] with the remedy.
    pub async fn find(job: &'a JobContext, options: &Options) -> Result<Self, ExecutorError> {
        let program = Program::find(job, options.engine, options.version.as_deref()).await?;
        Self::new(job, program, options)
    }

    /// The program that made a plan.
    pub(crate) async fn of_plan(
        job: &'a JobContext,
        options: &Options,
        engine: Engine,
        made_by: &Version,
    ) -> Result<Self, ExecutorError> {
        Self::new(job, Program::of_plan(job, engine, made_by).await?, options)
    }

    fn new(job: &'a JobContext, program: Program, options: &Options) -> Result<Self, ExecutorError> {
        let mut env = options.env.clone();
        // Nobody is there to answer, and nothing but the stack decides what is loaded.
        for (name, value) in [("TF_IN_AUTOMATION", "1"), ("TF_INPUT", "0"), ("CHECKPOINT_DISABLE", "1")] {
            env.set(name, value);
        }
        let common_args = options.parallelism.map(|n| format!("-parallelism={n}")).into_iter();
        let common_args = common_args.chain(options.lock_timeout.as_ref().map(|time| format!("-lock-timeout={time}")));
        Ok(Self {
            job,
            program,
            providers: Providers::of(job)?,
            dir: job.work_dir().to_owned(),
            env,
            init_args: vec![],
            plan_args: options.targets.iter().map(|target| format!("-target={target}")).collect(),
            common_args: common_args.collect(),
            state: None,
        })
    }

    /// Which program it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.program.engine
    }

    /// Adds what a backend needs.
    pub(crate) fn use_backend(&mut self, backend: crate::backend::Prepared) {
        self.init_args.extend(backend.init_args);
        self.state = backend.state;
        for (name, value) in backend.env.iter() {
            self.env.set(name, value);
        }
    }

    fn command(&self, verb: &str, args: impl IntoIterator<Item = String>) -> Command {
        let mut command = self.job.command(&self.program.path).dir(&self.dir).arg(verb).args(args);
        // What the operator passes on counts, and what the job says.
        if verb != "apply" && command.env.get(COLLECTOR).is_none() {
            command.env.set(COLLECTOR, COLLECTS_AT);
        }
        for (name, value) in self.env.iter() {
            command.env.set(name, value);
        }
        self.providers.told(command)
    }

    /// `init`, with the providers of the runner's mirror, or of the cache that its jobs share, where it has one.
    ///
    /// # Errors
    /// If it fails.
    pub async fn init(&self) -> Result<(), ExecutorError> {
        self.init_with(self.init_args.clone()).await
    }

    /// `init` for commands that need no state.
    ///
    /// # Errors
    /// If it fails.
    pub async fn init_without_backend(&self) -> Result<(), ExecutorError> {
        self.init_with(vec!["-backend=false".to_owned()]).await
    }

    async fn init_with(&self, args: Vec<String>) -> Result<(), ExecutorError> {
        let command = self.command("init", ["-no-color", "-input=false"].map(str::to_owned)).args(args);
        self.providers.bring(&self.dir).await?;
        let finished = self.job.run(command).await?;
        self.succeeded("init", &finished)?;
        self.providers.keep(self.job, &self.dir).await;
        Ok(())
    }

    /// `plan` into a file. What it printed, for people.
    ///
    /// # Errors
    /// If it fails; what it printed is kept as an artifact then, too.
    pub(crate) async fn plan(
        &self,
        mode: PlanMode,
        variables: &Map<String, Value>,
        out: &Path,
    ) -> Result<Vec<u8>, ExecutorError> {
        let args = ["-no-color", "-input=false", "-detailed-exitcode"].map(str::to_owned);
        let mut command = self.command("plan", args).arg(format!("-out={}", out.display()));
        command = command.args(self.common_args.clone()).args(self.plan_args.clone());
        command = match mode {
            PlanMode::Normal => command,
            PlanMode::Destroy => command.arg("-destroy"),
            PlanMode::RefreshOnly => command.arg("-refresh-only"),
        };
        command = command.args(self.var_file(variables)?);
        let finished = self.job.tee(command).await?;
        // With -detailed-exitcode, 2 says that there is something to do.
        if matches!(finished.exit.code, Some(0 | 2)) {
            return Ok(finished.stdout);
        }
        kept::plan_text(self.job, &finished.stdout).await?;
        Err(self.failure("plan", &finished))
    }

    /// Values reach terraform through a file of JSON: nothing in them is ever an expression or an option.
    fn var_file(&self, variables: &Map<String, Value>) -> Result<Option<String>, ExecutorError> {
        if variables.is_empty() {
            return Ok(None);
        }
        let file = self.job.paths().temp.join("variables.tfvars.json");
        write_private(&file, &Value::Object(variables.clone()).to_string())
            .map_err(ExecutorError::io("cannot write the variables"))?;
        Ok(Some(format!("-var-file={}", file.display())))
    }

    /// `show -json` of a plan. It never reaches the log: it holds sensitive values in clear.
    ///
    /// # Errors
    /// If it fails or prints something else.
    pub(crate) async fn show(&self, plan: &Path) -> Result<PlanDocument, ExecutorError> {
        let command = self.command("show", ["-json".to_owned(), "-no-color".to_owned()]).arg(plan);
        let finished = self.job.capture(command).await?;
        self.succeeded("show", &finished)?;
        PlanDocument::parse(&finished.stdout)
    }

    /// `apply` of exactly this plan, with the values of its ephemeral variables: it holds all others.
    ///
    /// # Errors
    /// If it fails; a state that could not be saved is kept as an artifact.
    pub(crate) async fn apply(&self, plan: &Path, ephemeral: &Map<String, Value>) -> Result<(), ExecutorError> {
        let args = ["-no-color", "-input=false", "-auto-approve"].map(str::to_owned);
        // A lock timeout belongs to apply too; targets are in the plan.
        let command = self.command("apply", args).args(self.common_args.clone());
        let command = command.args(self.var_file(ephemeral)?).arg(plan);
        let errored = self.dir.join("errored.tfstate");
        self.take_away(&errored)?;
        let finished = self.job.run(command).await;
        if errored.exists() {
            kept::errored_state(self.job, &errored).await?;
        }
        self.succeeded("apply", &finished?)
    }

    /// A state that the source has brought: it would be taken for what this job could not save.
    fn take_away(&self, errored: &Path) -> Result<(), ExecutorError> {
        match fs::remove_file(errored) {
            Ok(()) => self.job.log().system("the source's errored.tfstate is taken away: it is not this job's"),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(ExecutorError::io("cannot take away the source's errored.tfstate")(error)),
        }
        Ok(())
    }

    /// `output -json`. Sensitive values are hidden in the log from now on.
    ///
    /// # Errors
    /// If it fails or prints something else.
    pub async fn outputs(&self) -> Result<Outputs, ExecutorError> {
        let command = self.command("output", ["-json".to_owned(), "-no-color".to_owned()]);
        let finished = self.job.capture(command).await?;
        self.succeeded("output", &finished)?;
        let outputs = Outputs::read(&finished.stdout)?;
        outputs.secrets().into_iter().for_each(|secret| self.job.mask(&secret));
        Ok(outputs)
    }

    /// `state pull`. It never reaches the log: it holds sensitive values in clear.
    pub(crate) async fn state(&self) -> Result<Vec<u8>, ExecutorError> {
        let finished = self.job.capture(self.command("state", ["pull".to_owned()])).await?;
        self.succeeded("state pull", &finished)?;
        Ok(finished.stdout)
    }

    /// How many resources the state holds. What it says of them never reaches the log.
    pub(crate) async fn resources(&self) -> Result<usize, ExecutorError> {
        let finished = self.job.capture(self.command("show", ["-json".to_owned(), "-no-color".to_owned()])).await?;
        self.succeeded("show", &finished)?;
        let state: Value = serde_json::from_slice(&finished.stdout)
            .map_err(|error| ExecutorError::Other(format!("the state cannot be read: {error}")))?;
        Ok(resources_in(&state["values"]["root_module"]))
    }

    /// `validate -json`: whether the stack is valid, and the diagnostics as terraform has them.
    ///
    /// # Errors
    /// If it fails in another way or prints something else.
    pub async fn validate(&self) -> Result<Value, ExecutorError> {
        let finished = self.job.tee(self.command("validate", ["-json".to_owned(), "-no-color".to_owned()])).await?;
        let answer: Value = serde_json::from_slice(&finished.stdout).unwrap_or_default();
        if answer["valid"].is_boolean() { Ok(answer) } else { Err(self.failure("validate", &finished)) }
    }

    fn succeeded(&self, verb: &str, finished: &Finished) -> Result<(), ExecutorError> {
        if finished.exit.is_success() { Ok(()) } else { Err(self.failure(verb, finished)) }
    }

    fn failure(&self, verb: &str, finished: &Finished) -> ExecutorError {
        let said = &finished.stderr_tail;
        let mut message = diagnostics::errors(said);
        if let Some(lock) = diagnostics::state_lock(said, self.state.as_deref()) {
            message = lock.to_string();
        } else if let Some(hint) = diagnostics::hint(said) {
            message = format!("{message}\n{hint}");
        }
        ExecutorError::ToolFailed {
            tool: format!("{} {verb}", self.program.engine.program()),
            exit: finished.exit.clone(),
            message,
        }
    }

    /// What made a plan, for whoever applies it.
    pub(crate) fn tool(&self, document: &PlanDocument) -> Value {
        json!({ "engine": self.program.engine, "version": document.terraform_version })
    }
}

/// Data sources are in the state, too, and are nothing that anybody made.
fn resources_in(module: &Value) -> usize {
    let managed = module["resources"].as_array().into_iter().flatten().filter(|one| one["mode"] == "managed").count();
    managed + module["child_modules"].as_array().into_iter().flatten().map(resources_in).sum::<usize>()
}
