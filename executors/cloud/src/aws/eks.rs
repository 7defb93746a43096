//! EKS: where a cluster is, and tokens for it.

use std::path::Path;
use std::time::{Duration, SystemTime};

use aws_sigv4::http_request::{SignableBody, SignableRequest, SignatureLocation, SigningSettings, sign};
use aws_sigv4::sign::v4::SigningParams;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use executor_api::{CloudCluster, ClusterEndpoint, ExecutorError, JobContext};
use serde::Deserialize;
use url::Url;

use super::calls::{Call, Caller};
use super::endpoints::Service;
use super::{process, sts};
use crate::cluster_token::{self, TokenFile};

/// The header by which a token is bound to its cluster.
const CLUSTER_HEADER: &str = "x-k8s-aws-id";
/// EKS takes a token for 15 minutes after its signature; the last one is for clocks.
const LIFE: Duration = Duration::from_secs(14 * 60);

#[derive(Deserialize)]
struct Answer {
    cluster: Cluster,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Cluster {
    #[serde(default)]
    status: String,
    endpoint: Option<String>,
    certificate_authority: Option<Authority>,
}

#[derive(Deserialize)]
struct Authority {
    data: Option<String>,
}

/// Asks EKS for the cluster's address. None if there is no such cluster.
pub(super) async fn endpoint(
    job: &JobContext,
    wanted: &CloudCluster,
) -> Result<Option<ClusterEndpoint>, ExecutorError> {
    let CloudCluster { name, place: region, pointer } = wanted;
    check(wanted)?;
    let caller = Caller::of(job)?;
    let call = Call { service: Service::Eks, region, action: "eks:DescribeCluster" };
    let answer = caller.rest_json::<Answer>(&call, format!("/clusters/{name}")).await;
    let cluster = match answer {
        Err(error) if error.is_missing() => return Ok(None),
        answer => answer.map_err(|error| refused(wanted, &error))?.cluster,
    };
    let data = cluster.certificate_authority.and_then(|authority| authority.data);
    let (Some(server), Some(certificate_authority_data)) = (cluster.endpoint, data) else {
        let why = format!("the cluster {name} in {region} has no address yet: it is {}", cluster.status);
        return Err(ExecutorError::invalid(pointer, why));
    };
    let credentials = job.credentials().ok_or_else(super::refusal::nobody)?;
    let sts = caller.endpoint(Service::Sts, region)?.url;
    let folder = credentials.folder().display().to_string();
    Ok(Some(ClusterEndpoint {
        server,
        certificate_authority_data,
        program: credentials.request().program.clone(),
        args: vec![cluster_token::VERB.into(), "eks".into(), folder, region.clone(), name.clone(), sts],
    }))
}

fn check(cluster: &CloudCluster) -> Result<(), ExecutorError> {
    let is_name = |text: &str, most: usize| {
        (1..=most).contains(&text.len())
            && !text.starts_with(['-', '_'])
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    if !is_name(&cluster.name, 100) {
        let why = "a cluster's name has 1 to 100 letters, digits, '-' and '_'";
        return Err(ExecutorError::invalid(&format!("{}/name", cluster.pointer), why));
    }
    if !is_name(&cluster.place, 64) {
        let why = "a region looks like eu-north-1";
        return Err(ExecutorError::invalid(&format!("{}/region", cluster.pointer), why));
    }
    Ok(())
}

fn refused(cluster: &CloudCluster, error: &super::calls::CallError) -> ExecutorError {
    let why = if error.is_denied() {
        format!("the job's identity may not look it up: {error}; {}", super::policy(&["eks:DescribeCluster"]))
    } else {
        format!("{} cannot be looked up in {}: {error}", cluster.name, cluster.place)
    };
    ExecutorError::invalid(&format!("{}/name", cluster.pointer), why)
}

/// A token: the address of a signed question "who am I?", which EKS asks in our name.
pub(crate) fn cluster_token(folder: &Path, region: &str, name: &str, endpoint: &str) -> Result<TokenFile, String> {
    let credentials = process::read(folder)?;
    let now = SystemTime::now();
    let until = credentials.expiry().map_or(now + LIFE, |expiry| expiry.min(now + LIFE));
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(Duration::from_secs(60));
    let identity = credentials.into();
    let params = SigningParams::builder().identity(&identity).region(region).name("sts").time(now).settings(settings);
    let params = params.build().map_err(|error| error.to_string())?.into();
    let url = format!("{endpoint}/?Action=GetCallerIdentity&Version={}", sts::VERSION);
    let headers = std::iter::once((CLUSTER_HEADER, name));
    let signable = SignableRequest::new("GET", &url, headers, SignableBody::Bytes(&[]));
    let signed = signable.and_then(|signable| sign(signable, &params)).map_err(|error| error.to_string())?;
    let mut url = Url::parse(&url).map_err(|error| error.to_string())?;
    for (name, value) in signed.into_parts().0.params() {
        url.query_pairs_mut().append_pair(name, value);
    }
    let token = format!("k8s-aws-v1.{}", URL_SAFE_NO_PAD.encode(url.as_str()));
    Ok(TokenFile { token, expires_at: DateTime::<Utc>::from(until) })
}
