//! The `argocd` kind: from payload to calls of the wrapper.

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, Input, Job, JobContext, Outcome, check_timeout, params_of};
use serde_json::json;

use crate::argocd::ArgoCd;
use crate::install::{Installed, install};
use crate::params::{Action, ArgocdParams, Way};

/// What holds the first password after an install, and nothing else does.
const PASSWORD: &str = "argocd-admin-password";

/// Runs Argo CD's jobs.
pub(crate) struct ArgocdExecutor;

#[async_trait]
impl Executor for ArgocdExecutor {
    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        let params: ArgocdParams = params_of(job)?;
        params.check()?;
        let mut inputs = params.cluster.as_ref().map(|cluster| cluster.inputs()).unwrap_or_default();
        inputs.extend(params.install.iter().flat_map(|install| install.inputs()));
        Ok(inputs)
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let params: ArgocdParams = job.params()?;
        params.check()?;
        if params.timeout.is_some() {
            check_timeout("/timeout", job.job(), params.time_limit()?)?;
        }
        match params.way()? {
            Way::Cluster(cluster) if params.action == Action::Install => {
                let cluster = cluster.prepare(job, "/cluster").await?;
                let wanted = params.install.clone().unwrap_or_default();
                let installed = install(job, &cluster, &wanted, params.home(), params.time_limit()?).await?;
                hand_over(job, &installed).await
            }
            Way::Cluster(cluster) => {
                let cluster = cluster.prepare(job, "/cluster").await?;
                act(&ArgoCd::through_cluster(job, &cluster, params.home()).await?, &params).await
            }
            Way::Server(server, auth) => {
                let (namespace, version) = (params.namespace.as_deref(), params.argocd_version.as_deref());
                act(&ArgoCd::through_server(job, &server, auth, namespace, version).await?, &params).await
            }
        }
    }
}

async fn act(argocd: &ArgoCd<'_>, params: &ArgocdParams) -> Result<Outcome, ExecutorError> {
    let limit = params.time_limit()?;
    let wait = params.wait.unwrap_or(true);
    match params.action {
        Action::Install => Err(ExecutorError::invalid("/cluster", "say which cluster to install Argo CD into")),
        Action::Repo => {
            let repository = params.repository()?;
            argocd.upsert_repository(repository).await?;
            Ok(Outcome::success().with("repository", repository.url.as_str()))
        }
        Action::Project => {
            let project = params.project()?;
            argocd.upsert_project(project).await?;
            Ok(Outcome::success().with("project", project.name.as_str()))
        }
        Action::App => {
            let name = params.application()?;
            let (change, url) = argocd.upsert_application(name, params.spec()?).await?;
            Ok(Outcome::success().with("application", name).with("change", json!(change)).with("url", url))
        }
        Action::Sync => Ok(argocd.sync(params.application()?, &params.sync_options()?, wait, limit).await?.outcome()),
        Action::Wait => Ok(argocd.wait(params.application()?, limit).await?.outcome()),
        Action::Rollback => {
            let (name, id) = (params.application()?, params.history_id);
            Ok(argocd.rollback(name, id, params.prune, wait, limit).await?.outcome())
        }
        Action::Delete => {
            let name = params.application()?;
            let deleted = argocd.delete(name, params.cascade.unwrap_or_default(), limit).await?;
            Ok(Outcome::success().with("application", name).with("deleted", deleted))
        }
        Action::Status => Ok(argocd.status(params.application()?).await?.outcome()),
    }
}

async fn hand_over(job: &JobContext, installed: &Installed) -> Result<Outcome, ExecutorError> {
    if let Some(password) = installed.admin_password() {
        job.secret_artifact(PASSWORD, password).await?;
        job.log().system(format!(
            "the first password of `admin` is the artifact {PASSWORD}; change it, and delete its Secret"
        ));
    }
    let artifact = installed.admin_password().map(|_| PASSWORD);
    Ok(installed.outcome().with("admin_password_artifact", artifact))
}
