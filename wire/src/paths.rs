//! Every route and every header name, once.
//!
//! Runner routes exist in two families that mean the same: the seed's `/api/workers/*` with `X-Worker-*`, and the
//! later `/api/runners/*` with `X-Runner-*`. We send the first and serve both.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// Which runner calls. The seed's name.
pub const WORKER_ID: &str = "x-worker-id";
/// The runner's secret. The seed's name.
pub const WORKER_TOKEN: &str = "x-worker-token";
/// Which runner calls. The later name.
pub const RUNNER_ID: &str = "x-runner-id";
/// The runner's secret. The later name.
pub const RUNNER_TOKEN: &str = "x-runner-token";
/// The attempt that a write belongs to. Without it a write counts as attempt 1.
pub const JOB_ATTEMPT: &str = "x-job-attempt";
/// On a 416 and a 200 of a log append: the offset that the plane wants next.
pub const LOG_OFFSET: &str = "x-log-offset";
/// SHA-256 of an artifact's bytes in hexadecimal digits, on upload and download.
pub const CONTENT_SHA256: &str = "x-content-sha256";

/// Media type of a log append of protocol 2: frames, one after another (see [`crate::FrameHeader`]).
pub const LOG_FRAMES: &str = "application/vnd.alethia.log-frames";

/// The artifact that the seed's plan routes are about.
pub const PLAN_ARTIFACT: &str = "terraform.plan.out";

/// `POST`: ask for a job.
pub const CLAIM: &str = "/api/jobs/claim";
/// `POST`: the seed's heartbeat.
pub const HEARTBEAT: &str = "/api/workers/heartbeat";
/// `POST`: the same under its later name.
pub const HEARTBEAT_RUNNERS: &str = "/api/runners/heartbeat";
/// `POST` submit, `GET` list; user's token.
pub const JOBS: &str = "/api/jobs";
/// `POST` a tar.gz; user's token.
pub const SOURCES: &str = "/api/sources";
/// `GET` the kinds that runners have published; user's token.
pub const KINDS: &str = "/api/kinds";
/// `GET` list; user's token.
pub const RUNNERS: &str = "/api/runners";
/// `POST`: make a runner; user's token.
pub const REGISTER: &str = "/api/runners/register";

/// `POST`: make a runner known and queue the job that deploys it; user's token.
pub const DEPLOY_RUNNER: &str = "/api/cli/runners/deploy";
/// `POST`: how much work there is, for what scales runners. The token of somebody who runs the plane, for all
/// cloud-hosted runners; or a runner's own, for that runner.
pub const PLATFORM_QUEUE: &str = "/api/platform/queue";

/// `POST` add, `GET` list; the token of somebody who runs the plane.
pub const USERS: &str = "/api/users";
/// `GET` all identities of an organisation; user's token.
pub const IDENTITIES: &str = "/api/cloud-identities";
/// `GET` the verified ones: the seed's route.
pub const VERIFIED_IDENTITIES: &str = "/api/cli/cloud-identities";
/// `GET`: who issues the tokens of jobs, for clouds that trust the plane. Public.
pub const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";
/// `GET`: the keys that those tokens are signed with. Public.
pub const JWKS: &str = "/.well-known/jwks.json";

/// `GET`: the git hosts that there are tokens for; user's token.
pub const GIT_CREDENTIALS: &str = "/api/git-credentials";

/// `PUT`, `DELETE`: the token of one git host.
#[must_use]
pub fn git_credential(host: &str) -> String {
    format!("/api/git-credentials/{}", segment(host))
}

/// `DELETE`: a user.
#[must_use]
pub fn user(id: &str) -> String {
    format!("/api/users/{}", segment(id))
}

/// `GET`, `DELETE`: an identity.
#[must_use]
pub fn identity(id: &str) -> String {
    format!("/api/cloud-identities/{}", segment(id))
}

/// `POST`: `init`, `connect`, `verify` or `disconnect` an identity.
#[must_use]
pub fn provider(provider: &str, verb: &str) -> String {
    format!("/api/cli/providers/{}/{}", segment(provider), segment(verb))
}

/// `POST`: a token that says who the job is, for its runner.
#[must_use]
pub fn oidc_token(id: &str) -> String {
    format!("/api/jobs/{}/oidc-token", segment(id))
}

/// `GET`: one job, for its runner or a user.
#[must_use]
pub fn job(id: &str) -> String {
    format!("/api/jobs/{}", segment(id))
}

/// `PUT`: a runner's report.
#[must_use]
pub fn job_status(id: &str) -> String {
    format!("/api/jobs/{}/status", segment(id))
}

