//! What runs runners asks: how much work there is.

use axum::Json;
use axum::extract::State;
use wire::{QueueDemand, RunnerMode, Timestamp};

use crate::access::Refusal;
use crate::gate::RunnerOrPlatform;
use crate::plane::Plane;

/// `POST /api/platform/queue`. To who runs the plane: all of it, after a look for lost runners. To a runner: its own, so
/// that what starts and stops it needs no other secret than the runner's. No sign of life.
pub(crate) async fn queue(State(plane): State<Plane>, caller: RunnerOrPlatform) -> Result<Json<QueueDemand>, Refusal> {
    if let RunnerOrPlatform::Runner(runner) = caller {
        return Ok(Json(plane.queue.demand_of(&runner).await?));
    }
    let recovered = plane.queue.reap(Timestamp::now()).await?;
    let mut shared = plane.directory.all_runners();
    shared.retain(|runner| runner.mode == RunnerMode::CloudHosted);
    shared.sort_by(|one, two| one.name.cmp(&two.name));
    Ok(Json(QueueDemand { recovered, ..plane.queue.demand(&shared).await? }))
}
