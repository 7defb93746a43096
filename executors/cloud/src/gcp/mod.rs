//! GCP: workload identity federation, impersonation, and what there is in a project; GKE tokens.

mod config;
mod credentials;
mod discovery;
mod exchange;
mod gke;
mod source;
mod subject;

use async_trait::async_trait;
use executor_api::{
    CloudCluster, CloudIdentity, CloudSettings, ClusterEndpoint, CredentialPlugin, CredentialRequest,
    CredentialSession, CredentialSource, ExecutorError, Input, JobContext, inventory,
};

pub(crate) use discovery::{connect, discover, remedy};

struct Gcp;

inventory::submit! { CredentialPlugin { provider: "gcp", source: &Gcp } }

#[async_trait]
impl CredentialSource for Gcp {
    fn check(&self, identity: &CloudIdentity, settings: &CloudSettings) -> Result<(), ExecutorError> {
        config::check(identity, settings).map(drop)
    }

    fn inputs(&self, identity: &CloudIdentity) -> Vec<Input> {
        let config = config::WifConfig::parse(&identity.wif_config).ok();
        let audience = config.filter(|config| config.wants_the_planes_token()).map(|config| config.oidc_audience());
        audience.map(|audience| Input::OidcToken { audience }).into_iter().collect()
    }

    async fn open(&self, request: CredentialRequest) -> Result<Box<dyn CredentialSession>, ExecutorError> {
        Ok(Box::new(credentials::Session::open(request)?))
    }

    async fn cluster(
        &self,
        job: &JobContext,
        cluster: &CloudCluster,
    ) -> Result<Option<ClusterEndpoint>, ExecutorError> {
        gke::endpoint(job, cluster).await
    }
}
