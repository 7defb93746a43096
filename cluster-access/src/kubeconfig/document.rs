//! What a kubeconfig says, as types: the fields that client-go 1.33 knows. What it does not know is left behind.

use std::collections::BTreeMap;

use executor_api::{ExecutorError, pointer_of};
use serde::Deserialize;
use serde_json::Value;

/// Enough for dozens of clusters with their certificates.
const MOST_BYTES: usize = 1024 * 1024;

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Document {
    #[serde(rename = "apiVersion")]
    pub(crate) api_version: Option<String>,
    pub(crate) kind: Option<String>,
    pub(crate) current_context: Option<String>,
    pub(crate) contexts: Option<Vec<NamedContext>>,
    pub(crate) clusters: Option<Vec<NamedCluster>>,
    pub(crate) users: Option<Vec<NamedUser>>,
}

#[derive(Deserialize)]
pub(crate) struct NamedContext {
    pub(crate) name: String,
    pub(crate) context: ContextEntry,
}

#[derive(Deserialize)]
pub(crate) struct NamedCluster {
    pub(crate) name: String,
    pub(crate) cluster: ClusterEntry,
}

#[derive(Deserialize)]
pub(crate) struct NamedUser {
    pub(crate) name: String,
    pub(crate) user: UserEntry,
}

#[derive(Deserialize)]
pub(crate) struct ContextEntry {
    pub(crate) cluster: Option<String>,
    pub(crate) user: Option<String>,
    pub(crate) namespace: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ClusterEntry {
    pub(crate) server: Option<String>,
    pub(crate) certificate_authority: Option<String>,
    pub(crate) certificate_authority_data: Option<String>,
    pub(crate) insecure_skip_tls_verify: Option<bool>,
    pub(crate) proxy_url: Option<String>,
    pub(crate) tls_server_name: Option<String>,
    pub(crate) disable_compression: Option<bool>,
}

#[derive(Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct UserEntry {
    pub(crate) token: Option<String>,
    #[serde(rename = "tokenFile")]
    pub(crate) token_file: Option<String>,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) client_certificate: Option<String>,
    pub(crate) client_certificate_data: Option<String>,
    pub(crate) client_key: Option<String>,
    pub(crate) client_key_data: Option<String>,
    #[serde(rename = "as")]
    pub(crate) as_user: Option<String>,
    pub(crate) as_uid: Option<String>,
    pub(crate) as_groups: Option<Vec<String>>,
    pub(crate) as_user_extra: Option<BTreeMap<String, Vec<String>>>,
    pub(crate) auth_provider: Option<Value>,
    pub(crate) exec: Option<ExecEntry>,
}

#[derive(Deserialize)]
pub(crate) struct ExecEntry {
    pub(crate) command: String,
    pub(crate) args: Option<Vec<String>>,
    pub(crate) env: Option<Vec<EnvEntry>>,
    #[serde(rename = "apiVersion")]
    pub(crate) api_version: Option<String>,
    #[serde(rename = "provideClusterInfo")]
    pub(crate) provide_cluster_info: Option<bool>,
}

#[derive(Deserialize)]
pub(crate) struct EnvEntry {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// The text as a tree. No error quotes it: it is full of secrets.
pub(crate) fn tree(text: &str, pointer: &str) -> Result<Value, ExecutorError> {
    if text.len() > MOST_BYTES {
        return Err(ExecutorError::invalid(pointer, "a kubeconfig has at most 1 MiB; leave out what is not needed"));
    }
    let options = serde_saphyr::options! { with_snippet: false };
    let tree: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| {
        let place = error.location().map(|at| format!(" (line {}, column {})", at.line(), at.column()));
        let error = format!("this is neither YAML nor JSON{}", place.unwrap_or_default());
        ExecutorError::invalid(pointer, error)
    })?;
    if tree.is_object() { Ok(tree) } else { Err(ExecutorError::invalid(pointer, "give the text of a kubeconfig")) }
}

impl Document {
    pub(crate) fn read(text: &str, pointer: &str) -> Result<Self, ExecutorError> {
        let document: Self = serde_path_to_error::deserialize(tree(text, pointer)?).map_err(|error| {
            let place = pointer_of(error.path());
            let error = "this is not what a kubeconfig has here; compare it with `kubectl config view --raw`";
            ExecutorError::invalid(&format!("{pointer}{place}"), error)
        })?;
        for (field, found, right) in [("apiVersion", &document.api_version, "v1"), ("kind", &document.kind, "Config")] {
            if found.as_ref().is_some_and(|found| found != right) {
                let error = format!("this is no kubeconfig: it would say {right}");
                return Err(ExecutorError::invalid(&format!("{pointer}/{field}"), error));
            }
        }
        Ok(document)
    }
}
