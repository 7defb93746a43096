//! IAM's list of users.

use serde::Deserialize;
use serde_json::{Value, json};

use super::calls::{Call, CallError, Caller};

const VERSION: &str = "2010-05-08";
pub(super) const USERS: &str = "iam:ListUsers";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    list_users_result: Page,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Page {
    #[serde(default)]
    users: Members,
    #[serde(default)]
    is_truncated: bool,
    marker: Option<String>,
}

#[derive(Default, Deserialize)]
struct Members {
    #[serde(default)]
    member: Vec<User>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct User {
    user_name: String,
    arn: String,
    path: String,
}

/// All users, sorted by name, as a user interface wants them.
pub(super) async fn users(caller: &Caller, call: &Call<'_>) -> Result<Value, CallError> {
    let mut all = Vec::new();
    let mut marker: Option<String> = None;
    loop {
        let mut parameters = vec![("MaxItems", "1000")];
        parameters.extend(marker.as_deref().map(|marker| ("Marker", marker)));
        let page = caller.query::<Answer>(call, VERSION, &parameters).await?.list_users_result;
        all.extend(page.users.member);
        marker = page.marker.filter(|marker| page.is_truncated && !marker.is_empty());
        if marker.is_none() {
            break;
        }
    }
    all.sort_by(|a, b| a.user_name.cmp(&b.user_name));
    Ok(all.iter().map(|user| json!({ "username": user.user_name, "arn": user.arn, "path": user.path })).collect())
}
