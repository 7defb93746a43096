//! Calls of AWS that need no SDK of their own: signed by the official signer, sent again when it says "not now".
//!
//! The Query APIs (EC2, IAM, STS) and the REST APIs (Route 53, EKS) differ in the form of request and answer only.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use backon::Retryable;
use executor_api::{Ambient, ExecutorError, JobContext};
use reqwest::{Client, Method};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::form_urlencoded;

use super::endpoints::{Endpoint, Service, operators_region};
use super::names::{home_region, partition_of};
use super::process;
use crate::found::FetchError;
use crate::http::{self, Answer, HttpError};

/// AWS's words for "not now".
const PASSING: [&str; 9] = [
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestLimitExceeded",
    "RequestThrottled",
    "TooManyRequestsException",
    "PriorRequestNotComplete",
    "ServiceUnavailable",
    "InternalError",
];
/// AWS's words for "your clock is wrong".
const SKEWED: [&str; 5] =
    ["RequestTimeTooSkewed", "RequestExpired", "SignatureDoesNotMatch", "InvalidSignatureException", "AuthFailure"];
/// AWS's words for "you may not".
const DENIED: [&str; 5] = [
    "UnauthorizedOperation",
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedAccess",
    "Client.UnauthorizedOperation",
];

/// AWS as one job may call it.
pub(super) struct Caller {
    http: Client,
    credentials: Credentials,
    ambient: Ambient,
    partition: &'static str,
    /// How far AWS's clock is ahead of ours, once it has told us that it matters.
    skew_seconds: AtomicI64,
}

/// One call.
pub(super) struct Call<'a> {
    pub(super) service: Service,
    pub(super) region: &'a str,
    /// In the words of a policy, for example `ec2:DescribeVpcs`.
    pub(super) action: &'a str,
}

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum CallError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    Setting(#[from] ExecutorError),
    #[error("the call cannot be signed: {0}")]
    Unsigned(String),
}

struct Request {
    method: Method,
    endpoint: Endpoint,
    service: &'static str,
    path: String,
    form: Option<String>,
}

impl Caller {
    /// With the credentials that the job has now.
    pub(super) fn of(job: &JobContext) -> Result<Self, ExecutorError> {
        let credentials = job.credentials().ok_or_else(super::refusal::nobody)?;
        let ambient = credentials.request().ambient.clone();
        let role = credentials.identity().role_arn.split(':').nth(1).unwrap_or_default();
        let region = operators_region(&ambient).unwrap_or_else(|| home_region(role)).to_owned();
        Ok(Self {
            http: http::client(),
            credentials: process::read(credentials.folder()).map_err(ExecutorError::Other)?,
            ambient,
            partition: partition_of(&region),
            skew_seconds: AtomicI64::new(0),
        })
    }

    /// Where to ask what concerns no region.
    pub(super) fn region(&self) -> &str {
        operators_region(&self.ambient).unwrap_or_else(|| home_region(self.partition))
    }

    pub(super) fn endpoint(&self, service: Service, region: &str) -> Result<Endpoint, ExecutorError> {
        service.endpoint(&self.ambient, region)
    }

    /// An action of a Query API.
    pub(super) async fn query<T: DeserializeOwned>(
        &self,
        call: &Call<'_>,
        version: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, CallError> {
        let fixed = [("Action", call.name()), ("Version", version)];
        let form = encoded(fixed.iter().chain(parameters));
        let answer = self.send(call, Method::POST, "/".to_owned(), Some(form)).await?;
        xml(call, &answer)
    }

    /// A document of a REST API that speaks XML.
    pub(super) async fn rest_xml<T: DeserializeOwned>(&self, call: &Call<'_>, path: String) -> Result<T, CallError> {
        xml(call, &self.send(call, Method::GET, path, None).await?)
    }

    /// A document of a REST API that speaks JSON.
    pub(super) async fn rest_json<T: DeserializeOwned>(&self, call: &Call<'_>, path: String) -> Result<T, CallError> {
        let answer = self.send(call, Method::GET, path, None).await?;
        Ok(serde_json::from_slice(&answer.body).map_err(|_| answer.nonsense())?)
    }

    async fn send(
        &self,
        call: &Call<'_>,
        method: Method,
        path: String,
        form: Option<String>,
    ) -> Result<Answer, CallError> {
        let endpoint = self.endpoint(call.service, call.region)?;
        let request = Request { method, endpoint, service: call.service.name(), path, form };
        (|| self.send_once(&request)).retry(http::pauses()).when(CallError::is_passing).await
    }

    async fn send_once(&self, request: &Request) -> Result<Answer, CallError> {
        let answer = self.try_once(request).await?;
        let error = match refused(&answer) {
            None => return Ok(answer),
            Some(error) => error,
        };
        // A wrong clock is mended once and for all: AWS has just said what time it is.
        match answer.skew_seconds() {
            Some(skew) if SKEWED.contains(&error.code()) && self.skew_seconds.swap(skew, Ordering::Relaxed) == 0 => {
                let again = self.try_once(request).await?;
                refused(&again).map_or(Ok(again), |error| Err(error.into()))
            }
            _ => Err(error.into()),
        }
    }

    async fn try_once(&self, request: &Request) -> Result<Answer, CallError> {
        let url = format!("{}{}", request.endpoint.url, request.path);
        let body = request.form.clone().unwrap_or_default();
        let kind = request.form.as_ref().map(|_| ("content-type", "application/x-www-form-urlencoded; charset=utf-8"));
        let identity = self.credentials.clone().into();
        let params = SigningParams::builder()
            .identity(&identity)
            .region(&request.endpoint.region)
            .name(request.service)
            .time(self.now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| CallError::Unsigned(error.to_string()))?
            .into();
        let signable =
            SignableRequest::new(request.method.as_str(), &url, kind.into_iter(), SignableBody::Bytes(body.as_bytes()));
        let signed = signable.and_then(|signable| sign(signable, &params));
        let (instructions, _) = signed.map_err(|error| CallError::Unsigned(error.to_string()))?.into_parts();
        let mut sent = self.http.request(request.method.clone(), &url).body(body);
        for (name, value) in kind.into_iter().chain(instructions.headers()) {
            sent = sent.header(name, value);
        }
        Ok(Answer::of(sent).await?)
    }

    /// What AWS's clock shows.
    pub(super) fn now(&self) -> SystemTime {
        let skew = self.skew_seconds.load(Ordering::Relaxed);
        let by = Duration::from_secs(skew.unsigned_abs());
        if skew < 0 { SystemTime::now() - by } else { SystemTime::now() + by }
    }
}

impl Call<'_> {
    /// The action's name in its own service.
    fn name(&self) -> &str {
        self.action.rsplit(':').next().unwrap_or_default()
    }

