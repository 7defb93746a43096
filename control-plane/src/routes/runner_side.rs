//! What a runner calls: claim, heartbeat, status, events, metadata.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::{Stream, stream};
use serde_json::{Value, json};
use tokio::sync::watch;
use wire::{
    CancelOrder, Claim, ClaimRequest, GitTokenAnswer, GitTokenRequest, Heartbeat, HeartbeatAnswer, JobId,
    OidcTokenAnswer, OidcTokenRequest, PROTOCOL, ReportAnswer, RunnerId, RunnerStatus, StatusReport, Timestamp, paths,
};

use super::body::{self, Asked};
use crate::access::Refusal;
use crate::directory::Runner;
use crate::error::PlaneError;
use crate::gate::{Attempt, AuthenticatedRunner, WorkingRunner};
use crate::plane::Plane;
use crate::queue::Reported;

const JSON_BYTES: u64 = 2 << 20;
/// Plans, summaries and outputs travel as metadata.
const STATUS_BYTES: u64 = 16 << 20;

/// `POST /api/jobs/claim`
pub(crate) async fn claim(
    State(plane): State<Plane>,
    Asked(AuthenticatedRunner(runner), said): Asked<AuthenticatedRunner, JSON_BYTES>,
) -> Result<Json<Claim>, Refusal> {
    let request: ClaimRequest = body::json_or_default(&said)?;
    // Not as it is known now, which may be with another token: the one that asks is who came with this one.
    sign_of_life(&plane, &runner.id, |runner| {
        // The seed's runners never say that they are back.
        if runner.said == RunnerStatus::Offline {
            runner.said = RunnerStatus::Online;
        }
    })
    .await?;
    let claim = plane.queue.claim(&runner, &request).await?;
    sign_of_life(&plane, &runner.id, |_| {}).await?;
    Ok(Json(claim))
}

/// `POST /api/workers/heartbeat`
pub(crate) async fn heartbeat(
    State(plane): State<Plane>,
    Asked(WorkingRunner(runner), said): Asked<WorkingRunner, JSON_BYTES>,
) -> Result<Json<HeartbeatAnswer>, Refusal> {
    let mut heartbeat: Heartbeat = body::json_or_default(&said)?;
    refuse_twin(&plane, &runner, &heartbeat)?;
    if let Some(kinds) = heartbeat.kinds.take() {
        let labels = heartbeat.labels.take().unwrap_or_default();
        plane.directory.publish_kinds(&runner.id, kinds, labels).await?;
    }
    let is_another = matches!((&runner.instance_id, &heartbeat.instance_id), (Some(known), Some(new)) if known != new);
    let said = heartbeat.clone();
    let mut runner = sign_of_life(&plane, &runner.id, move |runner| {
        runner.said = said.status;
        runner.version = Some(said.version).filter(|version| !version.is_empty()).or(runner.version.take());
        runner.instance_id = said.instance_id.or(runner.instance_id.take());
    })
    .await?;
    // What it was asked for is done when it is gone; also if it went without a word, and another is in its place.
    let is_gone = runner.said == RunnerStatus::Offline
        || runner.drain && is_another && plane.queue.held_by(&runner.id).await?.is_empty();
    if runner.drain && is_gone {
        runner = plane.directory.update(&runner.id, |runner| runner.drain = false).await?;
    }
    let lost = plane.queue.extend_leases(&runner.id, &heartbeat).await?;
    Ok(Json(HeartbeatAnswer {
        success: true,
        protocol: Some(PROTOCOL),
        lease_s: Some(plane.queue.timings().lease.as_secs()),
        cancel: plane.queue.cancel_orders(&runner.id).await?,
        lost,
        drain: runner.drain,
    }))
}

fn refuse_twin(plane: &Plane, runner: &Runner, heartbeat: &Heartbeat) -> Result<(), Refusal> {
    let alive = runner.status(Timestamp::now(), plane.queue.timings().online) != RunnerStatus::Offline;
    match (&runner.instance_id, &heartbeat.instance_id) {
        (Some(known), Some(new)) if known != new && alive => Err(Refusal::new(
            StatusCode::CONFLICT,
            format!("runner {:?} runs already with another state directory; register a second runner", runner.name),
        )),
        _ => Ok(()),
    }
}

