//! Where the state of a runner's stack is: with the whole id, so that no two runners share one.

use executor_api::{ExecutorError, JobContext};
use executor_terraform::Backend;
use serde_json::{Value, json};

use super::wanted::WantedRunner;

/// The contract's bucket.
const BUCKET: &str = "spec-terraform-state";

/// The place, and what the plane is to remember of it.
pub(super) struct Place {
    pub(super) backend: Backend,
    pub(super) known_as: Value,
}

impl Place {
    /// Where this runner keeps states: its operator's storage, else the control plane, else this machine.
    ///
    /// # Errors
    /// If the runner's state is elsewhere: what is not seen would be made twice, or not be taken away.
    pub(super) fn of(job: &JobContext, wanted: &WantedRunner) -> Result<Self, ExecutorError> {
        let (settings, id) = (job.settings(), &wanted.id);
        let key = format!("runners/{id}/terraform.tfstate");
        let (backend, endpoint) = match (&settings.storage, &settings.plane, &settings.local_states) {
            (Some(storage), _, _) => {
                let bucket = settings.state_bucket.clone().unwrap_or_else(|| BUCKET.to_owned());
                (Backend::S3 { bucket, key }, Some(&storage.endpoint))
            }
            (None, Some(_), _) => (Backend::Plane { name: format!("runners.{id}") }, None),
            (None, None, Some(folder)) => (Backend::Local { path: folder.join(key) }, None),
            (None, None, None) => {
                let error = "there is no place for the state: the runner has no storage and no control plane";
                return Err(ExecutorError::Other(error.to_owned()));
            }
        };
        let mut known_as = json!(backend);
        if let Some(endpoint) = endpoint {
            known_as["endpoint"] = json!(endpoint);
        }
        match &wanted.known_state {
            Some(known) if *known != known_as => Err(ExecutorError::invalid(
                "/state",
                format!(
                    "this runner's stack has its state in {known}, and the runner that has this job keeps states in \
                     {known_as}; let another do it (assigned_runner_id)"
                ),
            )),
            _ => Ok(Self { backend, known_as }),
        }
    }
}
