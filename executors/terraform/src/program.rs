//! Which terraform or tofu it is: found on the runner, in a version that will do.

use std::path::PathBuf;

use executor_api::{Command, ExecutorError, JobContext};
use semver::{Version, VersionReq};
use serde::Deserialize;

use crate::params::Engine;

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
        let wanted =
            VersionReq::parse(wanted).map_err(|error| ExecutorError::invalid("/version", error.to_string()))?;
        let ask = found.ask(job);
        let path = job.fitting_program(&found.engine.tool(), Some(&wanted), ask, version_in).await?;
        Ok(Self { path, ..found })
    }

    /// The program in exactly the version that made a plan: no other reads that plan as it was meant.
    pub(crate) async fn of_plan(job: &JobContext, engine: Engine, made_by: &Version) -> Result<Self, ExecutorError> {
        let found = Self::usual(job, Some(engine))?;
        let name = engine.program();
        let here = job.version_of(name, found.ask(job), version_in).await?;
        if here == *made_by {
            return Ok(found);
        }
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

    fn ask(&self, job: &JobContext) -> Command {
        job.command(&self.path).args(self.engine.tool().version_args.iter().copied()).env("CHECKPOINT_DISABLE", "1")
    }
}

/// Tofu's is called so, too.
fn version_in(said: &str) -> Option<Version> {
    Some(serde_json::from_str::<VersionAnswer>(said).ok()?.terraform_version)
}
