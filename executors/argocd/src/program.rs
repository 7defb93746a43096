//! Argo CD's program: finding one that we can use, and the environment that it gets.

use std::path::{Path, PathBuf};
use std::time::Duration;

use executor_api::{Command, ExecutorError, JobContext};
use semver::{Version, VersionReq};

use crate::ARGOCD;

/// `version` must answer within this time.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// The program, with a folder of the job's own for its settings.
pub(crate) struct Program<'a> {
    job: &'a JobContext,
    program: PathBuf,
    config: PathBuf,
}

impl<'a> Program<'a> {
    /// The runner's usual one, else one of its installed versions that we can use and that is `wanted`.
    pub(crate) async fn find(job: &'a JobContext, config: &Path, wanted: Option<&str>) -> Result<Self, ExecutorError> {
        let program = job.tool(ARGOCD.name)?;
        let mut found = Self { job, program, config: config.to_owned() };
        found.choose_version(wanted).await?;
        Ok(found)
    }

    /// A program with other flags would do something else than we mean.
    async fn choose_version(&mut self, wanted: Option<&str>) -> Result<(), ExecutorError> {
        let ours = ARGOCD.versions;
        let wanted = wanted.map_or(ours.to_owned(), |wanted| format!("{wanted}, {ours}"));
        let wanted_req = version_req(&wanted)?;
        let why = match self.version().await {
            // A pre-release fits where its release would.
            Ok(found) if wanted_req.matches(&Version::new(found.major, found.minor, found.patch)) => return Ok(()),
            Ok(found) => format!("the runner has argocd {found}"),
            Err(ExecutorError::ToolMissing(why)) => why,
            Err(other) => return Err(other),
        };
        let Some(program) = self.job.installed_tool(ARGOCD.name, &wanted_req) else {
            return Err(ExecutorError::ToolMissing(format!(
                "needed is argocd {wanted}, and {why}; `alethia tools install argocd@VERSION` there puts one beside it"
            )));
        };
        self.job.log().system(format!("taking {}: needed is argocd {wanted}, and {why}", program.display()));
        self.program = program;
        Ok(())
    }

    async fn version(&self) -> Result<Version, ExecutorError> {
        let missing =
            |why: &str| ExecutorError::ToolMissing(format!("`argocd version` {why}; is it the real program?"));
        let asked = self.job.capture(self.command(ARGOCD.version_args));
        let Ok(answer) = tokio::time::timeout(VERSION_LIMIT, asked).await else {
            return Err(missing("did not answer within 10 s"));
        };
        let answer = answer?;
        let text = String::from_utf8_lossy(&answer.stdout);
        match text.trim().strip_prefix("argocd: v").map(Version::parse) {
            Some(Ok(version)) if answer.exit.is_success() => Ok(version),
            _ => Err(missing("does not answer as argocd does")),
        }
    }

    /// The settings of others are not ours: neither their options nor their folders nor their clusters.
    pub(crate) fn command(&self, verb: &[&str]) -> Command {
        let mut command = self.job.command(&self.program).args(verb.iter().copied());
        let names: Vec<_> = command.env.iter().filter_map(|(name, _)| name.to_str().map(str::to_owned)).collect();
        for name in names.iter().filter(|name| name.starts_with("ARGOCD_") || *name == "KUBECONFIG") {
            command.env.remove(name);
        }
        command.env("ARGOCD_CONFIG_DIR", &self.config)
    }
}

pub(crate) fn version_req(text: &str) -> Result<VersionReq, ExecutorError> {
    VersionReq::parse(text)
        .map_err(|error| ExecutorError::invalid("/argocd_version", format!("{error}; give for example `>=3.1`")))
}
