//! Objects that belong to no chart, applied by the server's own merge.

use std::time::Duration;

use executor_api::{ExecutorError, JobContext};
use executor_kubectl::{ApplyOptions, Kubectl, ManifestFiles};
use serde_json::{Value, json};

use super::deadline::Deadline;

/// Between two tries while what a kind needs is not there yet.
const PAUSE: Duration = Duration::from_secs(5);

/// Applies them. Their kinds may be of an application that is healthy, and whose webhook still waits for its certificate:
/// that is tried again until the deadline.
pub(super) async fn apply(
    job: &JobContext,
    kubectl: &Kubectl<'_>,
    manifests: &[&Value],
    deadline: Deadline,
) -> Result<(), ExecutorError> {
    if manifests.is_empty() {
        return Ok(());
    }
    let files = written(job, manifests)?;
    let options = ApplyOptions { force_conflicts: true, ..ApplyOptions::default() };
    loop {
        let before = kubectl.look(&files).await?;
        job.commit_point().await?;
        let applied = kubectl.apply(&files, &options, &before).await;
        match applied.map_err(ExecutorError::from) {
            Ok(_) => return Ok(()),
            Err(error) if comes_by_itself(&error) && !deadline.is_over() => {
                job.log().system(format!("{error}; trying again in {} s", PAUSE.as_secs()));
                deadline.rest(job, PAUSE).await?;
            }
            Err(error) => return Err(error),
        }
    }
}

fn written(job: &JobContext, manifests: &[&Value]) -> Result<ManifestFiles, ExecutorError> {
    let folder = job.work_dir().join("objects");
    std::fs::create_dir_all(&folder).map_err(ExecutorError::io("cannot make a folder for manifests"))?;
    let list = json!({ "apiVersion": "v1", "kind": "List", "items": manifests });
    let written = std::fs::write(folder.join("objects.json"), list.to_string());
    written.map_err(ExecutorError::io("cannot write manifests"))?;
    ManifestFiles::read(job, &folder, "objects.json", "/applications")
}

/// In the words of Kubernetes' API server.
fn comes_by_itself(error: &ExecutorError) -> bool {
    let text = error.to_string();
    ["failed calling webhook", "no matches for kind", "resource mapping not found"]
        .iter()
        .any(|sign| text.contains(sign))
}
