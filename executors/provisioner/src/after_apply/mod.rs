//! What comes after the apply: Argo CD and the applications, from what was wanted and what terraform handed back.

mod options;

use executor_api::{ExecutorError, JobContext};
use serde_json::{Map, Value};

use crate::snapshot::Snapshot;
use crate::steps::Steps;

pub use options::{ApplicationsOptions, ArgoCdOptions};

/// Brings Argo CD and the applications into the environment's cluster and waits until they are healthy. What is
/// returned belongs into the job's metadata. `outputs` are terraform's, without the sensitive ones.
///
/// # Errors
/// If a step does not come to its end; the steps before it stay done, and another DEPLOY goes on from there.
#[expect(clippy::unused_async, reason = "nothing is installed yet")]
pub(crate) async fn run(
    job: &JobContext,
    _steps: &mut Steps<'_>,
    _snapshot: &Snapshot,
    _outputs: &Map<String, Value>,
) -> Result<Map<String, Value>, ExecutorError> {
    job.log().system("Argo CD and the applications are not installed yet by this version");
    Ok(Map::new())
}

/// Takes away what the applications made in the cloud, which terraform knows nothing of.
///
/// # Errors
/// If something is left; terraform would not find it.
#[expect(clippy::unused_async, reason = "nothing is installed yet")]
pub(crate) async fn remove(
    job: &JobContext,
    _steps: &mut Steps<'_>,
    _snapshot: &Snapshot,
    _outputs: &Map<String, Value>,
) -> Result<Map<String, Value>, ExecutorError> {
    job.log().system("the applications are not removed yet by this version");
    Ok(Map::new())
}
