//! `CONNECTION_TEST`: who a cloud identity is, and what it may read.

use async_trait::async_trait;
use executor_api::{CloudIdentity, Executor, ExecutorError, Job, JobContext, Outcome};
use serde_json::json;

use crate::fetch_resources::{credentials, discover};
use crate::found::Found;
use crate::params::CloudParams;

pub(crate) struct ConnectionTest;

/// Who answers to the credentials, as the provider itself says.
pub(crate) struct Connection {
    /// For example `arn:aws:sts::123456789012:assumed-role/deployer/alethia-...`.
    pub(crate) who: String,
    /// For example `123456789012`.
    pub(crate) account: String,
}

#[async_trait]
impl Executor for ConnectionTest {
    fn identity(&self, job: &Job) -> Result<Option<CloudIdentity>, ExecutorError> {
        CloudParams::of(job)?.identity()
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let params = CloudParams::of(job.job())?;
        let identity = credentials(job, &params)?.identity();
        let connection = connect(job, identity).await?;
        let found = discover(job, identity, &params).await?;
        let remedy = remedy(identity, &connection, &found)?;
        say(job, &connection, &found, remedy.as_deref());
        let shown = json!({
            "provider": identity.provider,
            "who": connection.who,
            "account": connection.account,
            "reads": found.reads,
            "remedy": remedy,
        });
        Ok(found.outcome().with("connection", shown))
    }
}

fn say(job: &JobContext, connection: &Connection, found: &Found, remedy: Option<&str>) {
    let log = job.log();
    let allowed: Vec<_> = found.reads.iter().filter(|read| read.allowed).map(|read| read.action.as_str()).collect();
    let allowed = if allowed.is_empty() { "none of the reads".to_owned() } else { allowed.join(", ") };
    log.system(format!("works: you are {}, in account {}; allowed: {allowed}", connection.who, connection.account));
    for error in &found.errors {
        log.system(format!("could not read: {error}"));
    }
    if let Some(remedy) = remedy {
        log.system(format!("not allowed: {}; to mend it:\n{remedy}", found.missing().join(", ")));
    }
}

/// Asks the provider who we are: a real call, and the answer is theirs.
async fn connect(job: &JobContext, identity: &CloudIdentity) -> Result<Connection, ExecutorError> {
    match identity.provider.as_str() {
        #[cfg(feature = "aws")]
        "aws" => crate::aws::connect(job).await,
        #[cfg(feature = "gcp")]
        "gcp" => crate::gcp::connect(job).await,
        #[cfg(feature = "azure")]
        "azure" => crate::azure::connect(job).await,
        other => Err(ExecutorError::invalid("/cloud_identity/provider", format!("{other:?} is not in this runner"))),
    }
}

/// The policy or command that allows what is missing.
fn remedy(identity: &CloudIdentity, connection: &Connection, found: &Found) -> Result<Option<String>, ExecutorError> {
    if found.missing().is_empty() {
        return Ok(None);
    }
    match identity.provider.as_str() {
        #[cfg(feature = "aws")]
        "aws" => Ok(Some(crate::aws::remedy(found))),
        #[cfg(feature = "gcp")]
        "gcp" => Ok(Some(crate::gcp::remedy(connection, found))),
        #[cfg(feature = "azure")]
        "azure" => Ok(Some(crate::azure::remedy(identity))),
        _ => Err(ExecutorError::Other(format!("nothing is known of what {} may do", connection.who))),
    }
}
