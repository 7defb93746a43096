//! People who use the control plane.

use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;
use wire::{UserAnswer, UserInfo, UserRequest, paths};

use super::{Api, ApiError};

impl Api {
    pub(crate) async fn add_user(&self, request: &UserRequest) -> Result<UserAnswer, ApiError> {
        self.json(self.request(Method::POST, paths::USERS).json(request)).await
    }

    pub(crate) async fn users(&self) -> Result<Vec<UserInfo>, ApiError> {
        #[derive(Deserialize)]
        struct Users {
            users: Vec<UserInfo>,
        }
        let answer: Users = self.json(self.request(Method::GET, paths::USERS)).await?;
        Ok(answer.users)
    }

    pub(crate) async fn remove_user(&self, id: &str) -> Result<Value, ApiError> {
        self.json(self.request(Method::DELETE, &paths::user(id))).await
    }
}
