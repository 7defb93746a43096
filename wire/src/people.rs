//! People who use a plane, as those who run it see them.

use serde::{Deserialize, Serialize};

/// `POST /api/users`, with the token of somebody who runs the plane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct UserRequest {
    /// 1 to 64 of `A-Z a-z 0-9 . _ @ -`; unique at the plane.
    pub name: String,
    /// 1 to 64 of `a-z 0-9 -`; the caller's own if missing. An organisation exists as soon as somebody belongs to it.
    pub org: Option<String>,
    /// Whether this person runs the plane too.
    pub is_platform: bool,
}

/// A person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserInfo {
    /// The name.
    pub id: String,
    /// The organisation.
    pub org_id: String,
    /// Whether this person runs the plane.
    pub is_platform: bool,
}

/// 201 of `POST /api/users`. The token is shown this once and stored only as a digest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UserAnswer {
    /// The person.
    pub user: UserInfo,
    /// 32 random bytes as hexadecimal digits. A secret.
    pub token: String,
}
