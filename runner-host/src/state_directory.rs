//! The folder of one runner: private, used by one process at a time, with a name that the plane knows.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use rustix::fs::{FlockOperation, flock};

use crate::job_directory::try_room;
use crate::runner::RunError;

pub(crate) fn make_private(dir: &Path) -> Result<(), RunError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(dir);
    made.map_err(RunError::failed(format!("cannot make the state directory {}", dir.display())))
}

/// Whether a runner could keep a job there. Leaves nothing behind: who asks may be another user than who will start it.
pub(crate) fn try_out(dir: &Path) -> io::Result<()> {
    let made: Vec<_> = dir.ancestors().take_while(|dir| !dir.exists()).collect();
    let tried = DirBuilder::new().recursive(true).mode(0o700).create(dir).and_then(|()| try_room(dir));
    for dir in made {
        // One that could not be made is not there.
        let _ = fs::remove_dir(dir);
    }
    tried
}

/// Until the file is dropped, no other process uses it.
pub(crate) fn lock(state_dir: &Path) -> Result<File, RunError> {
    make_private(state_dir)?;
    let file = File::create(state_dir.join("lock"));
    let file = file.map_err(RunError::failed(format!("cannot use the state directory {}", state_dir.display())))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| {
        RunError::Config(format!(
            "another runner uses the state directory {}; stop it, or give this one its own with ALETHIA_STATE_DIR",
            state_dir.display()
        ))
    })?;
    Ok(file)
}

/// Names this state directory to the plane, for as long as it exists.
pub(crate) fn instance_id(state_dir: &Path) -> Result<String, RunError> {
    let file = state_dir.join("instance-id");
    if let Ok(id) = fs::read_to_string(&file)
        && !id.trim().is_empty()
    {
        return Ok(id.trim().to_owned());
    }
    let id = uuid::Uuid::new_v4().to_string();
    fs::write(&file, &id).map_err(RunError::failed(format!("cannot write {}", file.display())))?;
    Ok(id)
}