    /// What could not be read.
    pub(super) fn failed(&self, error: &CallError, regional: bool) -> FetchError {
        FetchError {
            service: self.service.name().to_owned(),
            action: self.action.to_owned(),
            region: regional.then(|| self.region.to_owned()),
            code: error.code().to_owned(),
            message: error.to_string(),
        }
    }
}

impl CallError {
    fn code(&self) -> &str {
        match self {
            Self::Http(error) => error.code(),
            Self::Setting(_) => "Setting",
            Self::Unsigned(_) => "Unsigned",
        }
    }

    /// Whether the identity may not do this.
    pub(super) fn is_denied(&self) -> bool {
        DENIED.contains(&self.code())
    }

    /// Whether there is no such thing.
    pub(super) fn is_missing(&self) -> bool {
        matches!(self, Self::Http(HttpError::Refused { status: 404, .. }))
    }

    fn is_passing(&self) -> bool {
        match self {
            Self::Http(HttpError::Refused { status, code, .. }) => {
                *status == 429 || *status >= 500 || PASSING.contains(&code.as_str())
            }
            Self::Http(HttpError::Unreachable { .. }) => true,
            Self::Http(HttpError::Nonsense { .. }) | Self::Setting(_) | Self::Unsigned(_) => false,
        }
    }
}

/// Names and values in the form of a query.
pub(super) fn encoded<'a>(pairs: impl Iterator<Item = &'a (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// The answer to an action is called after it: any other document would read as an empty list.
fn xml<T: DeserializeOwned>(call: &Call<'_>, answer: &Answer) -> Result<T, CallError> {
    let text = std::str::from_utf8(&answer.body).unwrap_or_default();
    let is_the_answer = text.contains(&format!("<{}Response", call.name()));
    let parsed = is_the_answer.then(|| quick_xml::de::from_str(text).ok()).flatten();
    Ok(parsed.ok_or_else(|| answer.nonsense())?)
}

/// Every API of AWS has its own envelope around the same two words.
fn refused(answer: &Answer) -> Option<HttpError> {
    if answer.status.is_success() {
        return None;
    }
    let body = String::from_utf8_lossy(&answer.body);
    if let Ok(said) = serde_json::from_str::<serde_json::Value>(&body) {
        let header = answer.headers.get("x-amzn-errortype").and_then(|value| value.to_str().ok());
        let code = header.or_else(|| said["__type"].as_str()).or_else(|| said["code"].as_str()).unwrap_or_default();
        let code = code.rsplit('#').next().unwrap_or_default().split(':').next().unwrap_or_default();
        let message = said["message"].as_str().or_else(|| said["Message"].as_str()).unwrap_or_default();
        return Some(answer.refused(code, message));
    }
    let (code, message) = said_in(&body).unwrap_or_default();
    Some(answer.refused(&code, &message))
}

/// AWS's two words in a document of XML.
pub(super) fn said_in(xml: &str) -> Option<(String, String)> {
    let said = quick_xml::de::from_str::<Envelope>(xml).ok()?.said()?;
    Some((said.code, said.message))
}

/// EC2 wraps its errors twice, the others once.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope {
    errors: Option<Box<Envelope>>,
    error: Option<Said>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Said {
    code: String,
    message: String,
}

impl Envelope {
    fn said(self) -> Option<Said> {
        self.error.or_else(|| self.errors.and_then(|errors| errors.error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_two_words_are_found_in_every_envelope() {
        let ec2 = said_in(
            "<?xml version=\"1.0\"?><Response><Errors><Error><Code>UnauthorizedOperation</Code>\
             <Message>You&apos;re not</Message></Error></Errors><RequestID>x</RequestID></Response>",
        );
        assert_eq!(ec2, Some(("UnauthorizedOperation".to_owned(), "You're not".to_owned())));
        let iam = said_in(
            "<ErrorResponse xmlns=\"https://iam\"><Error><Type>Sender</Type><Code>AccessDenied</Code>\
             <Message>no</Message></Error></ErrorResponse>",
        );
        assert_eq!(iam, Some(("AccessDenied".to_owned(), "no".to_owned())));
        assert_eq!(said_in("<html><body>oops"), None);
    }
}
