//! Identities at cloud providers.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use wire::{
    ConnectAnswer, ConnectRequest, DisconnectRequest, IdentityInfo, InitAnswer, InitRequest, VerifyRequest, paths,
};

use super::{Api, ApiError};

impl Api {
    pub(crate) async fn identities(&self) -> Result<Vec<IdentityInfo>, ApiError> {
        #[derive(Deserialize)]
        struct Identities {
            cloud_identities: Vec<IdentityInfo>,
        }
        let answer: Identities = self.json(self.request(Method::GET, paths::IDENTITIES)).await?;
        Ok(answer.cloud_identities)
    }

    pub(crate) async fn identity(&self, id: &str) -> Result<IdentityInfo, ApiError> {
        self.json(self.request(Method::GET, &paths::identity(id))).await
    }

    pub(crate) async fn init_identity(&self, provider: &str, request: &InitRequest) -> Result<InitAnswer, ApiError> {
        self.json(self.request(Method::POST, &paths::provider(provider, "init")).json(request)).await
    }

    pub(crate) async fn connect_identity(
        &self,
        provider: &str,
        request: &ConnectRequest,
    ) -> Result<ConnectAnswer, ApiError> {
        self.json(self.request(Method::POST, &paths::provider(provider, "connect")).json(request)).await
    }

    pub(crate) async fn verify_identity(&self, identity: &IdentityInfo) -> Result<IdentityInfo, ApiError> {
        let request = VerifyRequest { identity_id: identity.id.clone(), job_id: identity.test_job_id.clone() };
        self.json(self.request(Method::POST, &paths::provider(&identity.provider, "verify")).json(&request)).await
    }

    pub(crate) async fn disconnect_identity(&self, identity: &IdentityInfo, force: bool) -> Result<Value, ApiError> {
        let request = DisconnectRequest { identity_id: identity.id.clone(), force };
        self.json(self.request(Method::POST, &paths::provider(&identity.provider, "disconnect")).json(&request)).await
    }

    pub(crate) async fn remove_identity(&self, id: &str, force: bool) -> Result<Value, ApiError> {
        self.json(self.request(Method::DELETE, &paths::identity(id)).query(&[("force", force)])).await
    }
}
