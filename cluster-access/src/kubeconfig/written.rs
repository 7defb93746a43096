//! A kubeconfig as we write it: one cluster, one user, one context.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use executor_api::{ExecutorError, JobContext};
use serde::Serialize;
use serde_json::{Value, json};

use super::plugin_arguments::Login;
use crate::ClusterAccess;

/// What a tool needs to know of a cluster.
#[derive(Clone, Default)]
pub(crate) struct Kubeconfig {
    /// `https://...`, without a slash at the end.
    pub(crate) server: String,
    /// PEM in base64; the system's authorities if missing.
    pub(crate) certificate_authority_data: Option<String>,
    pub(crate) tls_server_name: Option<String>,
    pub(crate) disable_compression: bool,
    pub(crate) namespace: Option<String>,
    pub(crate) user: User,
}

/// Who a tool is there.
#[derive(Clone, Default, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct User {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) token: Option<String>,
    /// Only for a token that the runner's own machine renews.
    #[serde(rename = "tokenFile", skip_serializing_if = "Option::is_none")]
    pub(crate) token_file: Option<PathBuf>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) password: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_certificate_data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_key_data: Option<String>,
    #[serde(rename = "as", skip_serializing_if = "Option::is_none")]
    pub(crate) as_user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) as_uid: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) as_groups: Vec<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) as_user_extra: BTreeMap<String, Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) exec: Option<Exec>,
}

/// A program that prints a credential.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Exec {
    /// An absolute path, or the name of a tool that is looked up when the kubeconfig is written.
    pub(crate) command: PathBuf,
    pub(crate) args: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) env: Vec<Variable>,
    /// `client.authentication.k8s.io/v1` or `/v1beta1`.
    pub(crate) api_version: String,
    pub(crate) provide_cluster_info: bool,
    /// Of kubelogin alone; its arguments say it.
    #[serde(skip)]
    pub(crate) login: Option<Login>,
}

#[derive(Clone, Serialize)]
pub(crate) struct Variable {
    pub(crate) name: String,
    pub(crate) value: String,
}

/// One name for all there is.
const NAME: &str = "job";

impl Kubeconfig {
    /// Writes it where only the job's tools look.
    pub(crate) fn write(mut self, job: &JobContext) -> Result<ClusterAccess, ExecutorError> {
        if let Some(exec) = self.user.exec.as_mut().filter(|exec| exec.command.is_relative()) {
            exec.command = job.tool(&exec.command.to_string_lossy())?;
        }
        let text = self.document().to_string();
        let home = &job.paths().home;
        let written =
            tempfile::Builder::new().prefix("kubeconfig-").suffix(".json").tempfile_in(home).and_then(|mut file| {
                file.write_all(text.as_bytes())?;
                Ok(file.keep()?.1)
            });
        let kubeconfig = written.map_err(ExecutorError::io("cannot write the job's kubeconfig"))?;
        Ok(ClusterAccess { kubeconfig, server: self.server, namespace: self.namespace })
    }

    fn document(&self) -> Value {
        let mut cluster = json!({ "server": self.server, "disable-compression": self.disable_compression });
        for (name, value) in [
            ("certificate-authority-data", &self.certificate_authority_data),
            ("tls-server-name", &self.tls_server_name),
        ] {
            if let Some(value) = value {
                cluster[name] = json!(value);
            }
        }
        let mut user = json!(self.user);
        if self.user.exec.is_some() {
            // Nobody is there to answer.
            user["exec"]["interactiveMode"] = json!("Never");
        }
        let mut context = json!({ "cluster": NAME, "user": NAME });
        if let Some(namespace) = &self.namespace {
            context["namespace"] = json!(namespace);
        }
        json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{ "name": NAME, "cluster": cluster }],
            "users": [{ "name": NAME, "user": user }],
            "contexts": [{ "name": NAME, "context": context }],
            "current-context": NAME,
        })
    }
}
