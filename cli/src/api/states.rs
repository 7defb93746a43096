//! Terraform's states.

use reqwest::Method;
use reqwest::header::CONTENT_TYPE;
use wire::paths;

use super::{Api, ApiError};

impl Api {
    /// Takes the lock of that id from whoever holds it, unless that is a job at work.
    pub(crate) async fn unlock_state(&self, name: &str, id: &str) -> Result<(), ApiError> {
        let request = self.request(Method::DELETE, &format!("{}/lock", paths::state(name)));
        let answer = self.send(request.query(&[("ID", id), ("force", "true")])).await?;
        self.meant(answer, |headers| !headers.contains_key(CONTENT_TYPE)).map(drop)
    }
}
