//! What the runner's operator set, as far as a job may know it. Written by the host into the job directory.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use semver::VersionReq;
use serde::{Deserialize, Serialize};

use crate::{CloudSettings, InstalledTools};

/// A variable whose name holds one of these, in whatever case, has a secret for its value.
const SECRET_NAMES: [&str; 5] = ["TOKEN", "SECRET", "PASS", "KEY", "CREDENTIAL"];

/// Settings of one job. Holds secrets: it has no `Debug` that shows them, and its file has mode 0600.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct JobSettings {
    /// The environment that every tool of the job gets (PATH, proxies, the operator's allow-list). HOME and TMPDIR
    /// are set per job and never come from here.
    pub env: BTreeMap<String, String>,
    /// How the job reaches the control plane's state backend.
    pub plane: Option<PlaneAccess>,
    /// The S3 storage of terraform state, where the seed's variables are set.
    pub storage: Option<StorageSettings>,
    /// `INFRACOST_API_KEY`.
    pub infracost_api_key: Option<String>,
    /// A folder that jobs share, for provider packages.
    pub cache_dir: Option<PathBuf>,
    /// A folder with all providers that stacks may use (`ALETHIA_PROVIDER_MIRROR`): then no registry is asked.
    pub provider_mirror: Option<PathBuf>,
    /// The bucket for the states of environments in `storage` (`ALETHIA_STATE_BUCKET`), if not the contract's.
    pub state_bucket: Option<String>,
    /// Where a run without a control plane keeps the states of environments.
    pub local_states: Option<PathBuf>,
    /// For how many seconds a plan may be applied (`ALETHIA_PLAN_TTL`); a day if missing.
    pub plan_ttl_s: Option<u64>,
    /// Tools by name, where the operator says which program to use. Others are looked up in `env`'s PATH.
    pub tools: BTreeMap<String, PathBuf>,
    /// Where `alethia tools install` puts tools; used for what is not on `env`'s PATH, or where a job asks for a version.
    pub tools_dir: Option<PathBuf>,
    /// What the operator set about clouds.
    pub cloud: CloudSettings,
}

impl std::fmt::Debug for JobSettings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("JobSettings").field("cache_dir", &self.cache_dir).finish_non_exhaustive()
    }
}

/// The control plane, as a job may use it: for terraform state and nothing else.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PlaneAccess {
    /// Scheme, host and port, without a trailing slash.
    pub origin: String,
    /// Valid for this attempt only. A secret.
    pub state_token: String,
}

/// The seed's storage variables.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageSettings {
    /// `SUPABASE_S3_ENDPOINT`
    pub endpoint: String,
    /// `SUPABASE_S3_REGION`
    pub region: String,
    /// `SUPABASE_STORAGE_KEY_ID`. A secret.
    pub key_id: String,
    /// `SUPABASE_STORAGE_SECRET_KEY`. A secret.
    pub secret_key: String,
    /// Whether a bucket for states is made where it is missing (`ALETHIA_STORAGE_AUTO_CREATE_BUCKETS`). The job
    /// directories of older runners do not say.
    #[serde(default = "create_buckets")]
    pub create_buckets: bool,
}

/// As it is where the operator says nothing.
fn create_buckets() -> bool {
    true
}

impl JobSettings {
    /// The program of a tool: the operator's choice, else the first on the PATH, else the newest installed version that
    /// is `wanted`. Only the last is checked: an upgrade of what is on the PATH is the operator's to make, and what was
    /// installed beside it must not be one.
    #[must_use]
    pub fn program(&self, name: &str, wanted: &VersionReq) -> Option<PathBuf> {
        let path = self.env.get("PATH").map(String::as_str).unwrap_or_default();
        let chosen = self.tools.get(name).cloned();
        chosen.or_else(|| which::which_in(name, Some(path), "/").ok()).or_else(|| self.installed(name, wanted))
    }

    /// The newest installed version of a tool that is `wanted`.
    #[must_use]
    pub fn installed(&self, name: &str, wanted: &VersionReq) -> Option<PathBuf> {
        let dir = self.tools_dir.as_ref()?;
        InstalledTools::at(dir).newest(name, wanted).map(|(_, program)| program)
    }

    /// Every secret in here: none of them may reach a log.
    pub fn secrets(&self) -> impl Iterator<Item = Cow<'_, str>> {
        let storage = self.storage.iter().flat_map(|s| [s.key_id.as_str(), s.secret_key.as_str()]);
        let plane = self.plane.iter().map(|plane| plane.state_token.as_str());
        let named = self.env.iter().filter(|(name, _)| names_a_secret(name)).map(|(_, value)| value.as_str());
        let whole = storage.chain(plane).chain(self.infracost_api_key.as_deref()).chain(named).map(Cow::Borrowed);
        whole.chain(self.env.values().flat_map(|value| passwords(value)))
    }
}

fn names_a_secret(name: &str) -> bool {
    let name = name.to_ascii_uppercase();
    SECRET_NAMES.iter().any(|word| name.contains(word))
}

/// The passwords in a text with URLs, as they are written and as they are meant. A proxy's may have no scheme.
fn passwords(text: &str) -> impl Iterator<Item = Cow<'_, str>> {
    text.split("://")
        .filter_map(password)
        .flat_map(|password| [Cow::Borrowed(password), percent_decode_str(password).decode_utf8_lossy()])
}

/// In what comes behind a URL's scheme.
fn password(url: &str) -> Option<&str> {
    let (user, _host) = url.split(['/', '?', '#']).next()?.rsplit_once('@')?;
    user.split_once(':').map(|(_name, password)| password)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_directory_of_an_older_runner_can_be_read() {
        let older = serde_json::json!({ "endpoint": "e", "region": "r", "key_id": "k", "secret_key": "s" });
        let storage: StorageSettings = serde_json::from_value(older).unwrap();
        assert!(storage.create_buckets);
    }

    #[test]
    fn a_variable_for_tools_is_a_secret_by_its_name_and_a_url_in_it_by_its_password() {
        let secrets = |name: &str, value: &str| -> Vec<String> {
            let settings = JobSettings { env: [(name.to_owned(), value.to_owned())].into(), ..JobSettings::default() };
            settings.secrets().map(Cow::into_owned).collect()
        };
        for name in
            ["HCLOUD_TOKEN", "TF_VAR_db_password", "AWS_SECRET_ACCESS_KEY", "GOOGLE_CREDENTIALS", "GPG_PASSPHRASE"]
        {
            assert_eq!(secrets(name, "value"), ["value"], "{name}");
        }
        for (value, password) in [
            ("http://bob:proxy-password-9@127.0.0.1:9", "proxy-password-9"),
            ("bob:proxy-password-9@127.0.0.1:9", "proxy-password-9"),
            ("https://bob:a:b@c@proxy", "a:b@c"),
            ("https://one.example,https://bob:in-a-list@two.example/go|direct", "in-a-list"),
        ] {
            assert_eq!(secrets("HTTPS_PROXY", value), [password, password], "{value}");
        }
        assert_eq!(secrets("HTTPS_PROXY", "http://bob:p%40ss@proxy"), ["p%40ss", "p@ss"]);
        for value in [
            "http://proxy:3128/?who=a:b@c",
            "https://bob@proxy",
            "/usr/bin:/opt/a:b@c/bin",
            "git@host:folder",
            "eu-west-1",
        ] {
            assert_eq!(secrets("AWS_REGION", value), [""; 0], "{value}");
        }
    }
}
