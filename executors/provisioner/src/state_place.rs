//! Where a runner keeps states: in its operator's storage, else at the control plane, else in a file of this machine.

use std::fs::DirBuilder;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use executor_api::{ExecutorError, JobSettings};
use executor_terraform::Backend;

/// The contract's bucket for states.
const BUCKET: &str = "spec-terraform-state";

/// What one state is called in each of the places.
pub(crate) struct StateNames {
    /// The object in a bucket.
    pub(crate) key: String,
    /// The name at the control plane.
    pub(crate) name: String,
    /// The file, below the folder of states.
    pub(crate) file: String,
}

/// The place of a state.
///
/// # Errors
/// If there is none.
pub(crate) fn backend(settings: &JobSettings, names: StateNames) -> Result<Backend, ExecutorError> {
    if settings.storage.is_some() {
        let bucket = settings.state_bucket.clone().unwrap_or_else(|| BUCKET.to_owned());
        return Ok(Backend::S3 { bucket, key: names.key });
    }
    if settings.plane.is_some() {
        return Ok(Backend::Plane { name: names.name });
    }
    let Some(folder) = &settings.local_states else {
        let remedy = "set SUPABASE_S3_ENDPOINT and the variables beside it, or run it from a control plane";
        return Err(ExecutorError::Other(format!("there is no place for the state: {remedy}")));
    };
    make_private(folder).map_err(ExecutorError::io(format!("cannot make {} for states", folder.display())))?;
    Ok(Backend::Local { path: folder.join(names.file) })
}

/// States hold secrets.
fn make_private(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}
