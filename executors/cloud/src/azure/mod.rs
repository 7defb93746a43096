//! Azure: a federated token, a client secret or a managed identity; what there is in a subscription; AKS tokens.

mod aks;
mod credentials;
mod discovery;
mod exchange;
mod names;
mod token_endpoint;

use async_trait::async_trait;
use executor_api::{
    CloudCluster, CloudIdentity, CloudSettings, ClusterEndpoint, CredentialPlugin, CredentialRequest,
    CredentialSession, CredentialSource, ExecutorError, Input, JobContext, inventory,
};

pub(crate) use discovery::{connect, discover, remedy};

struct Azure;

inventory::submit! { CredentialPlugin { provider: "azure", source: &Azure } }

#[async_trait]
impl CredentialSource for Azure {
    fn check(&self, identity: &CloudIdentity, settings: &CloudSettings) -> Result<(), ExecutorError> {
        names::check(identity, settings)
    }

    fn inputs(&self, identity: &CloudIdentity) -> Vec<Input> {
        let by_token = !identity.client_id.is_empty();
        by_token.then(|| Input::OidcToken { audience: exchange::AUDIENCE.to_owned() }).into_iter().collect()
    }

    async fn open(&self, request: CredentialRequest) -> Result<Box<dyn CredentialSession>, ExecutorError> {
        Ok(Box::new(credentials::Session::open(request)?))
    }

    async fn cluster(
        &self,
        job: &JobContext,
        cluster: &CloudCluster,
    ) -> Result<Option<ClusterEndpoint>, ExecutorError> {
        aks::endpoint(job, cluster).await
    }
}
