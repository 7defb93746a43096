//! Getting a chart onto this machine, before anything is changed.
//!
//! Credentials reach helm through files that only this user can read and that are gone when the chart is here: helm
//! has no variable for them, and arguments are seen by everybody.

use std::fs;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use executor_api::{Command, ExecutorError, Finished};
use job_source::Source;
use serde_json::{Value, json};
use tempfile::{NamedTempFile, TempDir};

use crate::chart::{Chart, Origin};
use crate::dependencies::{self, Missing};
use crate::helm::{Helm, failure, names, with_file};
use crate::retry::{Failure, patiently};

/// What the repository is called in the file that names it.
const REPOSITORY: &str = "repository";

/// A chart on this machine; gone when dropped.
#[derive(Debug)]
pub struct FetchedChart {
    path: PathBuf,
    _folder: TempDir,
}

impl FetchedChart {
    /// A folder, or a packaged chart. Absolute, so it is never an option nor the name of a repository.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Helm<'_> {
    /// Gets a chart, with what it depends on. `pointer` is the place of the chart in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] if it is refused; otherwise if it cannot be had.
    pub async fn fetch(&self, chart: &Chart, pointer: &str) -> Result<FetchedChart, ExecutorError> {
        let origin = chart.origin(pointer)?;
        if let Some(password) = &chart.password {
            self.job.mask(password);
        }
        let folder = tempfile::Builder::new().prefix("chart-").tempdir_in(self.job.work_dir());
        let folder = folder.map_err(ExecutorError::io("cannot make a folder for the chart"))?;
        let path = match origin {
            Origin::Source(source) => {
                self.take_from_source(source, chart.path.as_deref().unwrap_or("."), folder.path(), pointer).await?
            }
            Origin::Repository { url, name } => self.pull_from_repository(chart, url, name, folder.path()).await?,
            Origin::Registry { host, reference } => {
                self.pull_from_registry(chart, &host, reference, folder.path()).await?
            }
        };
        Ok(FetchedChart { path, _folder: folder })
    }

    async fn take_from_source(
        &self,
        source: &Source,
        path: &str,
        folder: &Path,
        pointer: &str,
    ) -> Result<PathBuf, ExecutorError> {
        let root = folder.join("source");
        fs::create_dir(&root).map_err(ExecutorError::io("cannot make a folder for the source"))?;
        source.unpack(self.job, &root, &format!("{pointer}/source")).await?;
        let chart = if path == "." { root.clone() } else { root.join(path) };
        if chart.is_file() {
            return Ok(chart);
        }
        if !chart.join("Chart.yaml").is_file() {
            let error = format!("there is no Chart.yaml in {path:?} of the source");
            return Err(ExecutorError::invalid(&format!("{pointer}/path"), error));
        }
        if let Some(missing) = dependencies::missing(&chart, &root, &format!("{pointer}/source"))? {
            self.build_dependencies(&chart, &missing, folder).await?;
        }
        Ok(chart)
    }

    async fn build_dependencies(&self, chart: &Path, missing: &Missing, folder: &Path) -> Result<(), ExecutorError> {
        let named = missing.repositories.iter().enumerate();
        let entries: Vec<_> = named.map(|(at, url)| json!({ "name": format!("of-chart-{at}"), "url": url })).collect();
        let (command, _file) = self.with_repositories(&["dependency", "build"], &entries, folder)?;
        self.download("dependency build", names(command, [chart.as_os_str()])).await
    }

    async fn pull_from_repository(
        &self,
        chart: &Chart,
        url: &str,
        name: &str,
        folder: &Path,
    ) -> Result<PathBuf, ExecutorError> {
        let mut entry = json!({ "name": REPOSITORY, "url": url });
        if let (Some(username), Some(password)) = (&chart.username, &chart.password) {
            // Without `pass_credentials_all`, so that they go to this host only.
            entry["username"] = Value::from(username.as_str());
            entry["password"] = Value::from(password.as_str());
        }
        let entries = [entry];
        let (update, _file) =
            self.with_repositories(&["repo", "update", "--fail-on-repo-update-fail"], &entries, folder)?;
        self.download("repo update", update).await?;
        let (pull, _file) = self.with_repositories(&["pull"], &entries, folder)?;
        self.pull(chart, pull, &format!("{REPOSITORY}/{name}"), folder).await
    }

    async fn pull_from_registry(
        &self,
        chart: &Chart,
        host: &str,
        reference: &str,
        folder: &Path,
    ) -> Result<PathBuf, ExecutorError> {
        let mut auths = json!({});
        if let (Some(username), Some(password)) = (&chart.username, &chart.password) {
            auths[host] = json!({ "auth": STANDARD.encode(format!("{username}:{password}")) });
        }
        let file = self.job.document("helm", &json!({ "auths": auths }))?;
        let command = self.bare_command(&["pull"]).env("HELM_REGISTRY_CONFIG", file.path());
        let command = if chart.plain_http { command.arg("--plain-http") } else { command };
        self.pull(chart, command, reference, folder).await
    }

    async fn pull(
        &self,
        chart: &Chart,
        command: Command,
        reference: &str,
        folder: &Path,
    ) -> Result<PathBuf, ExecutorError> {
        let into = folder.join("pulled");
        fs::create_dir(&into).map_err(ExecutorError::io("cannot make a folder for the chart"))?;
        let command = with_file(command, "destination", &into);
        let command = command.args(chart.version.as_ref().map(|version| format!("--version={version}")));
        self.download("pull", names(command, [reference])).await?;
        let files = fs::read_dir(&into).map_err(ExecutorError::io("cannot look for the chart that was pulled"))?;
        let mut files = files.filter_map(Result::ok).map(|entry| entry.path());
        files
            .next()
            .ok_or_else(|| ExecutorError::Other("`helm pull` said that it succeeded, but there is no chart".to_owned()))
    }

    fn with_repositories(
        &self,
        verb: &[&str],
        entries: &[Value],
        folder: &Path,
    ) -> Result<(Command, NamedTempFile), ExecutorError> {
        let file = self.job.document("helm", &json!({ "apiVersion": "", "repositories": entries }))?;
        let command = self.bare_command(verb).env("HELM_REPOSITORY_CONFIG", file.path());
        Ok((command.env("HELM_REPOSITORY_CACHE", folder.join("indexes")), file))
    }

    async fn download(&self, verb: &str, command: Command) -> Result<(), ExecutorError> {
        patiently(self.job, async || {
            let finished = self.job.tee(command.clone()).await.map_err(Failure::Final)?;
            if finished.exit.is_success() {
                return Ok(());
            }
            // Why a repository does not answer is in its standard output.
            let printed = self.job.log().masked(&String::from_utf8_lossy(&finished.stdout));
            Err(failure(verb, &Finished { stderr_tail: format!("{}{printed}", finished.stderr_tail), ..finished }))
        })
        .await
    }
}