async fn sign_of_life(plane: &Plane, id: &RunnerId, change: impl FnOnce(&mut Runner)) -> Result<Runner, PlaneError> {
    const WRITTEN_AGAIN_AFTER: i64 = 20_000_000;
    let alive = |runner: &mut Runner| {
        runner.last_heartbeat = Some(Timestamp::now());
        change(runner);
    };
    let durable = |before: &Runner, after: &Runner| {
        let at = |runner: &Runner| runner.last_heartbeat.map_or(0, Timestamp::as_micros);
        let facts = |runner: &Runner| (runner.said, runner.version.clone(), runner.instance_id.clone());
        facts(before) != facts(after) || at(after) - at(before) > WRITTEN_AGAIN_AFTER
    };
    plane.directory.heard(id, alive, durable).await
}

/// `PUT /api/jobs/{id}/status`
pub(crate) async fn status(
    State(plane): State<Plane>,
    Attempt(attempt): Attempt,
    Path(job): Path<String>,
    Asked(WorkingRunner(runner), said): Asked<WorkingRunner, STATUS_BYTES>,
) -> Result<Response, Refusal> {
    let job = body::job_id(&job)?;
    let report: StatusReport = body::json(&said)?;
    if report.execution_metadata.as_ref().is_some_and(|metadata| !metadata.is_object()) {
        let mut refusal = Refusal::new(StatusCode::UNPROCESSABLE_ENTITY, "execution_metadata must be an object");
        refusal.body.pointer = Some("/execution_metadata".to_owned());
        return Err(refusal);
    }
    let next = report.next.clone().filter(|_| report.status.is_terminal());
    match plane.queue.report(&runner, &job, attempt, report).await {
        Ok(Reported::Taken) => {
            let claim = match next {
                Some(next) => claim_beside_a_report(&plane, &runner, next).await,
                None => None,
            };
            Ok(Json(ReportAnswer { success: true, claim }).into_response())
        }
        Ok(Reported::TooLate(error)) => Err(Refusal::new(StatusCode::CONFLICT, error)),
        Err(PlaneError::LogBehind(offset)) => {
            let wanted = ([(paths::LOG_OFFSET, offset.to_string())], Json(json!({ "offset": offset })));
            Ok((StatusCode::RANGE_NOT_SATISFIABLE, wanted).into_response())
        }
        Err(error) => Err(error.into()),
    }
}

/// The next job for the slot that the end of another has freed: one request, and one wait of the runner, in place of two.
/// The report is taken whatever comes of this; a runner without an answer asks again with the same request, and is given
/// the same job.
async fn claim_beside_a_report(plane: &Plane, runner: &Runner, next: ClaimRequest) -> Option<Claim> {
    let claimed = plane.queue.claim(runner, &ClaimRequest { wait_s: 0, ..next }).await;
    let claimed = claimed.inspect_err(|error| tracing::error!(%error, "cannot look for a runner's next job"));
    claimed.ok().filter(|claim| claim.job.is_some())
}

/// `POST /api/jobs/{id}/git-token`
pub(crate) async fn git_token(
    State(plane): State<Plane>,
    Attempt(attempt): Attempt,
    Path(job): Path<String>,
    Asked(WorkingRunner(runner), said): Asked<WorkingRunner, JSON_BYTES>,
) -> Result<Json<GitTokenAnswer>, Refusal> {
    let request: GitTokenRequest = body::json_or_default(&said)?;
    let holding = plane.queue.holding(&runner, &body::job_id(&job)?).await?;
    holding.check(&runner.id, attempt)?;
    if holding.status.is_terminal() {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "the job has ended"));
    }
    let row = plane.queue.get(&holding.job).await?;
    Ok(Json(plane.git_credentials.for_job(&row.job, request.host.as_deref()).await?))
}

