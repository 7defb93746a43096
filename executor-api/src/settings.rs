//! What the runner's operator set, as far as a job may know it. Written by the host into the job directory.

use std::collections::BTreeMap;
use std::path::PathBuf;

use semver::VersionReq;
use serde::{Deserialize, Serialize};

use crate::{CloudSettings, InstalledTools};

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
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let storage = self.storage.iter().flat_map(|s| [s.key_id.as_str(), s.secret_key.as_str()]);
        let plane = self.plane.iter().map(|plane| plane.state_token.as_str());
        storage.chain(plane).chain(self.infracost_api_key.as_deref())
    }
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
}
