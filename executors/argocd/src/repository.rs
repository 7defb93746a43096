//! A repository that Argo CD is to know, with the credentials for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::words;

/// A repository and how Argo CD gets in.
#[derive(Clone, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Repository {
    /// Its URL, as the applications' sources say it.
    pub url: String,
    /// What it is.
    #[serde(default, rename = "type")]
    pub kind: RepositoryKind,
    /// A name, which Argo CD wants for Helm repositories.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The user; `x-access-token` for a token of GitHub if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// The password, or a token. Over https only, or on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("writeOnly" = true))]
    pub password: Option<String>,
    /// A private key (PEM), for ssh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("writeOnly" = true))]
    pub ssh_private_key: Option<String>,
    /// Only for the applications of this project.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// The name of its Secret, in core mode; as Argo CD's server names it if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_name: Option<String>,
}

/// What a repository is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RepositoryKind {
    /// Of git.
    #[default]
    Git,
    /// A repository of charts.
    Helm,
    /// Charts in a registry.
    HelmOci,
}

/// Never a secret.
impl std::fmt::Debug for Repository {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Repository").field("url", &self.url).field("kind", &self.kind).finish_non_exhaustive()
    }
}

impl Repository {
    /// Checks what the schema cannot say. `pointer` is its place in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        let place = |field: &str| format!("{pointer}/{field}");
        let is_private = words::check_repository_url(&place("url"), &self.url)?;
        for (field, text) in [("name", &self.name), ("username", &self.username)] {
            text.iter().try_for_each(|text| words::check_line(&place(field), text, 253))?;
        }
        for (field, text) in [("project", &self.project), ("secret_name", &self.secret_name)] {
            text.iter().try_for_each(|text| words::check_name(&place(field), text))?;
        }
        if let Some(password) = &self.password {
            words::check_secret(&place("password"), password)?;
            if !is_private {
                return Err(ExecutorError::invalid(&place("password"), "credentials go over https only; use https"));
            }
        }
        let key_fits = |key: &String| key.len() <= 64 * 1024 && key.contains("PRIVATE KEY-----") && !key.contains('\0');
        if self.ssh_private_key.as_ref().is_some_and(|key| !key_fits(key)) {
            return Err(ExecutorError::invalid(&place("ssh_private_key"), "give a private key in PEM, at most 64 KiB"));
        }
        if self.password.is_some() && self.ssh_private_key.is_some() {
            return Err(ExecutorError::invalid(pointer, "give either a password or a private key"));
        }
        Ok(())
    }

    /// The fields as Argo CD names them, in requests and in Secrets alike, but for the URL.
    fn fields(&self) -> Vec<(&'static str, &str)> {
        let kind = if self.kind == RepositoryKind::Git { "git" } else { "helm" };
        let user = self.password.as_ref().map(|_| self.username.as_deref().unwrap_or("x-access-token"));
        let fields = [
            ("type", Some(kind)),
            ("name", self.name.as_deref()),
            ("username", user.or(self.username.as_deref())),
            ("password", self.password.as_deref()),
            ("sshPrivateKey", self.ssh_private_key.as_deref()),
            ("project", self.project.as_deref()),
        ];
        fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
    }

    /// What Argo CD's server gets.
    pub(crate) fn request(&self) -> Value {
        let mut request = json!({ "repo": self.url, "enableOCI": self.kind == RepositoryKind::HelmOci });
        for (name, value) in self.fields() {
            request[name] = json!(value);
        }
        request
    }

    /// The same as a Secret.
    pub(crate) fn secret(&self, namespace: &str) -> Value {
        let encoded = |text: &str| json!(STANDARD.encode(text));
        let mut data = Map::new();
        data.insert("url".to_owned(), encoded(&self.url));
        data.extend(self.fields().into_iter().map(|(name, value)| (name.to_owned(), encoded(value))));
        if self.kind == RepositoryKind::HelmOci {
            data.insert("enableOCI".to_owned(), encoded("true"));
        }
        let labels = json!({ "argocd.argoproj.io/secret-type": "repository" });
        json!({ "apiVersion": "v1", "kind": "Secret", "type": "Opaque", "data": data,
                "metadata": { "name": self.secret_name(), "namespace": namespace, "labels": labels } })
    }

    /// As Argo CD's server would name it, so that there are never two for one repository.
    fn secret_name(&self) -> String {
        let text = [self.url.as_bytes(), self.project.as_deref().unwrap_or_default().as_bytes()].concat();
        self.secret_name.clone().unwrap_or_else(|| format!("repo-{}", fnv1a(&text)))
    }
}

/// FNV-1a of 32 bits.
fn fnv1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn repository(more: Value) -> Repository {
        let mut text = json!({ "url": "https://git.example/a.git" });
        let Value::Object(more) = more else { panic!("it is an object") };
        text.as_object_mut().unwrap().extend(more);
        serde_json::from_value(text).unwrap()
    }

    #[test]
    fn a_secret_is_named_as_the_server_names_it() {
        // The test vectors of FNV's authors.
        assert_eq!((fnv1a(b""), fnv1a(b"a"), fnv1a(b"foobar")), (0x811c_9dc5, 0xe40c_292c, 0xbf9c_f968));
        assert_eq!(repository(json!({ "secret_name": "repo-apps" })).secret("x")["metadata"]["name"], "repo-apps");
    }

    #[test]
    fn both_forms_say_the_same() {
        let repository = repository(json!({ "password": "geheim", "type": "helm_oci", "project": "p" }));
        let request = json!({ "repo": "https://git.example/a.git", "enableOCI": true, "type": "helm", "username": "x-access-token",
                              "password": "geheim", "project": "p" });
        assert_eq!(repository.request(), request);
        let secret = repository.secret("argocd");
        assert_eq!(secret["data"]["password"], "Z2VoZWlt");
        assert_eq!(secret["data"]["enableOCI"], "dHJ1ZQ==");
        assert_eq!(secret["metadata"]["labels"]["argocd.argoproj.io/secret-type"], "repository");
        assert!(!format!("{repository:?}").contains("geheim"));
    }

    #[test]
    fn what_cannot_be_right_is_refused_by_name() {
        for (more, pointer) in [
            (json!({ "url": "https://u:p@h/x" }), "/repository/url: "),
            (json!({ "url": "http://git.example/a", "password": "p" }), "/repository/password: "),
            (json!({ "password": "a\nb" }), "/repository/password: "),
            (json!({ "ssh_private_key": "x" }), "/repository/ssh_private_key: "),
            (json!({ "username": "-u" }), "/repository/username: "),
            (json!({ "project": "A" }), "/repository/project: "),
            (json!({ "secret_name": "a/b" }), "/repository/secret_name: "),
            (json!({ "password": "p", "ssh_private_key": "-----BEGIN PRIVATE KEY-----" }), "/repository: "),
        ] {
            let error = repository(more).check("/repository").unwrap_err().to_string();
            assert!(error.starts_with(pointer), "{pointer}: {error}");
        }
        assert!(repository(json!({ "url": "http://127.0.0.1:1/a", "password": "p" })).check("/repository").is_ok());
    }
}
