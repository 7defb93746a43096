//! What it means when AWS says no, and what mends it.

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_sts::Client;
use aws_sdk_sts::error::{ProvideErrorMetadata, SdkError};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use executor_api::{CredentialRequest, ExecutorError};
use serde_json::{Value, json};

use super::calls::said_in;
use crate::identity::refusal;

const NOBODY: &str = "the runner has no AWS identity of its own; give its machine an instance role, a task role or a web \
                      identity, or set AWS_PROFILE or AWS_ACCESS_KEY_ID for it";

/// No link of the chain has anything.
pub(super) fn nobody() -> ExecutorError {
    ExecutorError::Other(NOBODY.to_owned())
}

/// The chain was asked, and failed.
pub(super) fn no_ambient(error: &CredentialsError) -> ExecutorError {
    let why = root(error);
    let unknown = || ExecutorError::Other(format!("the runner's own AWS identity cannot be used: {why}"));
    match error {
        CredentialsError::CredentialsNotLoaded(_) => nobody(),
        _ => known_ambient(&why).unwrap_or_else(unknown),
    }
}

/// The SDK's words for a chain that has nothing, and for a profile whose way we do not go.
fn known_ambient(why: &str) -> Option<ExecutorError> {
    if why.contains("no providers in chain provided credentials") || why.contains("credential provider was not enabled")
    {
        return Some(nobody());
    }
    why.contains("cargo feature").then(|| {
        let remedy = "the AWS profile of the runner signs in by SSO or by a program, which a runner does not follow; set \
                      what `aws configure export-credentials --format env` prints";
        ExecutorError::Other(remedy.to_owned())
    })
}

/// STS has answered without credentials.
pub(super) fn empty_answer() -> ExecutorError {
    ExecutorError::Other("STS answered without credentials; is AWS_ENDPOINT_URL right?".to_owned())
}

/// The role was not to be had with the runner's own identity.
pub(super) async fn assume<E>(sts: &Client, request: &CredentialRequest, error: &SdkError<E>) -> ExecutorError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let Some((code, message)) = said(error) else { return unreached(error) };
    if code != "AccessDenied" {
        return passed_on(&code, &message);
    }
    // Only now, so that a job that starts well costs one call.
    let caller = sts.get_caller_identity().send().await;
    let caller = caller.ok().and_then(|answer| answer.arn).unwrap_or_default();
    let id = &request.identity.external_id;
    let (field, doubt) = if id.is_empty() {
        ("external_id", "is empty, which is wrong if the role's trust asks for one; or ".to_owned())
    } else {
        ("role_arn", format!("cannot be assumed: the external id {id:?} is not the one that its trust asks for, or "))
    };
    let trust = json!({ "AWS": principal(&caller) });
    let condition = (!id.is_empty()).then(|| json!({ "StringEquals": { "sts:ExternalId": id } }));
    let policy = policy("sts:AssumeRole", &trust, condition);
    let why = format!(
        "{doubt}the role does not trust {caller}. AWS says: {message}. The role {} needs this trust policy:\n{policy}",
        request.identity.role_arn
    );
    refusal(field, why)
}

/// The role was not to be had with the plane's token.
pub(super) fn assume_by_token<E>(request: &CredentialRequest, token: &str, error: &SdkError<E>) -> ExecutorError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    let Some((code, message)) = said(error) else { return unreached(error) };
    let claims = claims(token);
    let issuer = claims["iss"].as_str().unwrap_or_default();
    let host = issuer.trim_start_matches("https://").trim_end_matches('/');
    let account = request.identity.role_arn.split(':').nth(4).unwrap_or_default();
    match code.as_str() {
        "AccessDenied" => {
            let trust = json!({ "Federated": format!("arn:aws:iam::{account}:oidc-provider/{host}") });
            let equals = json!({ "StringEquals": { format!("{host}:aud"): claims["aud"], format!("{host}:sub"): claims["sub"] } });
            let policy = policy("sts:AssumeRoleWithWebIdentity", &trust, Some(equals));
            let why = format!(
                "does not trust the control plane for this job. AWS says: {message}. It needs this trust policy:\n{policy}"
            );
            refusal("role_arn", why)
        }
        "InvalidIdentityToken" | "IDPCommunicationError" | "ExpiredTokenException" => {
            let why = format!(
                "AWS does not take the control plane's token: {message}. In the account {account} there has to be an \
                 identity provider for {issuer}, and AWS has to reach that address; check the clocks too"
            );
            refusal("role_arn", why)
        }
        _ => passed_on(&code, &message),
    }
}

