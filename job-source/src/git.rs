//! A folder of a git repository as a source: which values a payload may give, and where its token is.

use std::path::Path;

use executor_api::{ExecutorError, Input, JobContext};
use executor_git::{CloneOptions, Depth, FolderPath, Git, GitError, GitRef, GitUrl, Remote, Token};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Where in which repository.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitSource {
    /// `https://host/path` or `ssh://git@host/path`.
    pub url: String,
    /// A branch, a tag or a whole commit id; the default branch if missing.
    #[serde(default, rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// A folder in the repository; its root if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

impl GitSource {
    pub(crate) fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        self.parsed().map(drop).map_err(|error| error.at(|field| field.under(pointer)))
    }

    /// The token that its host is sent, and no other. None over ssh.
    pub(crate) fn token(&self) -> Option<Input> {
        let host = GitUrl::parse(&self.url).ok()?.token_host()?;
        Some(Input::GitToken { host })
    }

    /// Only the newest commit, without git's own files.
    pub(crate) async fn fetch(&self, job: &JobContext, dest: &Path, pointer: &str) -> Result<(), ExecutorError> {
        let clone = tempfile::tempdir_in(&job.paths().temp);
        let clone = clone.map_err(ExecutorError::io("cannot make a folder for the repository"))?;
        let folder = self.clone_into(job, &clone.path().join("repository")).await;
        let folder = folder.map_err(|error| error.at(|field| field.under(pointer)))?;
        std::fs::remove_dir(dest).map_err(ExecutorError::io("cannot make room for the source"))?;
        std::fs::rename(folder, dest).map_err(ExecutorError::io("cannot move the source to its place"))
    }

    async fn clone_into(&self, job: &JobContext, dest: &Path) -> Result<std::path::PathBuf, GitError> {
        let (url, options) = self.parsed()?;
        let mut remote = Remote::new(url);
        if let Some(token) = self.token().and_then(|input| token(job, &input).transpose()).transpose()? {
            remote = remote.with_token(token);
        }
        let checkout = Git::find(job).await?.clone(remote, &options, dest).await?;
        Ok(checkout.folder().to_owned())
    }

    fn parsed(&self) -> Result<(GitUrl, CloneOptions), GitError> {
        let options = CloneOptions {
            reference: self.reference.as_deref().map(GitRef::parse).transpose()?,
            depth: Depth::default(),
            path: self.path.as_deref().map(FolderPath::parse).transpose()?,
        };
        Ok((GitUrl::parse(&self.url)?, options))
    }
}

/// What the control plane has for the host. Missing if it has none.
fn token(job: &JobContext, input: &Input) -> Result<Option<Token>, GitError> {
    let Ok(file) = job.input(input) else { return Ok(None) };
    let text = std::fs::read_to_string(file).map_err(ExecutorError::io("cannot read the git token"))?;
    if text.trim().is_empty() {
        return Ok(None);
    }
    // It is in no payload, so no field is to blame.
    let unusable = |error: GitError| ExecutorError::Other(format!("the control plane's git token: {error}"));
    Ok(Some(Token::new(&text).map_err(unusable)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, reference: Option<&str>, path: Option<&str>) -> Result<(), String> {
        let [reference, path] = [reference, path].map(|text| text.map(str::to_owned));
        let source = GitSource { url: url.to_owned(), reference, path };
        source.check("/source/git").map_err(|error| error.to_string())
    }

    #[test]
    fn each_wrong_value_is_named_by_its_place() {
        let url = "https://example.com/x.git";
        assert_eq!(check(url, None, None), Ok(()));
        assert_eq!(check("ssh://git@example.com/x", Some("v1.2.3"), Some("stacks/net")), Ok(()));
        for (result, place) in [
            (check("--upload-pack=touch /x", None, None), "/source/git/url: "),
            (check("ext::sh -c id", None, None), "/source/git/url: "),
            (check("ssh://-oProxyCommand=id/x", None, None), "/source/git/url: "),
            (check("https://user:secret@host/x", None, None), "/source/git/url: "),
            (check("git@host:path", None, None), "/source/git/url: "),
            (check(url, Some("--output=x"), None), "/source/git/ref: "),
            (check(url, Some("a..b"), None), "/source/git/ref: "),
            (check(url, None, Some("../x")), "/source/git/path: "),
            (check(url, None, Some(".git")), "/source/git/path: "),
        ] {
            let error = result.expect_err(place);
            assert!(error.starts_with(place) && !error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn a_payload_reaches_nothing_on_this_machine() {
        for url in
            ["http://127.0.0.1:8080/x", "http://localhost/x", "https://127.0.0.1/x", "ssh://127.0.0.1/x", "file:///etc"]
        {
            assert!(check(url, None, None).is_err(), "{url}");
        }
    }
}
