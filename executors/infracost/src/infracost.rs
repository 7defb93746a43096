//! The program: what it is called with, and what its exits mean.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use executor_api::{Command, ExecutorError, JobContext};
use serde_json::Value;

use crate::cost_error::CostError;
use crate::output::Estimate;
use crate::plan;

/// Infracost, in a folder of its own.
pub struct Infracost<'a> {
    job: &'a JobContext,
    program: PathBuf,
    dir: PathBuf,
    key: String,
    currency: Option<String>,
    usage_file: Option<PathBuf>,
}

impl<'a> Infracost<'a> {
    /// Finds the program and the key.
    ///
    /// # Errors
    /// [`CostError::NoKey`], or [`ExecutorError::ToolMissing`] with the remedy.
    pub fn find(job: &'a JobContext) -> Result<Self, CostError> {
        let key = job.settings().infracost_api_key.clone().filter(|key| !key.trim().is_empty());
        let key = key.ok_or(CostError::NoKey)?;
        let program = job.tool("infracost")?;
        // It reads `.env` from its working directory, where a source could send the key to a place of its own.
        let dir = job.paths().temp.join("infracost");
        fs::create_dir_all(&dir).map_err(ExecutorError::io("cannot make a folder for infracost"))?;
        Ok(Self { job, program, dir, key, currency: None, usage_file: None })
    }

    /// Prices in this currency, by its ISO 4217 code.
    #[must_use]
    pub fn currency(mut self, code: Option<&str>) -> Self {
        self.currency = code.map(str::to_owned);
        self
    }

    /// Takes how much is used from a usage file.
    #[must_use]
    pub fn usage_file(mut self, file: Option<PathBuf>) -> Self {
        self.usage_file = file;
        self
    }

    /// Writes a usage file.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write_usage(&self, usage: &Value) -> Result<PathBuf, ExecutorError> {
        // JSON is YAML.
        self.write("usage.yml", usage)
    }

    /// A plan as a file that can be priced: `terraform show -json PLAN`, or what the `terraform` kind keeps of it as
    /// `plan.json`.
    ///
    /// # Errors
    /// If it is no plan.
    pub fn plan_file(&self, plan: &Path) -> Result<PathBuf, ExecutorError> {
        let unreadable = |why: String| ExecutorError::Other(format!("the plan cannot be priced: {why}"));
        let bytes = fs::read(plan).map_err(ExecutorError::io("cannot read the plan"))?;
        let plan: Value = serde_json::from_slice(&bytes).map_err(|error| unreadable(error.to_string()))?;
        self.write("plan.json", &plan::priceable(plan).map_err(unreadable)?)
    }

    fn write(&self, name: &str, value: &Value) -> Result<PathBuf, ExecutorError> {
        let file = self.dir.join(name);
        // A plan that was not redacted holds secrets.
        let opened = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
        let written = opened.and_then(|mut file| file.write_all(value.to_string().as_bytes()));
        written.map_err(ExecutorError::io(format!("cannot write {name} for infracost")))?;
        Ok(file)
    }

    /// What a stack's folder or a [`Self::plan_file`] costs.
    ///
    /// # Errors
    /// [`CostError`], also where the program ends well and has priced nothing.
    pub async fn breakdown(&self, path: &Path) -> Result<Estimate, CostError> {
        self.run("breakdown", path, None).await
    }

    /// How the costs change: of a plan against what it starts from, of a folder against the `base` of an earlier
    /// breakdown ([`Estimate::document`]).
    ///
    /// # Errors
    /// As [`Self::breakdown`].
    pub async fn diff(&self, path: &Path, base: Option<&Path>) -> Result<Estimate, CostError> {
        self.run("diff", path, base).await
    }

    async fn run(&self, verb: &str, path: &Path, base: Option<&Path>) -> Result<Estimate, CostError> {
        let out = self.dir.join(format!("{verb}.json"));
        // One of an earlier call must not be taken for this one's.
        let _ = fs::remove_file(&out);
        let finished = self.job.run(self.command(verb, path, base, &out)).await?;
        if !finished.exit.is_success() {
            return Err(CostError::of_exit(verb, &finished));
        }
        let estimate = Estimate::read(&out)?;
        match &self.currency {
            Some(wanted) if *wanted != estimate.currency => {
                let why = format!("infracost does not know the currency {wanted} and has taken {}", estimate.currency);
                Err(ExecutorError::invalid("/currency", why).into())
            }
            _ => Ok(estimate),
        }
    }

    fn command(&self, verb: &str, path: &Path, base: Option<&Path>, out: &Path) -> Command {
        let file = |flag: &str, file: &Path| [OsString::from(flag), file.as_os_str().to_owned()];
        let mut command = self.job.command(&self.program).dir(&self.dir).arg(verb);
        command = command.args(file("--path", path)).args(["--format", "json"]).args(file("--out-file", out));
        command = command.args(self.usage_file.iter().flat_map(|usage| file("--usage-file", usage)));
        command = command.args(base.into_iter().flat_map(|base| file("--compare-to", base)));
        for (name, value) in [
            ("INFRACOST_DISABLE_ENVFILE", "true"),
            ("INFRACOST_SKIP_UPDATE_CHECK", "true"),
            ("INFRACOST_NO_COLOR", "true"),
        ] {
            command.env.set(name, value);
        }
        // The operator may want it; nobody else sends the stack's prices away.
        if command.env.get("INFRACOST_ENABLE_CLOUD").is_none() {
            command.env.set("INFRACOST_ENABLE_CLOUD", "false");
        }
        command.env.set("INFRACOST_API_KEY", &self.key);
        command.env.set("INFRACOST_CURRENCY", self.currency.as_deref().unwrap_or("USD"));
        command
    }
}
