//! Where the state of a runner's stack is: with the whole id, so that no two runners share one.

use executor_api::{ExecutorError, JobContext};
use executor_terraform::Backend;
use serde_json::{Value, json};

use super::wanted::WantedRunner;
use crate::state_place::{self, StateNames};

/// The place, and what the plane is to remember of it.
pub(super) struct Place {
    pub(super) backend: Backend,
    pub(super) known_as: Value,
}

impl Place {
    /// Where this runner keeps the state.
    ///
    /// # Errors
    /// If the runner's state is elsewhere: what is not seen would be made twice, or not be taken away.
    pub(super) fn of(job: &JobContext, wanted: &WantedRunner) -> Result<Self, ExecutorError> {
        let (settings, id) = (job.settings(), &wanted.id);
        let key = format!("runners/{id}/terraform.tfstate");
        let names = StateNames { file: key.clone(), key, name: format!("runners.{id}") };
        let backend = state_place::backend(settings, names)?;
        let mut known_as = json!(backend);
        if let Some(storage) = &settings.storage {
            known_as["endpoint"] = json!(storage.endpoint);
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
