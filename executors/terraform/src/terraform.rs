//! The program: what it is called with, and what its exits mean.

use std::fs;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use executor_api::{Artifact, ArtifactBody, Command, Environment, ExecutorError, Finished, JobContext};
use rustix::fs::{FlockOperation, flock};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::diagnostics;
use crate::params::{Engine, TerraformParams};
use crate::plan::{PlanDocument, outputs};

/// `version` must answer within this time.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// Terraform or tofu in one working directory.
pub struct Terraform<'a> {
    job: &'a JobContext,
    program: PathBuf,
    engine: Engine,
    dir: PathBuf,
    env: Environment,
    init_args: Vec<String>,
    /// Arguments that plan takes and apply does not.
    plan_args: Vec<String>,
    common_args: Vec<String>,
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

#[derive(Deserialize)]
struct VersionAnswer {
    terraform_version: semver::Version,
}

impl<'a> Terraform<'a> {
    /// Finds the program that the payload wants.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`] with the remedy.
    pub async fn find(job: &'a JobContext, params: &TerraformParams) -> Result<Self, ExecutorError> {
        let (engine, program) = match params.engine {
            Some(engine) => (engine, job.tool(engine.program())?),
            None => any_engine(job)?,
        };
        let mut env: Environment = params.env.iter().collect();
        // Nobody is there to answer, and nothing but the stack decides what is loaded.
        for (name, value) in [("TF_IN_AUTOMATION", "1"), ("TF_INPUT", "0"), ("CHECKPOINT_DISABLE", "1")] {
            env.set(name, value);
        }
        let mut found = Self {
            job,
            program,
            engine,
            dir: job.work_dir().to_owned(),
            env,
            init_args: vec![],
            plan_args: vec![],
            common_args: vec![],
        };
        found.choose_version(params.version.as_deref()).await?;
        Ok(found.with_arguments(params))
    }

    fn with_arguments(mut self, params: &TerraformParams) -> Self {
        self.plan_args.extend(params.targets.iter().map(|target| format!("-target={target}")));
        self.common_args.extend(params.parallelism.map(|n| format!("-parallelism={n}")));
        self.common_args.extend(params.lock_timeout.iter().map(|time| format!("-lock-timeout={time}")));
        self
    }

    /// Which program it is.
    #[must_use]
    pub fn engine(&self) -> Engine {
        self.engine
    }

    /// Adds what a backend needs.
    pub(crate) fn use_backend(&mut self, backend: crate::backend::Prepared) {
        self.init_args.extend(backend.init_args);
        for (name, value) in backend.env.iter() {
            self.env.set(name, value);
        }
    }

    /// Takes another version that is installed, where the payload wants one that the usual program is not. Asked only
    /// where the payload cares: it costs a start of the program.
    async fn choose_version(&mut self, wanted: Option<&str>) -> Result<(), ExecutorError> {
        let Some(wanted) = wanted else { return Ok(()) };
        let wanted_req =
            semver::VersionReq::parse(wanted).map_err(|error| ExecutorError::invalid("/version", error.to_string()))?;
        let why = match self.version().await {
            Ok(version) if wanted_req.matches(&version) => return Ok(()),
            Ok(version) => format!("the runner has {version}"),
            Err(ExecutorError::ToolMissing(why)) => why,
            Err(other) => return Err(other),
        };
        let name = self.engine.program();
        let Some(program) = self.job.installed_tool(name, &wanted_req) else {
            return Err(ExecutorError::ToolMissing(format!(
                "the job wants {name} {wanted}, and {why}; `alethia tools install {name}@VERSION` there puts one beside it"
            )));
        };
        self.job.log().system(format!("taking {}, as the job wants {name} {wanted} and {why}", program.display()));
        self.program = program;
        Ok(())
    }

    async fn version(&self) -> Result<semver::Version, ExecutorError> {
        let name = self.engine.program();
        let asked = self.job.capture(self.command("version", ["-json".to_owned()]));
        let answer = tokio::time::timeout(VERSION_LIMIT, asked).await.map_err(|_| {
            ExecutorError::ToolMissing(format!("`{name} version` did not answer within 10 s; is it the real program?"))
        })??;
        let answer: VersionAnswer = serde_json::from_slice(&answer.stdout).map_err(|_| {
            ExecutorError::ToolMissing(format!(
                "`{name} version -json` does not answer as {name} does; is it the real program?"
            ))
        })?;
        Ok(answer.terraform_version)
    }

    fn command(&self, verb: &str, args: impl IntoIterator<Item = String>) -> Command {
        let mut command = self.job.command(&self.program).dir(&self.dir).arg(verb).args(args);
        for (name, value) in self.env.iter() {
            command.env.set(name, value);
        }
        command
    }

