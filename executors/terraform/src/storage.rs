//! The operator's S3 storage, as far as we ask it ourselves: signed requests about one bucket. Objects are terraform's.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningInstructions, SigningSettings,
    UriPathNormalizationMode, sign,
};
use aws_sigv4::sign::v4::SigningParams;
use backon::{ExponentialBuilder, Retryable};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use executor_api::{StorageSettings, goes_to_loopback, needs_no_roots};
use md5::{Digest, Md5};
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response, StatusCode};
use serde::Deserialize;
use url::Url;

/// No answer about a bucket is larger.
const LARGEST: usize = 64 * 1024;
/// S3's words for "in a moment": with the last two another request about the same bucket is not done yet.
const PASSING: [&str; 4] = ["SlowDown", "ServiceUnavailable", "OperationAborted", "NoSuchBucket"];

/// One bucket, by its path: what is not AWS's often has no host of its own for each.
pub(crate) struct Bucket<'a> {
    http: Client,
    settings: &'a StorageSettings,
    url: String,
    /// Whom we ask, for people: host and port, and no name or password that stands before them.
    pub(crate) host: String,
}

/// What the storage said.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    /// S3's word for what is wrong; empty if there is none.
    pub(crate) code: String,
    pub(crate) is_html: bool,
}

/// Why there is no answer. Neither key nor signature is in any of them.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StorageError {
    #[error("SUPABASE_S3_ENDPOINT is not an address; it looks like https://host/path")]
    Address,
    #[error("the request cannot be signed: {0}")]
    Unsigned(String),
    #[error("it does not answer: {0}")]
    Unreachable(String),
}

impl<'a> Bucket<'a> {
    pub(crate) fn of(settings: &'a StorageSettings, name: &str) -> Result<Self, StorageError> {
        let url = format!("{}/{name}", settings.endpoint.trim_end_matches('/'));
        let parsed = Url::parse(&url).map_err(|_| StorageError::Address)?;
        let host = parsed.host_str().ok_or(StorageError::Address)?;
        let host = parsed.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        Ok(Self { http: client(&url), settings, url, host })
    }

    /// Asks until there is an answer, or for a few seconds: all requests about a bucket may be sent twice.
    pub(crate) async fn ask(&self, method: Method, query: &str, body: &str) -> Result<Answer, StorageError> {
        let once = || async {
            let answer = self.ask_once(method.clone(), query, body).await;
            if answer.as_ref().is_ok_and(Answer::is_passing) { Err(answer) } else { Ok(answer) }
        };
        let pauses = ExponentialBuilder::default().with_jitter().with_min_delay(Duration::from_millis(200));
        let is_passing = |answer: &Result<Answer, StorageError>| match answer {
            Ok(_) | Err(StorageError::Unreachable(_)) => true,
            Err(StorageError::Address | StorageError::Unsigned(_)) => false,
        };
        let (Ok(answer) | Err(answer)) = once.retry(pauses.with_max_times(3)).when(is_passing).await;
        answer
    }

    async fn ask_once(&self, method: Method, query: &str, body: &str) -> Result<Answer, StorageError> {
        let url = format!("{}{query}", self.url);
        // For a change of a bucket AWS wants it beside the signature.
        let digest = (!body.is_empty()).then(|| BASE64_STANDARD.encode(Md5::digest(body)));
        let given: Vec<_> = digest.as_deref().map(|digest| ("content-md5", digest)).into_iter().collect();
        let signed = self.signed(&method, &url, &given, body)?;
        let mut request = self.http.request(method, &url).body(body.to_owned());
        for (name, value) in given.into_iter().chain(signed.headers()) {
            request = request.header(name, value);
        }
        Answer::read(request.send().await.map_err(unreachable)?).await
    }

    fn signed(
        &self,
        method: &Method,
        url: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<SigningInstructions, StorageError> {
        let StorageSettings { key_id, secret_key, region, .. } = self.settings;
        let identity = Credentials::new(key_id, secret_key, None, None, "the runner's operator").into();
        // S3's own way: the path as it is sent, and the hash of the body beside it.
        let mut settings = SigningSettings::default();
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
        let unsigned = |error: String| StorageError::Unsigned(error);
        let params = SigningParams::builder()
            .identity(&identity)
            .region(region)
            .name("s3")
            .time(SystemTime::now())
            .settings(settings)
            .build()
            .map_err(|error| unsigned(error.to_string()))?
            .into();
        let body = SignableBody::Bytes(body.as_bytes());
        let signable = SignableRequest::new(method.as_str(), url, headers.iter().copied(), body);
        let signed = signable.and_then(|signable| sign(signable, &params));
        Ok(signed.map_err(|error| unsigned(error.to_string()))?.into_parts().0)
    }
}

impl Answer {
    async fn read(mut response: Response) -> Result<Self, StorageError> {
        let status = response.status();
        let declared = response.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let is_declared_html = declared.is_some_and(|declared| declared.contains("html"));
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&part);
            if body.len() > LARGEST {
                break;
            }
        }
        let text = String::from_utf8_lossy(&body);
        // An answer without a body is often called HTML, too.
        let is_html = is_declared_html && text.trim_start().starts_with('<') && said(&text).is_none();
        Ok(Self { status, code: said(&text).unwrap_or_default(), is_html })
    }

    fn is_passing(&self) -> bool {
        let is_servers = self.status.is_server_error() && self.status != StatusCode::NOT_IMPLEMENTED;
        is_servers || self.status == StatusCode::TOO_MANY_REQUESTS || PASSING.contains(&self.code.as_str())
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let Self { status, code, is_html } = self;
        let what = if *is_html { "with a page of HTML" } else { code };
        format!("{} {what}", status.as_u16()).trim_end().to_owned()
    }
}

/// S3's word in a document of XML. It is shown to people, so it is no more than a word.
fn said(xml: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Said {
        #[serde(rename = "Code")]
        code: String,
    }
    let Said { code } = quick_xml::de::from_str(xml).ok()?;
    let is_word = (1..=64).contains(&code.len()) && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '.');
    is_word.then_some(code)
}

/// A client for short questions to this address, with no patience and no redirects. What stays on this machine, as the
/// token of a state may, is no proxy's business; terraform thinks so, too.
pub(crate) fn client(address: &str) -> Client {
    let client = Client::builder();
    let client = if needs_no_roots(address) { client.tls_certs_only([]) } else { client };
    let client = if goes_to_loopback(address) { client.no_proxy() } else { client };
    client
        // A redirect would carry the signature to whoever is named in it.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(10))
        .user_agent(concat!("alethia-runner/", env!("CARGO_PKG_VERSION")))
        .build()
        .expect("the settings above are valid")
}

/// The last cause, which names no address.
fn unreachable(error: reqwest::Error) -> StorageError {
    let error = error.without_url();
    let last = std::iter::successors(std::error::Error::source(&error), |error| error.source()).last();
    StorageError::Unreachable(last.map_or_else(|| error.to_string(), ToString::to_string))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_of_s3_is_found_and_nothing_else_is_one() {
        let error = "<?xml version=\"1.0\"?><Error><Code>AccessDenied</Code><AWSAccessKeyId>x</AWSAccessKeyId></Error>";
        assert_eq!(said(error).as_deref(), Some("AccessDenied"));
        for text in ["", "<html><body>Sign in</body></html>", "<Error><Code>a b</Code></Error>", "{\"Code\":\"x\"}"] {
            assert_eq!(said(text), None, "{text}");
        }
    }
}
