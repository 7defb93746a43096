//! The table of routes. Runner routes stand here in both families of the contract.

use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::StatusCode;
use axum::middleware::map_request;
use axum::routing::{get, patch, post, put};
use futures_util::{Stream, StreamExt, stream};
use tokio::time::{Instant, timeout};
use tower_http::catch_panic::CatchPanicLayer;
use wire::paths;

use crate::access::Refusal;
use crate::plane::Plane;
use crate::routes::{
    Storage, git_credentials, identities, oidc, platform, runner_deploy, runner_side, runner_update, runners,
    storage_router, user_side, users,
};

/// All routes.
pub(crate) fn router(plane: Plane, storage: Storage) -> Router {
    runner_routes()
        .merge(user_routes())
        .merge(identity_routes())
        .route(paths::OPENID_CONFIGURATION, get(oidc::configuration))
        .route(paths::JWKS, get(oidc::keys))
        .route("/healthz", get(|| async { "ok" }))
        .route("/readyz", get(user_side::ready))
        .layer(DefaultBodyLimit::disable())
        .with_state(plane)
        .merge(storage_router(storage))
        .fallback(|| async { Refusal::new(StatusCode::NOT_FOUND, "there is no such route") })
        .method_not_allowed_fallback(|| async {
            Refusal::new(StatusCode::METHOD_NOT_ALLOWED, "this route does not know that method")
        })
        .layer(map_request(give_up_on_the_slow))
        .layer(CatchPanicLayer::custom(|_| {
            use axum::response::IntoResponse;
            Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "the control plane failed; try again").into_response()
        }))
}

/// A body of which nothing comes for so long is cut off: its sender is gone, or means harm.
const SILENCE: Duration = Duration::from_secs(15);
/// So is one that was waited for longer than this in all, and than what has come takes at [`SLOWEST_BYTES_PER_S`].
const PATIENCE: Duration = Duration::from_secs(30);
const SLOWEST_BYTES_PER_S: u64 = 16 << 10;

async fn give_up_on_the_slow(request: Request) -> Request {
    request.map(|body| if body.is_end_stream() { body } else { Body::from_stream(in_time(body.into_data_stream())) })
}

/// Only the time that the sender takes counts, not what is done with what came.
fn in_time<E: Into<axum::BoxError>>(
    body: impl Stream<Item = Result<Bytes, E>> + Unpin,
) -> impl Stream<Item = Result<Bytes, axum::Error>> {
    stream::try_unfold((body, Duration::ZERO, 0), async |(mut body, waited, received)| {
        let left = (PATIENCE + Duration::from_secs(received / SLOWEST_BYTES_PER_S)).saturating_sub(waited);
        let asked = Instant::now();
        let next = timeout(SILENCE.min(left), body.next()).await.map_err(axum::Error::new)?;
        let Some(bytes) = next.transpose().map_err(axum::Error::new)? else { return Ok(None) };
        let received = received + bytes.len() as u64;
        Ok(Some((bytes, (body, waited + asked.elapsed(), received))))
    })
}

fn runner_routes() -> Router<Plane> {
    Router::new()
        .route(paths::CLAIM, post(runner_side::claim))
        .route(paths::HEARTBEAT, post(runner_side::heartbeat))
        .route(paths::HEARTBEAT_RUNNERS, post(runner_side::heartbeat))
        .route("/api/jobs/{id}/status", put(runner_side::status))
        .route("/api/jobs/{id}/git-token", post(runner_side::git_token))
        .route("/api/jobs/{id}/oidc-token", post(runner_side::oidc_token))
        .route("/api/runners/{id}/events", get(runner_side::events))
        .route("/api/workers/{id}/events", get(runner_side::events))
        .route("/api/runners/{id}/metadata", patch(runner_side::metadata))
        .route("/api/workers/{id}/metadata", patch(runner_side::metadata))
        .route("/api/workers/{id}", axum::routing::delete(runners::remove))
}

fn identity_routes() -> Router<Plane> {
    Router::new()
        .route(paths::GIT_CREDENTIALS, get(git_credentials::list))
        .route("/api/git-credentials/{host}", put(git_credentials::put).delete(git_credentials::remove))
        .route(paths::IDENTITIES, get(identities::list))
        .route("/api/cloud-identities/{id}", get(identities::show).delete(identities::remove))
        .route(paths::VERIFIED_IDENTITIES, get(identities::verified))
        .route("/api/cli/providers/{provider}/init", post(identities::init))
        .route("/api/cli/providers/{provider}/connect", post(identities::connect))
        .route("/api/cli/providers/{provider}/verify", post(identities::verify))
        .route("/api/cli/providers/{provider}/disconnect", post(identities::disconnect))
        .route("/api/cli/providers/{provider}/status", get(identities::status))
}

fn user_routes() -> Router<Plane> {
    Router::new()
        .route(paths::USERS, post(users::add).get(users::list))
        .route("/api/users/{id}", axum::routing::delete(users::remove))
        .route(paths::JOBS, post(user_side::submit).get(user_side::list))
        .route("/api/jobs/{id}", get(user_side::show))
        .route("/api/jobs/{id}/cancel", post(user_side::cancel))
        .route("/api/jobs/{id}/retry", post(user_side::retry))
        .route("/api/jobs/{id}/explain", get(user_side::explain))
        .route("/api/cli/jobs/{id}", get(user_side::show))
        .route("/api/cli/jobs/{id}/cancel", post(user_side::cancel))
        .route(paths::KINDS, get(user_side::kinds))
        .route("/api/kinds/{kind}/schema", get(user_side::schema))
        .route(paths::PLATFORM_QUEUE, post(platform::queue))
        .route(paths::DEPLOY_RUNNER, post(runner_deploy::deploy))
        .route(paths::REGISTER, post(runners::register))
        .route("/api/workers/register", post(runners::register_worker))
        .route("/api/cli/runners/register", post(runners::register))
        .route(paths::RUNNERS, get(runners::runners))
        .route("/api/cli/runners", get(runners::runners))
        .route("/api/runners/{id}", get(runners::runner).delete(runners::remove))
        .route("/api/cli/runners/{id}", axum::routing::delete(runners::remove))
        .route("/api/runners/{id}/drain", post(runners::drain))
        .route("/api/runners/{id}/update", post(runner_update::update))
        .route("/api/runners/{id}/rotate-token", post(runners::rotate_token))
        .route("/api/workers/{id}/rotate-token", post(runners::rotate_token))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much is taken of a body of which so many bytes come, each so long after the one before.
    async fn taken(count: usize, bytes: usize, pause: Duration) -> usize {
        let parts = stream::repeat(Bytes::from(vec![0; bytes])).take(count);
        let body = parts.then(async |part| {
            tokio::time::sleep(pause).await;
            Ok::<_, axum::Error>(part)
        });
        in_time(Box::pin(body)).take_while(|part| std::future::ready(part.is_ok())).count().await
    }

    #[tokio::test(start_paused = true)]
    async fn who_sends_slowly_is_cut_off_and_who_sends_much_may_take_long() {
        assert_eq!(taken(10, 1, SILENCE - Duration::from_secs(1)).await, 2, "28 seconds are over with the second byte");
        assert_eq!(taken(10, 1, SILENCE + Duration::from_secs(1)).await, 0, "silence");
        assert_eq!(taken(1000, 16 << 10, Duration::from_secs(1)).await, 1000, "a slow line");
    }
}
