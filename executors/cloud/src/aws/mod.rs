//! AWS: the ambient chain, AssumeRole, `credential_process`; what there is in every region; EKS tokens.

mod ambient;
mod calls;
mod credentials;
mod discovery;
mod ec2;
mod eks;
mod endpoints;
mod iam;
mod names;
mod process;
#[cfg(feature = "gcp")]
mod question;
mod refusal;
mod route53;
mod sts;

use async_trait::async_trait;
use executor_api::{
    CloudCluster, CloudIdentity, CloudSettings, ClusterEndpoint, CredentialPlugin, CredentialRequest,
    CredentialSession, CredentialSource, ExecutorError, HiddenVerb, Input, JobContext, inventory,
};
use serde_json::json;

use crate::found::Found;

pub(crate) use discovery::discover;
pub(crate) use eks::cluster_token;
#[cfg(feature = "gcp")]
pub(crate) use question::signed_question;
pub(crate) use sts::connect;

struct Aws;

inventory::submit! { CredentialPlugin { provider: "aws", source: &Aws } }
inventory::submit! { HiddenVerb { name: process::VERB, run: process::print } }

#[async_trait]
impl CredentialSource for Aws {
    fn check(&self, identity: &CloudIdentity, settings: &CloudSettings) -> Result<(), ExecutorError> {
        names::check(identity, settings)
    }

    /// A role whose trust asks for an external id trusts another AWS identity; others may trust the plane.
    fn inputs(&self, identity: &CloudIdentity) -> Vec<Input> {
        let by_token = !identity.role_arn.is_empty() && identity.external_id.is_empty();
        by_token.then(|| Input::OidcToken { audience: credentials::AUDIENCE.to_owned() }).into_iter().collect()
    }

    async fn open(&self, request: CredentialRequest) -> Result<Box<dyn CredentialSession>, ExecutorError> {
        Ok(Box::new(credentials::Session::open(request).await?))
    }

    async fn cluster(
        &self,
        job: &JobContext,
        cluster: &CloudCluster,
    ) -> Result<Option<ClusterEndpoint>, ExecutorError> {
        eks::endpoint(job, cluster).await
    }
}

/// The policy that allows what is missing.
pub(crate) fn remedy(found: &Found) -> String {
    policy(&found.missing())
}

fn policy(missing: &[&str]) -> String {
    let statement = json!({ "Effect": "Allow", "Action": missing, "Resource": "*" });
    let policy = json!({ "Version": "2012-10-17", "Statement": [statement] });
    format!("attach this policy to the role:\n{policy:#}")
}
