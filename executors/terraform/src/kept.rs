//! What a call of the program leaves for people.

use std::path::Path;

use executor_api::{Artifact, ArtifactBody, ExecutorError, JobContext};

/// The plan, as the program prints it. Of one that failed at once there is nothing.
pub(crate) async fn plan_text(job: &JobContext, text: &[u8]) -> Result<(), ExecutorError> {
    if text.is_empty() {
        return Ok(());
    }
    let text = job.log().masked(&String::from_utf8_lossy(text));
    artifact(job, "plan.txt", "text/plain; charset=utf-8", ArtifactBody::Bytes(text.into_bytes())).await
}

/// The only copy of what was done.
pub(crate) async fn errored_state(job: &JobContext, errored: &Path) -> Result<(), ExecutorError> {
    artifact(job, "errored.tfstate", "application/json", ArtifactBody::File(errored.to_owned())).await?;
    job.log().system(
        "terraform could not save its state; it is handed over as the artifact errored.tfstate: push it with \
         `terraform state push`",
    );
    Ok(())
}

pub(crate) async fn artifact(
    job: &JobContext,
    name: &str,
    media_type: &str,
    body: ArtifactBody,
) -> Result<(), ExecutorError> {
    job.artifact(Artifact { name: name.to_owned(), media_type: media_type.to_owned(), body }).await
}