/// What somebody's token claims; only for words about it.
fn claims(token: &str) -> Value {
    let body = token.split('.').nth(1).and_then(|body| URL_SAFE_NO_PAD.decode(body).ok());
    body.and_then(|body| serde_json::from_slice(&body).ok()).unwrap_or_default()
}

fn policy(action: &str, principal: &Value, condition: Option<Value>) -> String {
    let mut statement = json!({ "Effect": "Allow", "Principal": principal, "Action": action });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    format!("{:#}", json!({ "Version": "2012-10-17", "Statement": [statement] }))
}

/// A session cannot be trusted for long, its role can.
fn principal(caller: &str) -> String {
    let role = caller.split_once(":sts::").and_then(|(head, rest)| {
        let (account, session) = rest.split_once(":assumed-role/")?;
        let (role, _) = session.split_once('/')?;
        Some(format!("{head}:iam::{account}:role/{role}"))
    });
    role.unwrap_or_else(|| caller.to_owned())
}

fn passed_on(code: &str, message: &str) -> ExecutorError {
    match code {
        "ExpiredToken" | "ExpiredTokenException" => {
            ExecutorError::Other(format!("the runner's own AWS credentials have expired: {message}"))
        }
        "InvalidClientTokenId" | "UnrecognizedClientException" => {
            ExecutorError::Other(format!("AWS does not know the runner's own credentials: {message}"))
        }
        "SignatureDoesNotMatch" | "RequestExpired" => ExecutorError::Other(format!(
            "AWS does not accept the runner's signature: {message}; check its secret key and its clock"
        )),
        "RegionDisabledException" => {
            ExecutorError::Other(format!("AWS_REGION is not enabled in the account: {message}"))
        }
        "ValidationError" if message.contains("DurationSeconds") || message.contains("MaxSessionDuration") => {
            ExecutorError::Other(format!(
                "ALETHIA_AWS_SESSION is longer than the role allows: {message}; shorten it, or set the role's maximum session duration"
            ))
        }
        _ => refusal("role_arn", format!("cannot be assumed: {code}: {message}")),
    }
}

fn said<E: ProvideErrorMetadata>(error: &SdkError<E>) -> Option<(String, String)> {
    let said = error.as_service_error()?;
    let (code, message) = match said.code() {
        Some(code) => (code.to_owned(), said.message().unwrap_or_default().to_owned()),
        // Of another form, or not STS's at all.
        None => said_in(std::str::from_utf8(error.raw_response()?.body().bytes()?).ok()?)?,
    };
    Some((code, message.trim_end_matches('.').to_owned()))
}

/// Nobody has said no: nobody was there, or not who should be.
fn unreached<E: Error + Send + Sync + 'static>(error: &SdkError<E>) -> ExecutorError {
    let why = root(error);
    if let Some(known) = known_ambient(&why) {
        return known;
    }
    let what = match error {
        SdkError::ResponseError(_) | SdkError::ServiceError(_) => {
            let status = error.raw_response().map(|raw| raw.status().as_u16()).unwrap_or_default();
            format!(
                "what answers in place of STS is not STS (HTTP {status}); is AWS_ENDPOINT_URL or a proxy wrong? {why}"
            )
        }
        SdkError::TimeoutError(_) => "STS does not answer in time".to_owned(),
        _ => format!("STS cannot be asked: {why}"),
    };
    ExecutorError::Other(what)
}

fn root(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(cause) = last.source() {
        last = cause;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_trusted_by_its_role() {
        let session = "arn:aws:sts::123456789012:assumed-role/runner/i-0abc";
        assert_eq!(principal(session), "arn:aws:iam::123456789012:role/runner");
        let user = "arn:aws:iam::123456789012:user/me";
        assert_eq!(principal(user), user);
    }
}