/// `POST /api/jobs/{id}/oidc-token`
pub(crate) async fn oidc_token(
    State(plane): State<Plane>,
    Attempt(attempt): Attempt,
    Path(job): Path<String>,
    Asked(WorkingRunner(runner), said): Asked<WorkingRunner, JSON_BYTES>,
) -> Result<Json<OidcTokenAnswer>, Refusal> {
    let request: OidcTokenRequest = body::json(&said)?;
    let holding = plane.queue.holding(&runner, &body::job_id(&job)?).await?;
    holding.check(&runner.id, attempt)?;
    if holding.status.is_terminal() {
        return Err(Refusal::new(StatusCode::FORBIDDEN, "the job has ended"));
    }
    let Some(issuer) = &plane.oidc else { return Ok(Json(OidcTokenAnswer { token: None, expires_at: None })) };
    let row = plane.queue.get(&holding.job).await?;
    Ok(Json(issuer.vouch(&row.job, &request.audience)?))
}

/// `PATCH /api/runners/{id}/metadata`
pub(crate) async fn metadata(
    State(plane): State<Plane>,
    Path(id): Path<String>,
    Asked(AuthenticatedRunner(runner), said): Asked<AuthenticatedRunner, JSON_BYTES>,
) -> Result<Json<Value>, Refusal> {
    own(&runner, &id)?;
    let metadata: serde_json::Map<String, Value> = body::json(&said)?;
    plane.directory.update(&runner.id, |runner| runner.metadata = Some(metadata.into())).await?;
    Ok(Json(json!({ "success": true })))
}

/// `GET /api/runners/{id}/events`
pub(crate) async fn events(
    State(plane): State<Plane>,
    AuthenticatedRunner(runner): AuthenticatedRunner,
    Path(id): Path<String>,
) -> Result<Response, Refusal> {
    own(&runner, &id)?;
    let orders =
        Orders { changed: plane.wake.orders(&runner.id), plane, runner, told: BTreeSet::new(), draining: false };
    let keep_alive = KeepAlive::new().interval(Duration::from_secs(30)).text("ping");
    let stream = Sse::new(orders.stream()).keep_alive(keep_alive);
    Ok(([(HeaderName::from_static("x-accel-buffering"), "no")], stream).into_response())
}

fn own(runner: &Runner, id: &str) -> Result<(), Refusal> {
    if runner.id.as_str() == id { Ok(()) } else { Err(Refusal::not_found("runner")) }
}

/// One open stream of orders. It looks at what is ordered now, so that no order can be missed.
struct Orders {
    plane: Plane,
    runner: Runner,
    changed: watch::Receiver<()>,
    told: BTreeSet<(JobId, u32, bool)>,
    draining: bool,
}

impl Orders {
    fn stream(self) -> impl Stream<Item = Result<Event, Infallible>> {
        // A first comment, so that the runner knows at once that it is connected.
        let hello = stream::iter([Ok(Event::default().comment("connected"))]);
        let orders = stream::unfold(self, |mut orders| async move {
            let event = orders.next().await?;
            Some((Ok(event), orders))
        });
        futures_util::StreamExt::chain(hello, orders)
    }

    async fn next(&mut self) -> Option<Event> {
        loop {
            self.changed.mark_unchanged();
            // Removed, or with another token: whoever holds this stream is nobody any more.
            let now = self.plane.directory.runner(&self.runner.id)?;
            if now.token_hash != self.runner.token_hash {
                return None;
            }
            if now.drain && !self.draining {
                self.draining = true;
                return Some(Event::default().event("drain").data("{}"));
            }
            match self.plane.queue.cancel_orders(&self.runner.id).await {
                Ok(orders) => {
                    if let Some(order) = orders.into_iter().find(|order| self.told.insert(key(order))) {
                        return Event::default().event("cancel").json_data(order).ok();
                    }
                }
                Err(error) => {
                    tracing::error!(%error, "cannot look up a runner's orders");
                    return None;
                }
            }
            self.changed.changed().await.ok()?;
        }
    }
}

fn key(order: &CancelOrder) -> (JobId, u32, bool) {
    (order.job_id.clone(), order.attempt.0, order.force)
}
