//! Where terraform keeps its state, and how it is told without a secret in a file that travels.

use std::fs;
use std::path::{Path, PathBuf};

use executor_api::{Environment, ErrorBody, ExecutorError, JobContext, PlaneAccess};
use reqwest::StatusCode;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::bucket;
use crate::files::{quoted, write_private};
use crate::own_backend::{self, OVERRIDE};
use crate::storage;

/// Where the state is kept.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
pub enum Backend {
    /// In the control plane, with locking.
    Plane {
        /// 1 to 128 of `A-Z a-z 0-9 . _ -`; one state per name and organisation.
        name: String,
    },
    /// In the S3 storage that the runner's operator has set, with a lock file beside it.
    S3 {
        /// The bucket.
        bucket: String,
        /// The object.
        key: String,
    },
    /// In a file of this machine: for runs without a control plane only.
    Local {
        /// An absolute path.
        path: PathBuf,
    },
}

impl Backend {
    pub(crate) fn check(&self) -> Result<(), ExecutorError> {
        match self {
            Self::Plane { name } if is_word(name, "._-", 128) && !name.starts_with('.') => Ok(()),
            Self::Plane { .. } => Err(ExecutorError::invalid(
                "/backend/name",
                "a state's name has 1 to 128 letters, digits, '.', '_', '-'",
            )),
            // `..` would be another place in the storage.
            Self::S3 { bucket, .. } if !is_word(bucket, ".-", 63) || bucket.starts_with(['.', '-']) => {
                Err(ExecutorError::invalid(
                    "/backend/bucket",
                    "a bucket's name has 1 to 63 letters, digits, '.', '-', and begins with a letter or a digit",
                ))
            }
            Self::S3 { key, .. } if !is_word(key, "._-/", 512) || key.starts_with('/') || key.contains("..") => {
                Err(ExecutorError::invalid(
                    "/backend/key",
                    "a key has 1 to 512 letters, digits, '.', '_', '-', '/', and no '..'",
                ))
            }
            Self::Local { path } if !path.is_absolute() => {
                Err(ExecutorError::invalid("/backend/path", "give an absolute path"))
            }
            Self::S3 { .. } | Self::Local { .. } => Ok(()),
        }
    }

    /// Writes what terraform reads, and returns arguments for `init` and environment for every command.
    pub(crate) fn prepare(&self, job: &JobContext, dir: &Path) -> Result<Prepared, ExecutorError> {
        let place = match self {
            Self::Plane { name } => format!("{name} at the control plane"),
            Self::S3 { bucket, key } => format!("{key} in the bucket {bucket}"),
            Self::Local { path } => format!("{} on this machine", path.display()),
        };
        job.log().system(format!("the state is {place}; a backend that the stack names does not count"));
        let config = match self {
            Self::Local { path } => json!({ "path": path }),
            Self::Plane { .. } | Self::S3 { .. } => json!({}),
        };
        let text = json!({ "terraform": { "backend": { self.kind(): config } } }).to_string();
        fs::write(dir.join(OVERRIDE), text).map_err(ExecutorError::io("cannot write the backend's override"))?;
        match self {
            Self::Plane { name } => plane(job, name),
            Self::S3 { bucket, key } => s3(job, bucket, key),
            Self::Local { .. } if job.settings().plane.is_some() => Err(ExecutorError::invalid(
                "/backend/type",
                "local state would stay behind on the runner; use plane or s3",
            )),
            Self::Local { .. } => Ok(Prepared::default()),
        }
    }

    /// Refuses to go on with another backend: an override file of the stack can come after ours.
    pub(crate) fn check_taken(&self, dir: &Path) -> Result<(), ExecutorError> {
        let taken = own_backend::taken(dir)?;
        let is_ours = match self {
            Self::Plane { .. } => taken.config.as_object().is_some_and(|config| config.values().all(Value::is_null)),
            Self::S3 { bucket, key } => taken.config["bucket"] == *bucket && taken.config["key"] == *key,
            Self::Local { path } => taken.config["path"] == json!(path),
        };
        if is_ours && taken.kind == self.kind() {
            return Ok(());
        }
        let files = own_backend::overrides(dir).join(", ");
        let why = format!("its override files ({files}) put the state elsewhere than the job; name no backend in them");
        Err(ExecutorError::invalid("/source", why))
    }

    /// Terraform's word for it.
    fn kind(&self) -> &'static str {
        match self {
            Self::Plane { .. } => "http",
            Self::S3 { .. } => "s3",
            Self::Local { .. } => "local",
        }
    }

    /// What is not there, and terraform does not make by itself.
    pub(crate) async fn missing<'b>(
        &'b self,
        job: &'b JobContext,
    ) -> Result<Option<bucket::Missing<'b>>, ExecutorError> {
        match (self, &job.settings().storage) {
            (Self::S3 { bucket, .. }, Some(storage)) => bucket::missing(job, storage, bucket).await,
            _ => Ok(None),
        }
    }

    /// Whether there may be a state: whoever cannot be asked cheaply, or gives no clear answer, may have one.
    pub(crate) async fn may_have_state(&self, job: &JobContext) -> bool {
        match (self, &job.settings().plane) {
            (Self::Plane { name }, Some(plane)) => !has_no_state(job, plane, name).await,
            (Self::Local { path }, _) => path.try_exists().unwrap_or(true),
            (Self::Plane { .. } | Self::S3 { .. }, _) => true,
        }
    }

    /// What a plan is bound to.
    pub(crate) fn fingerprint(&self) -> Value {
        json!(self)
    }
}

/// What a backend adds to terraform's command line and environment.
#[derive(Default)]
pub(crate) struct Prepared {
    pub(crate) init_args: Vec<String>,
    pub(crate) env: Environment,
    /// What the control plane calls the state, if it keeps it.
    pub(crate) state: Option<String>,
}

