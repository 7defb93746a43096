//! What a job needs from the plane before it starts: fetched into its directory.

use std::fs;
use std::io;
use std::path::Path;
use std::time::Duration;

use backon::Retryable;
use executor_api::{Input, credential_inputs};
use reqwest::StatusCode;
use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use wire::{Reason, paths};

use crate::client::{Client, ClientError, OidcToken};
use crate::delivery;
use crate::dialect::Dialect;
use crate::job_directory::{Claimed, JobDirectory};
use crate::oidc_token::Renewal;
use crate::runner::Runner;

/// What a job needs, for itself and for who it is.
pub(crate) fn needed(runner: &Runner, claimed: &Claimed) -> Result<Vec<Input>, (Reason, String)> {
    let plugin = runner.registry.get(&claimed.job.job_type);
    let plugin = plugin.map_err(|error| (Reason::InvalidInput, error.to_string()))?;
    let cloud = &runner.config.job_settings.cloud;
    let inputs = plugin.executor().inputs(&claimed.job).and_then(|mut inputs| {
        inputs.extend(credential_inputs(claimed.cloud_identity.as_ref(), cloud)?);
        if claimed.issues_tokens == Some(false) {
            inputs.retain(|input| !matches!(input, Input::OidcToken { .. }));
        }
        Ok(inputs)
    });
    inputs.map_err(|error| (error.reason(), crate::chain(&error)))
}

/// Fetches all of it. Returns what has to be replaced while the job runs.
pub(crate) async fn fetch_all(
    runner: &Runner,
    claimed: &Claimed,
    directory: &JobDirectory,
) -> Result<Option<Renewal>, (Reason, String)> {
    let mut renewal = None;
    let dialect = runner.dialect().await;
    for input in needed(runner, claimed)? {
        let fetched = (|| fetch(&runner.client, dialect, claimed, &input)).retry(delivery::pauses());
        let fetched = fetched.when(|error| error.is_retryable() && !has_no_route(dialect, error));
        let fetched = fetched.notify(|error, pause| delivery::say("fetch an input", error, pause)).await;
        let fetched = match fetched {
            Ok(Some(fetched)) => fetched,
            Ok(None) => continue,
            Err(error) => return Err((Reason::InvalidInput, unfetched(dialect, &input, &error))),
        };
        check_digest(&input, &fetched.digest, &fetched.bytes).map_err(|text| (Reason::InvalidInput, text))?;
        let written =
            directory.make_inputs().and_then(|dir| write_private(&dir.join(input.file_name()), &fetched.bytes));
        written.map_err(|error| (Reason::RunnerError, format!("cannot write {}: {error}", input.file_name())))?;
        renewal = renewal.or(Renewal::of(&input, fetched.life));
    }
    Ok(renewal)
}

#[derive(Default)]
struct Fetched {
    bytes: Vec<u8>,
    digest: Option<String>,
    life: Option<Duration>,
}

/// A plane of the seed's contract knows fewer routes, and its framework says so in words of its own.
fn has_no_route(dialect: Dialect, error: &ClientError) -> bool {
    dialect == Dialect::Seed && error.status() == Some(StatusCode::NOT_FOUND)
}

fn unfetched(dialect: Dialect, input: &Input, error: &ClientError) -> String {
    let text = format!("cannot fetch {}: {}", input.file_name(), crate::chain(error));
    match input {
        Input::Artifact { name, .. } if has_no_route(dialect, error) && name != paths::PLAN_ARTIFACT => format!(
            "{text}; a control plane of the seed's contract keeps a plan without the folder that it was made in, so that no other \
             job can apply it: submit this one without plan_job_id, and it makes a plan of its own"
        ),
        _ => text,
    }
}

async fn fetch(
    client: &Client,
    dialect: Dialect,
    claimed: &Claimed,
    input: &Input,
) -> Result<Option<Fetched>, ClientError> {
    match input {
        Input::Source(id) => {
            let bytes = client.source(id).await?.to_vec();
            Ok(Some(Fetched { bytes, digest: Some(id.clone()), life: None }))
        }
        Input::Artifact { job_id, name } => {
            let (bytes, digest) = client.artifact(job_id, name).await?;
            Ok(Some(Fetched { bytes: bytes.to_vec(), digest, life: None }))
        }
        Input::JobRecord(id) => {
            let job = client.job(id).await?;
            let bytes = serde_json::to_vec(&job).map_err(|error| ClientError::Nonsense(error.to_string()))?;
            Ok(Some(Fetched { bytes, ..Fetched::default() }))
        }
        Input::GitToken { host } => {
            let token = client.git_token(&claimed.job.id, claimed.job.attempt_no(), host).await?;
            Ok(token.map(|token| Fetched { bytes: token.expose_secret().as_bytes().to_vec(), ..Fetched::default() }))
        }
        Input::OidcToken { audience } => {
            let fetched = match client.oidc_token(&claimed.job.id, claimed.job.attempt_no(), audience).await {
                Err(error) if has_no_route(dialect, &error) => None,
                fetched => fetched?,
            };
            Ok(fetched.map(|OidcToken { token, life }| {
                let bytes = token.expose_secret().as_bytes().to_vec();
                Fetched { bytes, life, digest: None }
            }))
        }
    }
}

fn check_digest(input: &Input, expected: &Option<String>, bytes: &[u8]) -> Result<(), String> {
    let digest = hex::encode(Sha256::digest(bytes));
    match expected {
        Some(expected) if !expected.eq_ignore_ascii_case(&digest) => {
            Err(format!("{} arrived damaged: its SHA-256 is {digest}, not {expected}", input.file_name()))
        }
        _ => Ok(()),
    }
}

fn write_private(file: &Path, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(file)?.write_all(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_plane_of_the_seeds_contract_does_not_keep_is_said_with_the_remedy() {
        let not_found =
            ClientError::Refused { status: StatusCode::NOT_FOUND, text: "no".to_owned(), pause: Duration::ZERO };
        let of = |dialect, name: &str| {
            let input = Input::Artifact { job_id: "j".parse().unwrap(), name: name.to_owned() };
            unfetched(dialect, &input, &not_found).contains("without plan_job_id")
        };
        assert!(of(Dialect::Seed, "workspace.tar.gz"));
        assert!(!of(Dialect::Seed, paths::PLAN_ARTIFACT) && !of(Dialect::Two, "workspace.tar.gz"));
    }
}