/// `POST` a chunk, `GET ?after=` a page: the seed's log routes.
#[must_use]
pub fn job_logs(id: &str) -> String {
    format!("/api/jobs/{}/logs", segment(id))
}

/// `GET`: the live log as server-sent events.
#[must_use]
pub fn job_logs_stream(id: &str) -> String {
    format!("/api/jobs/{}/logs/stream", segment(id))
}

/// `POST` frames `?offset=N` (protocol 2), `GET` the raw bytes with Range.
#[must_use]
pub fn job_log(id: &str) -> String {
    format!("/api/jobs/{}/log", segment(id))
}

/// `POST`, `GET`: the seed's plan artifact.
#[must_use]
pub fn plan_artifact(id: &str) -> String {
    format!("/api/jobs/{}/plan-artifact", segment(id))
}

/// `GET` list of a job's artifacts.
#[must_use]
pub fn artifacts(id: &str) -> String {
    format!("/api/jobs/{}/artifacts", segment(id))
}

/// `PUT`, `GET`: one artifact by name.
#[must_use]
pub fn artifact(id: &str, name: &str) -> String {
    format!("/api/jobs/{}/artifacts/{}", segment(id), segment(name))
}

/// `POST`: a token for the job's git host.
#[must_use]
pub fn git_token(id: &str) -> String {
    format!("/api/jobs/{}/git-token", segment(id))
}

/// `POST`: ask for a job's end. `?force=true` skips the grace.
#[must_use]
pub fn cancel(id: &str) -> String {
    format!("/api/jobs/{}/cancel", segment(id))
}

/// `POST`: the same work as a new job.
#[must_use]
pub fn retry(id: &str) -> String {
    format!("/api/jobs/{}/retry", segment(id))
}

/// `GET`: why a job waits.
#[must_use]
pub fn explain(id: &str) -> String {
    format!("/api/jobs/{}/explain", segment(id))
}

/// `GET`: an archive, for the runner that holds a job that names it.
#[must_use]
pub fn source(id: &str) -> String {
    format!("/api/sources/{}", segment(id))
}

/// `GET`, `DELETE`: one runner.
#[must_use]
pub fn runner(id: &str) -> String {
    format!("/api/runners/{}", segment(id))
}

/// `GET`: cancel and drain as server-sent events, for the runner itself.
#[must_use]
pub fn runner_events(id: &str) -> String {
    format!("/api/runners/{}/events", segment(id))
}

/// `POST`: ask a runner to drain.
#[must_use]
pub fn runner_drain(id: &str) -> String {
    format!("/api/runners/{}/drain", segment(id))
}

/// `POST`: queue the job that gives a deployed runner another image; user's token.
#[must_use]
pub fn runner_update(id: &str) -> String {
    format!("/api/runners/{}/update", segment(id))
}

/// `POST`: a new token; the old one ends at once.
#[must_use]
pub fn runner_rotate_token(id: &str) -> String {
    format!("/api/runners/{}/rotate-token", segment(id))
}

/// Terraform's `http` backend: `GET`, `POST`, `DELETE` the state of that name; `PUT` locks and `DELETE` unlocks
/// at `/lock` below it. Basic authentication: user = job id, password = the attempt's state token.
#[must_use]
pub fn state(name: &str) -> String {
    format!("/api/state/{}", segment(name))
}

/// What stands in a URL as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A name as one piece of a path, whatever it is. The two that mean another folder, also as `%2E`, become names that
/// nobody has.
fn segment(name: &str) -> String {
    match name {
        "." | ".." => name.replace('.', "%252E"),
        _ => utf8_percent_encode(name, UNRESERVED).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_piece_of_its_path() {
        let of_one = [
            git_credential,
            user,
            identity,
            oidc_token,
            job,
            job_status,
            job_logs,
            job_logs_stream,
            job_log,
            plan_artifact,
            artifacts,
            git_token,
            cancel,
            retry,
            explain,
            source,
            runner,
            runner_events,
            runner_drain,
            runner_update,
            runner_rotate_token,
            state,
        ];
        let all = |name: &str| {
            of_one.iter().map(|path| path(name)).chain([provider(name, name), artifact(name, name)]).collect::<Vec<_>>()
        };
        for name in ["../users/bob", "..", ".", "a?b", "a#b", "a/b", "a%2fb", "a b", "ä"] {
            for (path, plain) in all(name).iter().zip(all("x")) {
                let url = url::Url::parse(&format!("http://plane{path}")).unwrap();
                assert_eq!(url.path(), path, "{name}");
                assert_eq!(path.split('/').count(), plain.split('/').count(), "{name}: {path}");
            }
        }
        assert_eq!(artifact("0198-a_b~c", "terraform.plan.out"), "/api/jobs/0198-a_b~c/artifacts/terraform.plan.out");
    }
}