    /// `init`, with the runner's shared cache of providers where there is one.
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
        let mut command = self.command("init", ["-no-color", "-input=false"].map(str::to_owned)).args(args);
        let cache = self.job.settings().cache_dir.as_ref().map(|dir| dir.join("providers"));
        // Inits in parallel damage a cache that they share, so one at a time.
        let _turn = match &cache {
            Some(cache) => {
                command = command.env("TF_PLUGIN_CACHE_DIR", cache);
                Some(turn(self.job, cache.clone()).await?)
            }
            None => None,
        };
        let finished = self.job.run(command).await?;
        self.succeeded("init", &finished)
    }

    /// `plan` into a file. True if it would change something.
    ///
    /// # Errors
    /// If it fails.
    pub async fn plan(
        &self,
        mode: PlanMode,
        variables: &Map<String, Value>,
        out: &Path,
    ) -> Result<bool, ExecutorError> {
        let args = ["-no-color", "-input=false", "-detailed-exitcode"].map(str::to_owned);
        let mut command = self.command("plan", args).arg(format!("-out={}", out.display()));
        command = command.args(self.common_args.clone()).args(self.plan_args.clone());
        command = match mode {
            PlanMode::Normal => command,
            PlanMode::Destroy => command.arg("-destroy"),
            PlanMode::RefreshOnly => command.arg("-refresh-only"),
        };
        if !variables.is_empty() {
            command = command.arg(format!("-var-file={}", self.write_variables(variables)?.display()));
        }
        let finished = self.job.tee(command).await?;
        self.keep_text(&finished.stdout).await?;
        match finished.exit.code {
            Some(0) => Ok(false),
            Some(2) => Ok(true),
            _ => Err(self.failure("plan", &finished)),
        }
    }

    /// Values reach terraform through a file of JSON: nothing in them is ever an expression or an option.
    fn write_variables(&self, variables: &Map<String, Value>) -> Result<PathBuf, ExecutorError> {
        let file = self.job.paths().temp.join("variables.tfvars.json");
        let text = Value::Object(variables.clone()).to_string();
        let written = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
        let written = written.and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()));
        written.map_err(ExecutorError::io("cannot write the variables"))?;
        Ok(file)
    }

    async fn keep_text(&self, text: &[u8]) -> Result<(), ExecutorError> {
        let text = self.job.log().masked(&String::from_utf8_lossy(text));
        let body = ArtifactBody::Bytes(text.into_bytes());
        let artifact =
            Artifact { name: "plan.txt".to_owned(), media_type: "text/plain; charset=utf-8".to_owned(), body };
        self.job.artifact(artifact).await
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

    /// `apply` of exactly this plan.
    ///
    /// # Errors
    /// If it fails; a state that could not be saved is kept as an artifact.
    pub async fn apply(&self, plan: &Path) -> Result<(), ExecutorError> {
        let args = ["-no-color", "-input=false", "-auto-approve"].map(str::to_owned);
        // A lock timeout belongs to apply too; targets are in the plan.
        let command = self.command("apply", args).args(self.common_args.clone()).arg(plan);
        let finished = self.job.run(command).await;
        let errored = self.dir.join("errored.tfstate");
        if errored.exists() {
            self.keep_errored(&errored).await?;
        }
        self.succeeded("apply", &finished?)
    }

    /// The only copy of what was done.
    async fn keep_errored(&self, errored: &Path) -> Result<(), ExecutorError> {
        self.job.log().system(
            "terraform could not save its state; it is kept as the artifact errored.tfstate: push it with `terraform state push`",
        );
        let media_type = "application/json".to_owned();
        let body = ArtifactBody::File(errored.to_owned());
        self.job.artifact(Artifact { name: "errored.tfstate".to_owned(), media_type, body }).await
    }

    /// `output -json`, sensitive values hidden here and in the log from now on.
    ///
    /// # Errors
    /// If it fails or prints something else.
    pub async fn outputs(&self) -> Result<Map<String, Value>, ExecutorError> {
        let command = self.command("output", ["-json".to_owned(), "-no-color".to_owned()]);
        let finished = self.job.capture(command).await?;
        self.succeeded("output", &finished)?;
        let (shown, secrets) = outputs(&finished.stdout)?;
        for secret in secrets {
            self.job.mask(&secret);
        }
        Ok(shown)
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
        if let Some(lock) = diagnostics::state_lock(said) {
            message = lock.to_string();
        } else if let Some(hint) = diagnostics::hint(said) {
            message = format!("{message}\n{hint}");
        }
        ExecutorError::ToolFailed {
            tool: format!("{} {verb}", self.engine.program()),
            exit: finished.exit.clone(),
            message,
        }
    }

    /// What made a plan, for whoever applies it.
    pub(crate) fn tool(&self, document: &PlanDocument) -> Value {
        json!({ "engine": self.engine, "version": document.terraform_version })
    }
}

fn any_engine(job: &JobContext) -> Result<(Engine, PathBuf), ExecutorError> {
    match job.tool("terraform") {
        Ok(program) => Ok((Engine::Terraform, program)),
        Err(missing) => job.tool("tofu").map(|program| (Engine::Tofu, program)).map_err(|_| missing),
    }
}

/// Waits until no other job of this runner uses the cache. Ends with the guard, and with the process.
async fn turn(job: &JobContext, cache: PathBuf) -> Result<fs::File, ExecutorError> {
    let waited = tokio::task::spawn_blocking(move || {
        fs::create_dir_all(&cache)?;
        let file = fs::File::create(cache.join(".lock"))?;
        flock(&file, FlockOperation::LockExclusive)?;
        Ok(file)
    });
    let mut stop = job.stop();
    tokio::select! {
        waited = waited => {
            let waited = waited.unwrap_or_else(|error| Err(std::io::Error::other(error)));
            waited.map_err(ExecutorError::io("cannot use the cache of providers"))
        }
        stop = stop.changed_from(None) => Err(ExecutorError::Stopped(stop.reason)),
    }
}
