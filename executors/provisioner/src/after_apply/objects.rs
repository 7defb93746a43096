//! Objects that belong to no chart, applied by the server's own merge.

use std::time::Duration;

use executor_api::{ExecutorError, JobContext};
use executor_kubectl::{ApplyOptions, Kubectl, ManifestFiles, Resource};
use serde_json::{Value, json};

use super::applications::Object;
use super::deadline::Deadline;
use super::known;

/// Between two tries while what a kind needs is not there yet.
const PAUSE: Duration = Duration::from_secs(5);

/// Applies them. Their kinds may be of an application that is healthy, and whose webhook still waits for its certificate:
/// that is tried again until the deadline.
pub(super) async fn apply(
    job: &JobContext,
    kubectl: &Kubectl<'_>,
    objects: &[&Object],
    deadline: Deadline,
) -> Result<(), ExecutorError> {
    let mut manifests = Vec::new();
    for object in objects {
        match who_has_the_say(kubectl, object).await? {
            None => manifests.push(&object.manifest),
            Some(other) => job.log().system(format!("{} is not made: there is {other}", name(&object.manifest))),
        }
    }
    if manifests.is_empty() {
        return Ok(());
    }
    let files = written(job, &manifests)?;
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

/// What is in the cluster already in place of an object that is made only once.
async fn who_has_the_say(kubectl: &Kubectl<'_>, object: &Object) -> Result<Option<String>, ExecutorError> {
    for unless in object.unless {
        let kind = unless.split('/').next().unwrap_or(unless);
        if !known::has_kind(kubectl, kind).await? {
            continue;
        }
        let other = match Resource::parse(unless) {
            Ok(one) => kubectl.get_one(one).await?,
            Err(_) => kubectl.get_everywhere(&[kind]).await?.pop(),
        };
        if let Some(other) = other {
            return Ok(Some(name(&other)));
        }
    }
    Ok(None)
}

/// For a person.
fn name(manifest: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    format!("{} {}", text(&manifest["kind"]), text(&manifest["metadata"]["name"]))
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
