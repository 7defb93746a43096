//! The payload of the `argocd` kind: what it may say, and what of it is refused.

use std::time::Duration;

use cluster_access::Cluster;
use executor_api::{ExecutorError, waiting_time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::{Auth, Server, Tls};
use crate::api::Cascade;
use crate::install::Install;
use crate::program::version_req;
use crate::project::ProjectSpec;
use crate::repository::Repository;
use crate::spec::ApplicationSpec;
use crate::sync::{SyncOptions, SyncResource};
use crate::words;

/// The payload of the `argocd` kind.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ArgocdParams {
    /// What to do.
    pub action: Action,
    /// Argo CD's server: host, and port where it is not 443, for example `argocd.example.com`. Either this, with `auth`, or
    /// `cluster`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// Who we are to the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth: Option<Auth>,
    /// How the server is known to be the one that is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// For a server behind something that passes HTTP/1.1 only.
    #[serde(default)]
    pub grpc_web: bool,
    /// The cluster that Argo CD lives in, or is to live in: core mode, without its server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cluster: Option<Cluster>,
    /// The namespace that Argo CD and its applications live in; `argocd` if missing. With `server`: that of the
    /// application, where it is another than Argo CD's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// The application's name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$"))]
    pub application: Option<String>,
    /// For app: what the application is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spec: Option<ApplicationSpec>,
    /// For project: what the project is to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<ProjectSpec>,
    /// For repo: the repository, with its credentials.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repository: Option<Repository>,
    /// For install: what is installed; Argo's own chart `argo-cd` 7.1.3 if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub install: Option<Install>,
    /// For sync: a branch, a tag, a commit or a chart's version instead of the application's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// For sync and rollback: delete what is no longer in the source.
    #[serde(default)]
    pub prune: bool,
    /// For sync: only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// For sync: replace what cannot be changed.
    #[serde(default)]
    pub force: bool,
    /// For sync: only these resources.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub resources: Vec<SyncResource>,
    /// For rollback: the number in the application's history (`history_id` of an earlier job); the one before the last if
    /// missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub history_id: Option<u64>,
    /// For delete: what becomes of its resources; they go, if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cascade: Option<Cascade>,
    /// For sync and rollback: succeed only when all is healthy, too; true if missing. A dry run and a sync of some
    /// resources end with the operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<bool>,
    /// How long all of it may take, for example `90s` or `10m`; 10 minutes if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{1,5}(s|m|h)$"))]
    pub timeout: Option<String>,
    /// The versions of the program `argocd` that will do, for example `>=3.1`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub argocd_version: Option<String>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Bring Argo CD into a cluster, and hand over its first password.
    Install,
    /// Make a repository known, with its credentials.
    Repo,
    /// Make a project, or make it what is said.
    Project,
    /// Make an application, or make it what is said.
    App,
    /// Bring an application's resources to what its source says.
    Sync,
    /// Wait until an application is synced and healthy.
    Wait,
    /// Bring an application back to an earlier sync.
    Rollback,
    /// Take an application away. Good if it is not there, where Argo CD tells.
    Delete,
    /// Say how an application is.
    Status,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(600);
const DEFAULT_NAMESPACE: &str = "argocd";

/// Which way to Argo CD.
pub(crate) enum Way<'p> {
    Server(Server, &'p Auth),
    Cluster(&'p Cluster),
}

impl ArgocdParams {
    /// Checks what the schema cannot say.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self) -> Result<(), ExecutorError> {
        self.refuse_what_does_not_belong()?;
        self.way()?;
        self.time_limit()?;
        if let Some(namespace) = &self.namespace {
            words::check_namespace("/namespace", namespace)?;
        }
        if let Some(version) = &self.argocd_version {
            version_req(version)?;
        }
        self.check_action()
    }

    fn check_action(&self) -> Result<(), ExecutorError> {
        match self.action {
            Action::Install => self.install.iter().try_for_each(|install| install.check("/install")),
            Action::Repo => {
                let repository = self.repository()?;
                if self.server.is_some() && repository.secret_name.is_some() {
                    let why = "Argo CD's server names it itself; leave this out";
                    return Err(ExecutorError::invalid("/repository/secret_name", why));
                }
                repository.check("/repository")
            }
            Action::Project => self.project()?.check("/project"),
            Action::App => {
                self.spec()?.check("/spec")?;
                self.application().map(drop)
            }
            Action::Sync => {
                self.sync_options().map(drop)?;
                self.application().map(drop)
            }
            Action::Wait | Action::Rollback | Action::Delete | Action::Status => self.application().map(drop),
        }
    }

    /// Somebody who writes it expects it to have an effect.
    fn refuse_what_does_not_belong(&self) -> Result<(), ExecutorError> {
        use Action::{App, Delete, Install, Project, Repo, Rollback, Status, Sync, Wait};
        let with_server = [Repo, Project, App, Sync, Wait, Rollback, Delete, Status];
        let fields: [(&str, bool, &[Action]); 17] = [
            ("server", self.server.is_some(), &with_server),
            ("auth", self.auth.is_some(), &with_server),
            ("tls", self.tls.is_some(), &with_server),
            ("grpc_web", self.grpc_web, &with_server),
            ("application", self.application.is_some(), &[App, Sync, Wait, Rollback, Delete, Status]),
            ("spec", self.spec.is_some(), &[App]),
            ("project", self.project.is_some(), &[Project]),
            ("repository", self.repository.is_some(), &[Repo]),
            ("install", self.install.is_some(), &[Install]),
            ("revision", self.revision.is_some(), &[Sync]),
            ("prune", self.prune, &[Sync, Rollback]),
            ("dry_run", self.dry_run, &[Sync]),
            ("force", self.force, &[Sync]),
            ("resources", !self.resources.is_empty(), &[Sync]),
            ("history_id", self.history_id.is_some(), &[Rollback]),
            ("cascade", self.cascade.is_some(), &[Delete]),
            ("wait", self.wait.is_some(), &[Sync, Rollback]),
        ];
        let timed = [Install, Sync, Wait, Rollback, Delete];
        let last = ("timeout", self.timeout.is_some(), &timed[..]);
        match fields.into_iter().chain([last]).find(|(_, given, actions)| *given && !actions.contains(&self.action)) {
            None => Ok(()),
            Some((name, _, _)) => {
                let action = serde_json::to_value(self.action).unwrap_or_default();
                let why = format!("this has no meaning for the action {action}; leave it out");
                Err(ExecutorError::invalid(&format!("/{name}"), why))
            }
        }
    }

    pub(crate) fn way(&self) -> Result<Way<'_>, ExecutorError> {
        if self.server.is_none() {
            for (name, given) in
                [("auth", self.auth.is_some()), ("tls", self.tls.is_some()), ("grpc_web", self.grpc_web)]
            {
                if given {
                    return Err(ExecutorError::invalid(
                        &format!("/{name}"),
                        "this goes with `server` only; leave it out",
                    ));
                }
            }
        }
        match (&self.server, &self.cluster) {
            (Some(server), None) => {
                let server = Server::new(server, &self.tls.clone().unwrap_or_default(), self.grpc_web)?;
                let missing =
                    || ExecutorError::invalid("/auth", "say who we are: a token, or a username and its password");
                let auth = self.auth.as_ref().ok_or_else(missing)?;
                auth.credentials()?;
                Ok(Way::Server(server, auth))
            }
            (None, Some(cluster)) => {
                cluster.check("/cluster")?;
                Ok(Way::Cluster(cluster))
            }
            (Some(_), Some(_)) => Err(ExecutorError::invalid(
                "/cluster",
                "give either `server` or `cluster`: there are two ways to Argo CD",
            )),
            (None, None) => {
                let why = "say which Argo CD: its `server` with `auth`, or the `cluster` that it lives in";
                Err(ExecutorError::invalid("/server", why))
            }
        }
    }

    pub(crate) fn time_limit(&self) -> Result<Duration, ExecutorError> {
        self.timeout.as_ref().map_or(Ok(DEFAULT_TIMEOUT), |text| waiting_time("/timeout", text))
    }

    /// Where Argo CD lives.
    pub(crate) fn home(&self) -> &str {
        self.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE)
    }

    pub(crate) fn application(&self) -> Result<&str, ExecutorError> {
        let missing = || ExecutorError::invalid("/application", "say which application");
        let name = self.application.as_deref().ok_or_else(missing)?;
        words::check_name("/application", name)?;
        Ok(name)
    }

    pub(crate) fn spec(&self) -> Result<&ApplicationSpec, ExecutorError> {
        self.spec.as_ref().ok_or_else(|| ExecutorError::invalid("/spec", "say what the application is to be"))
    }

    pub(crate) fn project(&self) -> Result<&ProjectSpec, ExecutorError> {
        self.project.as_ref().ok_or_else(|| ExecutorError::invalid("/project", "say what the project is to be"))
    }

    pub(crate) fn repository(&self) -> Result<&Repository, ExecutorError> {
        self.repository.as_ref().ok_or_else(|| ExecutorError::invalid("/repository", "say which repository"))
    }

    pub(crate) fn sync_options(&self) -> Result<SyncOptions, ExecutorError> {
        if let Some(revision) = &self.revision {
            words::check_line("/revision", revision, 256)?;
        }
        for (at, resource) in self.resources.iter().enumerate() {
            resource.check(&format!("/resources/{at}"))?;
        }
        Ok(SyncOptions {
            revision: self.revision.clone(),
            prune: self.prune,
            dry_run: self.dry_run,
            force: self.force,
            resources: self.resources.clone(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refusal(change: &Value) -> String {
        let mut payload = json!({ "action": "status", "server": "argocd.example", "auth": { "token": "token-of-a-test" }, "application": "web" });
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                payload.as_object_mut().unwrap().remove(name);
            } else {
                payload[name] = value.clone();
            }
        }
        let params: ArgocdParams = serde_json::from_value(payload).unwrap();
        params.check().err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn one_way_to_argo_cd() {
        let cluster = json!({ "in_cluster": {} });
        assert_eq!(refusal(&json!({})), "");
        assert_eq!(refusal(&json!({ "server": null, "auth": null, "cluster": cluster })), "");
        for (change, pointer) in [
            (json!({ "cluster": cluster }), "/cluster: "),
            (json!({ "server": null, "auth": null }), "/server: "),
            (json!({ "auth": null }), "/auth: "),
            (json!({ "server": null, "cluster": cluster }), "/auth: "),
            (json!({ "server": null, "auth": null, "cluster": cluster, "tls": {} }), "/tls: "),
            (json!({ "server": null, "auth": null, "cluster": cluster, "grpc_web": true }), "/grpc_web: "),
            (json!({ "action": "install", "application": null }), "/server: "),
        ] {
            assert!(refusal(&change).starts_with(pointer), "{change}: {}", refusal(&change));
        }
    }

    #[test]
    fn a_field_without_effect_is_refused_by_name() {
        for (field, value) in [
            ("spec", json!({ "source": {}, "destination": {} })),
            ("project", json!({ "name": "a" })),
            ("repository", json!({ "url": "a" })),
            ("install", json!({})),
            ("revision", json!("main")),
            ("prune", json!(true)),
            ("dry_run", json!(true)),
            ("force", json!(true)),
            ("resources", json!([{ "kind": "a", "name": "b" }])),
            ("history_id", json!(1)),
            ("cascade", json!("orphan")),
            ("wait", json!(false)),
            ("timeout", json!("1m")),
        ] {
            let text = refusal(&json!({ field: value }));
            assert!(text.starts_with(&format!("/{field}: this has no meaning for the action \"status\"")), "{text}");
        }
    }

    #[test]
    fn what_an_action_needs_is_asked_for() {
        for (action, pointer) in [
            ("app", "/spec: "),
            ("sync", "/application: "),
            ("wait", "/application: "),
            ("rollback", "/application: "),
            ("delete", "/application: "),
            ("status", "/application: "),
            ("repo", "/repository: "),
            ("project", "/project: "),
        ] {
            let text = refusal(&json!({ "action": action, "application": null }));
            assert!(text.starts_with(pointer), "{action}: {text}");
        }
        assert!(refusal(&json!({ "argocd_version": "latest" })).starts_with("/argocd_version: "));
        assert!(refusal(&json!({ "action": "sync", "timeout": "7h" })).starts_with("/timeout: "));
        let repository = json!({ "url": "https://git.example/a", "secret_name": "x" });
        let text = refusal(&json!({ "action": "repo", "application": null, "repository": repository }));
        assert!(text.starts_with("/repository/secret_name: "), "{text}");
    }
}
