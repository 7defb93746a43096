//! What a call of the program leaves for people.

use std::path::Path;

use executor_api::{Artifact, ArtifactBody, ExecutorError, JobContext};

/// The plan, as the program prints it.
pub(crate) async fn plan_text(job: &JobContext, text: &[u8]) -> Result<(), ExecutorError> {
    let text = job.log().masked(&String::from_utf8_lossy(text));
    let body = ArtifactBody::Bytes(text.into_bytes());
    let artifact = Artifact { name: "plan.txt".to_owned(), media_type: "text/plain; charset=utf-8".to_owned(), body };
    job.artifact(artifact).await
}

/// The only copy of what was done.
pub(crate) async fn errored_state(job: &JobContext, errored: &Path) -> Result<(), ExecutorError> {
    job.log().system(
        "terraform could not save its state; it is kept as the artifact errored.tfstate: push it with `terraform state push`",
    );
    let media_type = "application/json".to_owned();
    let body = ArtifactBody::File(errored.to_owned());
    job.artifact(Artifact { name: "errored.tfstate".to_owned(), media_type, body }).await
}
