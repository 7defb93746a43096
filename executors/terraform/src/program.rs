//! Which terraform or tofu it is: found on the runner, in a version that will do.

use std::path::PathBuf;
use std::time::Duration;

use executor_api::{ExecutorError, JobContext};
use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::params::Engine;

/// `version` must answer within this time.
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// A program of this runner.
pub(crate) struct Program {
    pub(crate) engine: Engine,
    pub(crate) path: PathBuf,
}

#[derive(Deserialize)]
struct VersionAnswer {
    terraform_version: Version,
}

impl Program {
    /// The program that is wanted, in a version that is wanted. The version is asked for only where somebody cares: it
    /// costs a start of the program.
    pub(crate) async fn find(
        job: &JobContext,
        engine: Option<Engine>,
        wanted: Option<&str>,
    ) -> Result<Self, ExecutorError> {
        let found = Self::usual(job, engine)?;
        let Some(wanted) = wanted else { return Ok(found) };
        let wanted_req =
            VersionReq::parse(wanted).map_err(|error| ExecutorError::invalid("/version", error.to_string()))?;
        let why = match found.version(job).await {
            Ok(version) if wanted_req.matches(&version) => return Ok(found),
            Ok(version) => format!("the runner has {version}"),
            Err(ExecutorError::ToolMissing(why)) => why,
            Err(other) => return Err(other),
        };
        let name = found.engine.program();
        let Some(path) = job.installed_tool(name, &wanted_req) else {
            return Err(ExecutorError::ToolMissing(format!(
                "the job wants {name} {wanted}, and {why}; `alethia tools install {name}@VERSION` there puts one beside it"
            )));
        };
        job.log().system(format!("taking {}, as the job wants {name} {wanted} and {why}", path.display()));
        Ok(Self { path, ..found })
    }

    /// The program in exactly the version that made a plan: no other reads that plan as it was meant.
    pub(crate) async fn of_plan(job: &JobContext, engine: Engine, made_by: &Version) -> Result<Self, ExecutorError> {
        let found = Self::usual(job, Some(engine))?;
        let here = found.version(job).await?;
        if here == *made_by {
            return Ok(found);
        }
        let name = engine.program();
        // Of the same version alone: a requirement takes no notice of what is built into it.
        let exactly = VersionReq::parse(&format!("={made_by}")).unwrap_or(VersionReq::STAR);
        let Some(path) = job.installed_tool(name, &exactly) else {
            let remedy =
                format!("plan again, or put that version beside it with `alethia tools install {name}@{made_by}`");
            let why = format!("the plan was made by {name} {made_by}, and the runner has {here}; {remedy}");
            return Err(ExecutorError::invalid("/plan_job_id", why));
        };
        job.log().system(format!("taking {}, as {name} {made_by} made the plan", path.display()));
        Ok(Self { engine, path })
    }

    fn usual(job: &JobContext, engine: Option<Engine>) -> Result<Self, ExecutorError> {
        let of = |engine: Engine| job.tool(engine.program()).map(|path| Self { engine, path });
        match engine {
            Some(engine) => of(engine),
            None => of(Engine::Terraform).or_else(|missing| of(Engine::Tofu).map_err(|_| missing)),
        }
    }

    async fn version(&self, job: &JobContext) -> Result<Version, ExecutorError> {
        let name = self.engine.program();
        let asked = job.capture(job.command(&self.path).args(["version", "-json"]).env("CHECKPOINT_DISABLE", "1"));
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
}