/// All of it through the environment: nothing of it is in the plan or in `.terraform`.
fn plane(job: &JobContext, name: &str) -> Result<Prepared, ExecutorError> {
    let Some(plane) = &job.settings().plane else {
        let error = "there is no control plane here that could keep the state; use a local backend with a path";
        return Err(ExecutorError::invalid("/backend/type", error));
    };
    let address = address(plane, name);
    let lock = format!("{address}/lock");
    let env = [
        ("TF_HTTP_ADDRESS", address.as_str()),
        ("TF_HTTP_LOCK_ADDRESS", &lock),
        ("TF_HTTP_UNLOCK_ADDRESS", &lock),
        ("TF_HTTP_LOCK_METHOD", "PUT"),
        ("TF_HTTP_UNLOCK_METHOD", "DELETE"),
        ("TF_HTTP_USERNAME", job.job().id.as_str()),
        ("TF_HTTP_PASSWORD", &plane.state_token),
        // A plane that restarts must not cost an apply its state: with the longest pause this waits for minutes.
        ("TF_HTTP_RETRY_MAX", "20"),
        ("TF_HTTP_RETRY_WAIT_MIN", "1"),
        ("TF_HTTP_RETRY_WAIT_MAX", "30"),
    ];
    Ok(Prepared { init_args: Vec::new(), env: env.into_iter().collect(), state: Some(name.to_owned()) })
}

fn address(plane: &PlaneAccess, name: &str) -> String {
    format!("{}/api/state/{name}", plane.origin)
}

/// One request, whose answer is not read if it is a state; a plane that does not answer is left to terraform, which
/// asks for minutes. A 404 without the plane's words is that of somebody who stands before it while it restarts.
async fn has_no_state(job: &JobContext, plane: &PlaneAccess, name: &str) -> bool {
    let question = storage::client(&plane.origin).get(address(plane, name));
    match question.basic_auth(&job.job().id, Some(&plane.state_token)).send().await {
        Ok(answer) if answer.status() == StatusCode::NOT_FOUND => answer.json::<ErrorBody>().await.is_ok(),
        _ => false,
    }
}

fn s3(job: &JobContext, bucket: &str, key: &str) -> Result<Prepared, ExecutorError> {
    let Some(storage) = &job.settings().storage else {
        let error = "the runner has no S3 storage; its operator sets SUPABASE_S3_ENDPOINT and the variables beside it";
        return Err(ExecutorError::invalid("/backend/type", error));
    };
    let text = format!(
        "bucket = {}\nkey = {}\nregion = {}\nendpoints = {{ s3 = {} }}\nskip_credentials_validation = true\n\
         skip_requesting_account_id = true\nskip_metadata_api_check = true\nskip_region_validation = true\n\
         skip_s3_checksum = true\nuse_path_style = true\nuse_lockfile = true\n",
        quoted(bucket),
        quoted(key),
        quoted(&storage.region),
        quoted(&storage.endpoint)
    );
    // A profile of its own: in the environment the keys would be those of the stack's AWS provider, too. A plan keeps
    // these settings, and is applied in another job's folders.
    let profile = format!(
        "[{PROFILE}]\naws_access_key_id = {}\naws_secret_access_key = {}\n",
        storage.key_id, storage.secret_key
    );
    write(&job.paths().temp.join(KEYS), &profile)?;
    let temp = job.paths().temp.file_name().unwrap_or_default().display().to_string();
    let keys = quoted(&format!("../{temp}/{KEYS}"));
    let text = format!("{text}profile = {}\nshared_credentials_files = [{keys}]\n", quoted(PROFILE));
    let file = job.paths().temp.join("backend.tfbackend");
    write(&file, &text)?;
    Ok(Prepared { init_args: vec![format!("-backend-config={}", file.display())], ..Prepared::default() })
}

/// The profile that holds the keys of the state, and the file that it is in.
const PROFILE: &str = "alethia-state";
const KEYS: &str = "state-credentials";

fn write(file: &Path, text: &str) -> Result<(), ExecutorError> {
    write_private(file, text).map_err(ExecutorError::io("cannot write the backend's settings"))
}

fn is_word(text: &str, more: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || more.contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_of_the_same_kind_elsewhere_is_not_the_jobs() {
        let [plane, s3, local] = [
            json!({ "type": "plane", "name": "net" }),
            json!({ "type": "s3", "bucket": "b", "key": "k" }),
            json!({ "type": "local", "path": "/state" }),
        ]
        .map(|backend| serde_json::from_value::<Backend>(backend).unwrap());
        for (backend, kind, config, is_ours) in [
            (&plane, "http", json!({ "address": null, "username": null }), true),
            (&plane, "http", json!({ "address": "https://elsewhere", "username": null }), false),
            (&plane, "local", json!({ "path": null }), false),
            (&s3, "s3", json!({ "bucket": "b", "key": "k", "region": "x" }), true),
            (&s3, "s3", json!({ "bucket": "b", "key": "other" }), false),
            (&s3, "gcs", json!({ "bucket": "b", "key": "k" }), false),
            (&local, "local", json!({ "path": "/state" }), true),
            (&local, "local", json!({ "path": null }), false),
        ] {
            let dir = tempfile::tempdir().unwrap();
            fs::create_dir(dir.path().join(".terraform")).unwrap();
            let written = json!({ "version": 3, "backend": { "type": kind, "config": config } }).to_string();
            fs::write(dir.path().join(".terraform/terraform.tfstate"), &written).unwrap();
            assert_eq!(backend.check_taken(dir.path()).is_ok(), is_ours, "{backend:?}: {written}");
        }
    }
}
