//! Which kubectl: asked only where a job wants a certain one, since it costs a start of the program.

use std::path::{Path, PathBuf};
use std::time::Duration;

use executor_api::{ExecutorError, JobContext};
use semver::{Version, VersionReq};
use serde_json::Value;

/// `version` must answer within this time.
const LIMIT: Duration = Duration::from_secs(10);

pub(crate) fn check(wanted: &str) -> Result<VersionReq, ExecutorError> {
    VersionReq::parse(wanted)
        .map_err(|error| ExecutorError::invalid("/version", format!("{error}; give for example `>=1.31, <2`")))
}

/// The usual program if it fits, else the newest that is installed and does.
pub(crate) async fn choose(job: &JobContext, usual: &Path, wanted: &str) -> Result<PathBuf, ExecutorError> {
    let wanted_req = check(wanted)?;
    let why = match version(job, usual).await {
        Ok(version) if fits(&wanted_req, &version) => return Ok(usual.to_owned()),
        Ok(version) => format!("the runner has {version}"),
        Err(ExecutorError::ToolMissing(why)) => why,
        Err(other) => return Err(other),
    };
    job.installed_tool(crate::KUBECTL.name, &wanted_req).ok_or_else(|| {
        ExecutorError::ToolMissing(format!(
            "the job wants kubectl {wanted} and {why}; put another there with `alethia tools install kubectl`"
        ))
    })
}

/// What packagers put behind a version (`1.32.4-dispatcher`, `1.30.0-eks-1`) is no pre-release.
fn fits(wanted: &VersionReq, version: &Version) -> bool {
    wanted.matches(version) || wanted.matches(&Version::new(version.major, version.minor, version.patch))
}

async fn version(job: &JobContext, program: &Path) -> Result<Version, ExecutorError> {
    let command = job.command(program).args(crate::KUBECTL.version_args.iter().copied());
    let answer = tokio::time::timeout(LIMIT, job.capture(command)).await.map_err(|_| {
        ExecutorError::ToolMissing("`kubectl version` did not answer within 10 s; is it the real program?".to_owned())
    })??;
    let answer: Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
    let version = answer["clientVersion"]["gitVersion"].as_str().and_then(|text| text.strip_prefix('v'));
    version.and_then(|text| Version::parse(text).ok()).ok_or_else(|| {
        ExecutorError::ToolMissing(
            "`kubectl version` does not answer as kubectl does; is it the real program?".to_owned(),
        )
    })
}
