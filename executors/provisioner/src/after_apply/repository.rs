//! The git repository with the applications of the environment's owner: its address, and what opens it.

use executor_api::{ExecutorError, Input, JobContext};
use executor_argocd::{ArgoCd, Repository, RepositoryKind};
use executor_git::GitUrl;

use super::facts::Facts;
use crate::snapshot::{Hidden, Snapshot};

/// The Secret by which Argo CD knows it.
pub(super) const SECRET: &str = "repo-apps";

/// The token of the job for the repository's host, where the snapshot brings none.
pub(super) fn token_input(repository: Option<&str>, own: Option<&Hidden>) -> Option<Input> {
    let host = GitUrl::parse(repository?).ok()?.over_https().token_host()?;
    own.is_none().then_some(Input::GitToken { host })
}

/// The repository, with what opens it.
pub(super) struct AppsRepository {
    pub(super) url: String,
    token: Option<String>,
}

impl AppsRepository {
    /// None if the snapshot names none.
    pub(super) fn of(job: &JobContext, facts: &Facts<'_>) -> Result<Option<Self>, ExecutorError> {
        let Some(url) = facts.snapshot.apps_destination_repo.clone() else { return Ok(None) };
        let token = token(job, facts.snapshot)?;
        // A token is of no use over ssh, and Argo CD has no key of ours.
        let https = GitUrl::parse(&url).ok().filter(|_| token.is_some()).map(|url| url.over_https().to_string());
        Ok(Some(Self { url: https.unwrap_or(url), token }))
    }

    /// Hands it to Argo CD. Without a token nothing is handed over: then everybody may read it, or Argo CD knows it already.
    pub(super) async fn hand_over(&self, job: &JobContext, argocd: &ArgoCd<'_>) -> Result<(), ExecutorError> {
        if self.token.is_none() {
            job.log().system(format!("there is no token for {}: Argo CD reads it as anybody can", self.url));
            return Ok(());
        }
        let repository = Repository {
            url: self.url.clone(),
            kind: RepositoryKind::Git,
            name: None,
            username: Some(user(&self.url).to_owned()),
            password: self.token.clone(),
            ssh_private_key: None,
            project: None,
            secret_name: Some(SECRET.to_owned()),
        };
        argocd.upsert_repository(&repository).await
    }
}

/// As whom a token signs in.
fn user(url: &str) -> &'static str {
    let is_bitbucket =
        GitUrl::parse(url).ok().and_then(|url| url.token_host()).is_some_and(|host| host == "bitbucket.org");
    if is_bitbucket { "x-token-auth" } else { "x-access-token" }
}

/// Masked before anybody can print it.
fn token(job: &JobContext, snapshot: &Snapshot) -> Result<Option<String>, ExecutorError> {
    let own = snapshot.git_access_token.as_ref();
    let text = match (own, token_input(snapshot.apps_destination_repo.as_deref(), own)) {
        (Some(token), _) => Some(token.to_string()),
        // It is missing where the job has none.
        (None, Some(input)) => match job.input(&input) {
            Ok(file) => Some(std::fs::read_to_string(file).map_err(ExecutorError::io("cannot read the git token"))?),
            Err(_) => None,
        },
        (None, None) => None,
    };
    let token = text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    if let Some(token) = &token {
        job.mask(token);
    }
    Ok(token)
}

#[cfg(test)]
mod tests {
    use executor_api::testing::TestJob;
    use serde_json::{Map, json};

    use super::*;
    use crate::after_apply::example::snapshot;

    fn with_repository(url: &str) -> Snapshot {
        snapshot(json!({ "provider": "aws", "repositories": { "apps_destination_repo": url } }))
    }

    #[test]
    fn the_jobs_token_is_for_that_host_only_and_turns_ssh_into_https() {
        let snapshot = with_repository("ssh://git@git.example/team/apps.git");
        let input = token_input(snapshot.apps_destination_repo.as_deref(), None).unwrap();
        assert_eq!(input, Input::GitToken { host: "git.example".to_owned() });
        let job = TestJob::builder("DEPLOY", &json!({})).input(input, "s3cr3t-of-the-job\n").build().unwrap();
        let outputs = Map::new();
        let repository = AppsRepository::of(&job.context, &Facts::new(&snapshot, &outputs)).unwrap().unwrap();
        assert_eq!(repository.url, "https://git.example/team/apps.git");
        assert_eq!(repository.token.as_deref(), Some("s3cr3t-of-the-job"));
        job.context.log().system("s3cr3t-of-the-job");
        assert!(!job.log().contains("s3cr3t"));
    }

    #[test]
    fn the_snapshots_own_token_wins() {
        let mut snapshot = with_repository("https://git.example/apps");
        snapshot.git_access_token = crate::snapshot::Hidden::new(Some("t0ken".to_owned()));
        let own = snapshot.git_access_token.as_ref();
        assert_eq!(token_input(snapshot.apps_destination_repo.as_deref(), own), None);
        let job = TestJob::builder("DEPLOY", &json!({})).build().unwrap();
        assert_eq!(token(&job.context, &snapshot).unwrap().as_deref(), Some("t0ken"));
        assert_eq!(user("https://bitbucket.org/a/b"), "x-token-auth");
        assert_eq!(user("https://git.example/apps"), "x-access-token");
    }
}
