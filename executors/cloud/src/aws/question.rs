//! "Who am I?", signed for somebody else to ask: how GCP learns which AWS identity the runner has.

use std::time::SystemTime;

use aws_credential_types::provider::ProvideCredentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use executor_api::{Ambient, ExecutorError};
use serde_json::{Value, json};
use url::{Url, form_urlencoded};

use super::ambient::sdk_config;
use super::endpoints::operators_region;
use super::refusal;

/// The header by which the question is bound to one pool.
const TARGET: &str = "x-goog-cloud-target-resource";

/// The subject token of the type `aws4_request`; see "Obtain subject token" in Google's AIP-4117.
pub(crate) async fn signed_question(
    ambient: &Ambient,
    template: &str,
    audience: &str,
) -> Result<String, ExecutorError> {
    let region = operators_region(ambient).unwrap_or("us-east-1");
    let config = sdk_config(ambient, region).await?;
    let provider = config.credentials_provider().ok_or_else(refusal::nobody)?;
    let credentials = provider.provide_credentials().await.map_err(|error| refusal::no_ambient(&error))?;
    let unsigned =
        |error: &dyn std::fmt::Display| ExecutorError::Other(format!("the question cannot be signed: {error}"));
    let url = template.replace("{region}", region);
    let host = Url::parse(&url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
    let identity = credentials.into();
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("sts")
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .map_err(|error| unsigned(&error))?
        .into();
    let headers = [("host", host.as_str()), (TARGET, audience)];
    let signable = SignableRequest::new("POST", &url, headers.into_iter(), SignableBody::Bytes(&[]));
    let signed = signable.and_then(|signable| sign(signable, &params)).map_err(|error| unsigned(&error))?;
    let (instructions, _) = signed.into_parts();
    let header = |(key, value): (&str, &str)| json!({ "key": key, "value": value });
    let headers: Vec<Value> = headers.into_iter().chain(instructions.headers()).map(header).collect();
    let question = json!({ "url": url, "method": "POST", "headers": headers }).to_string();
    Ok(form_urlencoded::byte_serialize(question.as_bytes()).collect())
}
