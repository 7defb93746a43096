//! `FETCH_RESOURCES`: what there is to choose from at a cloud.

use async_trait::async_trait;
use executor_api::{CloudIdentity, Executor, ExecutorError, Job, JobContext, JobCredentials, Outcome};

use crate::found::Found;
use crate::params::CloudParams;

pub(crate) struct FetchResources;

#[async_trait]
impl Executor for FetchResources {
    fn identity(&self, job: &Job) -> Result<Option<CloudIdentity>, ExecutorError> {
        CloudParams::of(job)?.identity()
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let params = CloudParams::of(job.job())?;
        let identity = credentials(job, &params)?.identity();
        let found = discover(job, identity, &params).await?;
        for error in &found.errors {
            job.log().system(format!("could not read: {error}"));
        }
        // A part is worth having; nothing at all is a failure.
        if found.reads.iter().all(|read| !read.allowed) { Err(found.error()) } else { Ok(found.outcome()) }
    }
}

/// The job's credentials, or why there are none.
pub(crate) fn credentials<'a>(job: &'a JobContext, params: &CloudParams) -> Result<&'a JobCredentials, ExecutorError> {
    let Some(credentials) = job.credentials() else {
        let why = "the job has no cloud identity; connect one and submit with its cloud_identity_id, or run it with \
                   `alethia run`, which takes who you are from the payload";
        return Err(ExecutorError::invalid("/cloud_identity", why));
    };
    params.check_repeats(credentials.identity())?;
    Ok(credentials)
}

/// Reads all that there is. Ends early when the job is asked to stop.
pub(crate) async fn discover(
    job: &JobContext,
    identity: &CloudIdentity,
    params: &CloudParams,
) -> Result<Found, ExecutorError> {
    let regions = params.regions.as_deref();
    let found = async {
        match identity.provider.as_str() {
            #[cfg(feature = "aws")]
            "aws" => crate::aws::discover(job, regions).await,
            #[cfg(feature = "gcp")]
            "gcp" => crate::gcp::discover(job, regions).await,
            #[cfg(feature = "azure")]
            "azure" => crate::azure::discover(job, regions).await,
            other => {
                let why = format!("{other:?} is not in this runner");
                Err(ExecutorError::invalid("/cloud_identity/provider", why))
            }
        }
    };
    let mut stop = job.stop();
    tokio::select! {
        found = found => Ok(found?.sorted()),
        stop = stop.changed_from(None) => Err(ExecutorError::Stopped(stop.reason)),
    }
}
