//! What jobs deliver, and tokens for git hosts.

use reqwest::{Method, Response};
use serde::Deserialize;
use serde_json::Value;
use wire::{ArtifactList, GitCredentialInfo, GitCredentialRequest, JobId, SECRET_MEDIA_TYPE, paths};

use super::{Api, ApiError, is_of};

impl Api {
    pub(crate) async fn artifacts(&self, id: &JobId) -> Result<ArtifactList, ApiError> {
        self.json(self.request(Method::GET, &paths::artifacts(id.as_str()))).await
    }

    /// Its bytes, as they come.
    pub(crate) async fn artifact(&self, id: &JobId, name: &str) -> Result<Response, ApiError> {
        let answer = self.send(self.begin(Method::GET, &paths::artifact(id.as_str(), name))).await?;
        self.meant(answer, |headers| headers.contains_key(paths::CONTENT_SHA256) || is_of(headers, SECRET_MEDIA_TYPE))
    }

    pub(crate) async fn put_git_token(&self, host: &str, token: String) -> Result<Value, ApiError> {
        let request = GitCredentialRequest { token };
        self.json(self.request(Method::PUT, &paths::git_credential(host)).json(&request)).await
    }

    pub(crate) async fn git_tokens(&self) -> Result<Vec<GitCredentialInfo>, ApiError> {
        #[derive(Deserialize)]
        struct Known {
            git_credentials: Vec<GitCredentialInfo>,
        }
        let answer: Known = self.json(self.request(Method::GET, paths::GIT_CREDENTIALS)).await?;
        Ok(answer.git_credentials)
    }

    pub(crate) async fn remove_git_token(&self, host: &str) -> Result<Value, ApiError> {
        self.json(self.request(Method::DELETE, &paths::git_credential(host))).await
    }
}
