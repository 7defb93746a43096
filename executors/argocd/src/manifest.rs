//! A manifest of Argo CD: from the job's source, or from the web.

use std::path::Path;
use std::time::Duration;

use executor_api::{ExecutorError, Input, JobContext, is_loopback};
use executor_kubectl::ManifestFiles;
use job_source::Source;
use reqwest::redirect::Policy;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use url::Url;

use crate::words;

const DOWNLOAD_LIMIT: Duration = Duration::from_secs(120);
const MOST_BYTES: usize = 32 * 1024 * 1024;
const MOST_REDIRECTS: usize = 5;
/// The file that Argo CD's releases have.
const INSTALL: &str = "install.yaml";

/// A manifest. Exactly one of `url` and `source`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [{ "required": ["url"] }, { "required": ["source"] }]))]
pub struct Manifest {
    /// Where it is, over https.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// For `url`: its SHA-256 in hexadecimal digits. Whoever can change what is there can take over the cluster, unless
    /// this says what it must be.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = "^[0-9a-f]{64}$"))]
    pub sha256: Option<String>,
    /// Files that come with the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// For `source`: the file or folder in it; `install.yaml` if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// A manifest on this machine; gone when dropped.
pub(crate) struct FetchedManifest {
    pub(crate) files: ManifestFiles,
    _folder: TempDir,
}

impl Manifest {
    /// What has to be fetched from the control plane before the job starts.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        self.source.as_ref().map(Source::inputs).unwrap_or_default()
    }

    pub(crate) fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        let place = |field: &str| format!("{pointer}/{field}");
        match (&self.url, &self.source) {
            (Some(url), None) => drop(check_url(&place("url"), url)?),
            (None, Some(source)) => source.check(&place("source"))?,
            _ => return Err(ExecutorError::invalid(pointer, "say where the manifest is: either `url` or `source`")),
        }
        match (&self.sha256, &self.path) {
            (Some(_), _) if self.url.is_none() => {
                Err(ExecutorError::invalid(&place("sha256"), "this goes with `url` only; leave it out"))
            }
            (_, Some(_)) if self.source.is_none() => {
                Err(ExecutorError::invalid(&place("path"), "this goes with `source` only; leave it out"))
            }
            (Some(digest), _)
                if digest.len() != 64 || !digest.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) =>
            {
                Err(ExecutorError::invalid(&place("sha256"), "give 64 hexadecimal digits in lower case"))
            }
            (_, Some(path)) => ManifestFiles::check_path(path, &place("path")),
            _ => Ok(()),
        }
    }

    pub(crate) async fn fetch(&self, job: &JobContext, pointer: &str) -> Result<FetchedManifest, ExecutorError> {
        self.check(pointer)?;
        let folder = tempfile::Builder::new().prefix("manifest-").tempdir_in(job.work_dir());
        let folder = folder.map_err(ExecutorError::io("cannot make a folder for the manifest"))?;
        let files = match (&self.url, &self.source) {
            (Some(url), _) => {
                self.download(job, &check_url(&format!("{pointer}/url"), url)?, folder.path(), pointer).await?
            }
            (None, Some(source)) => self.unpack(job, source, folder.path(), pointer).await?,
            (None, None) => return Err(ExecutorError::invalid(pointer, "say where the manifest is")),
        };
        Ok(FetchedManifest { files, _folder: folder })
    }

    async fn unpack(
        &self,
        job: &JobContext,
        source: &Source,
        folder: &Path,
        pointer: &str,
    ) -> Result<ManifestFiles, ExecutorError> {
        let root = folder.join("source");
        std::fs::create_dir(&root).map_err(ExecutorError::io("cannot make a folder for the source"))?;
        source.unpack(job, &root, &format!("{pointer}/source")).await?;
        let path = self.path.as_deref().unwrap_or(INSTALL);
        ManifestFiles::read(job, &root, path, &format!("{pointer}/path"))
    }

    async fn download(
        &self,
        job: &JobContext,
        url: &Url,
        folder: &Path,
        pointer: &str,
    ) -> Result<ManifestFiles, ExecutorError> {
        let mut stop = job.stop();
        let bytes = tokio::select! {
            bytes = download(url) => bytes.map_err(|why| ExecutorError::invalid(&format!("{pointer}/url"), why))?,
            stop = stop.changed_from(None) => return Err(ExecutorError::Stopped(stop.reason)),
        };
        let digest = hex::encode(Sha256::digest(&bytes));
        job.log().system(format!("the manifest has {} bytes and the SHA-256 {digest}", bytes.len()));
        if self.sha256.as_ref().is_some_and(|wanted| *wanted != digest) {
            let why = "what is at `url` is not what this says; has it been changed?";
            return Err(ExecutorError::invalid(&format!("{pointer}/sha256"), why));
        }
        std::fs::write(folder.join(INSTALL), bytes).map_err(ExecutorError::io("cannot write the manifest"))?;
        ManifestFiles::read(job, folder, INSTALL, &format!("{pointer}/url"))
    }
}

async fn download(url: &Url) -> Result<Vec<u8>, String> {
    // Argo CD's releases are at an address that sends on to another one.
    let redirects = Policy::custom(|attempt| {
        if attempt.url().scheme() == "https" && attempt.previous().len() <= MOST_REDIRECTS {
            attempt.follow()
        } else {
            attempt.stop()
        }
    });
    let is_local = is_loopback(url.host().as_ref());
    let client = reqwest::Client::builder().timeout(DOWNLOAD_LIMIT).redirect(redirects);
    let client = if is_local { client.no_proxy() } else { client };
    let client = client.build().map_err(|error| error.to_string())?;
    let refused = |error: reqwest::Error| format!("it cannot be had: {error}");
    let mut response =
        client.get(url.clone()).send().await.and_then(reqwest::Response::error_for_status).map_err(refused)?;
    if !response.status().is_success() {
        return Err(format!("it cannot be had: the answer is {}", response.status()));
    }
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(refused)? {
        bytes.extend_from_slice(&chunk);
        if bytes.len() > MOST_BYTES {
            return Err(format!("it has more than {} MiB", MOST_BYTES / (1024 * 1024)));
        }
    }
    Ok(bytes)
}

fn check_url(pointer: &str, text: &str) -> Result<Url, ExecutorError> {
    words::check_line(pointer, text, 2048)?;
    let refuse = |why: &str| ExecutorError::invalid(pointer, format!("{why}; give https://host/path"));
    let url = Url::parse(text).map_err(|error| refuse(&error.to_string()))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(refuse("a URL must not hold a user or a password"));
    }
    match url.scheme() {
        "https" if url.has_host() => Ok(url),
        "http" if is_loopback(url.host().as_ref()) => Ok(url),
        _ => Err(refuse("the manifest comes over https only")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_is_one_file_for_kubectl_too() {
        for (path, is_one) in
            [("a/install.yaml", true), ("a,b/install.yaml", false), ("x,/etc/passwd", false), ("\"a\"", false)]
        {
            let manifest = json!({ "source": { "files": { path: "" } }, "path": path });
            let checked = serde_json::from_value::<Manifest>(manifest).unwrap().check("/install/manifest");
            let refused = checked.err().map(|error| error.to_string()).unwrap_or_default();
            assert_eq!(refused.starts_with("/install/manifest/path: "), !is_one, "{path}: {refused}");
            assert_eq!(refused.is_empty(), is_one, "{path}: {refused}");
        }
    }
}
