//! Argo CD, as other code uses it: the typed wrapper.

use std::time::Duration;

use cluster_access::ClusterAccess;
use executor_api::{ExecutorError, JobContext};

use crate::access::{Auth, Server};
use crate::api::{Api, Cascade, Change, When, missing_at};
use crate::application::{Application, ApplicationName, History, resource_name};
use crate::core::CoreApi;
use crate::failure::{Failure, patiently};
use crate::follow::{Deadline, Ended, Watch};
use crate::kube::Kube;
use crate::project::ProjectSpec;
use crate::report::{self, ApplicationReport};
use crate::repository::Repository;
use crate::running::{Ask, Running};
use crate::server::ServerApi;
use crate::spec::ApplicationSpec;
use crate::sync::SyncOptions;
use crate::words;

/// Argo CD, through its server or through the cluster that it lives in.
///
/// Whatever changes something passes the job's commit point first.
pub struct ArgoCd<'a> {
    pub(crate) job: &'a JobContext,
    pub(crate) api: Box<dyn Api + 'a>,
    /// Where applications live; where Argo CD itself does if none.
    namespace: Option<String>,
}

impl<'a> ArgoCd<'a> {
    /// Through its server. Logs in where `auth` is a password. `namespace`: where applications live, if not where Argo
    /// CD itself does. `version`: which versions of its program will do, for example `>=3.1`.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`]; [`ExecutorError::InvalidInput`] at `/auth` if the server does not know us.
    pub async fn through_server(
        job: &'a JobContext,
        server: &Server,
        auth: &Auth,
        namespace: Option<&str>,
        version: Option<&str>,
    ) -> Result<Self, ExecutorError> {
        let api = ServerApi::connect(job, server, auth, version).await?;
        Ok(Self { job, api: Box::new(api), namespace: namespace.map(str::to_owned) })
    }

    /// Through the cluster that it lives in, without its server: core mode. `namespace`: where it lives.
    ///
    /// # Errors
    /// [`ExecutorError::ToolMissing`]; [`ExecutorError::InvalidInput`] at `/namespace` if it is not there.
    pub async fn through_cluster(
        job: &'a JobContext,
        cluster: &ClusterAccess,
        namespace: &str,
    ) -> Result<Self, ExecutorError> {
        words::check_namespace("/namespace", namespace)?;
        let api = patiently(job, async || CoreApi::connect(Kube::find(job, cluster, namespace)?).await).await?;
        Ok(Self { job, api: Box::new(api), namespace: Some(namespace.to_owned()) })
    }

    /// Makes a repository known, or its credentials new.
    ///
    /// # Errors
    /// If Argo CD refuses it; its server tries the credentials.
    pub async fn upsert_repository(&self, repository: &Repository) -> Result<(), ExecutorError> {
        repository.check("/repository")?;
        self.job.commit_point().await?;
        Ok(patiently(self.job, async || self.api.upsert_repository(repository).await).await?)
    }

    /// Makes a project, or makes it what `spec` says.
    ///
    /// # Errors
    /// If Argo CD refuses it.
    pub async fn upsert_project(&self, spec: &ProjectSpec) -> Result<(), ExecutorError> {
        spec.check("/project")?;
        let manifest = spec.manifest(self.namespace.as_deref());
        self.job.commit_point().await?;
        Ok(patiently(self.job, async || self.api.upsert_project(&manifest).await).await?)
    }

    /// Makes an application, or makes it what `spec` says. Where a person sees it, if that is known.
    ///
    /// # Errors
    /// If Argo CD refuses it.
    pub async fn upsert_application(
        &self,
        name: &str,
        spec: &ApplicationSpec,
    ) -> Result<(Change, Option<String>), ExecutorError> {
        let name = self.name(name)?;
        spec.check("/spec")?;
        let manifest = spec.manifest(&name);
        self.job.commit_point().await?;
        let change = patiently(self.job, async || self.api.upsert_application(&manifest).await).await?;
        Ok((change, self.report(&name).await?.url))
    }

    /// Syncs an application, with what happens to each resource in the log. With `wait` until it is healthy, too, but
    /// for a dry run and a sync of some resources only.
    ///
    /// An operation that is not over within `limit`, or that the job must leave, is terminated.
    ///
    /// # Errors
    /// [`ExecutorError::Unsuccessful`] with what failed, or what is in the way.
    pub async fn sync(
        &self,
        name: &str,
        options: &SyncOptions,
        wait: bool,
        limit: Duration,
    ) -> Result<ApplicationReport, ExecutorError> {
        let name = self.name(name)?;
        let mut watch = self.watch(&name, limit);
        self.run(&mut watch, Ask::Sync(options)).await?;
        let wait = wait && !options.dry_run && options.resources.is_empty();
        if wait { self.reach(&mut watch, Want::AfterSync).await } else { self.report(&name).await }
    }

    /// Brings an application back to an earlier sync of its history: `id`, or the one before the last.
    ///
    /// # Errors
    /// As [`Self::sync`]; [`ExecutorError::InvalidInput`] if there is no such sync, or Argo CD syncs it by itself.
    pub async fn rollback(
        &self,
        name: &str,
        id: Option<u64>,
        prune: bool,
        wait: bool,
        limit: Duration,
    ) -> Result<ApplicationReport, ExecutorError> {
        let name = self.name(name)?;
        let mut watch = self.watch(&name, limit);
        let application = self.read(&name).await?;
        let to = rollback_target(&application, id)?;
        self.job.log().system(format!("rolling {name} back to number {} of its history: {}", to.id, to.revision));
        self.run(&mut watch, Ask::Rollback { to, prune }).await?;
        if wait { self.reach(&mut watch, Want::Healthy).await } else { self.report(&name).await }
    }

    /// Waits until an application is synced and healthy, and nothing is done to it any more.
    ///
    /// # Errors
    /// [`ExecutorError::Unsuccessful`] with what is in the way after `limit`.
    pub async fn wait(&self, name: &str, limit: Duration) -> Result<ApplicationReport, ExecutorError> {
        let name = self.name(name)?;
        self.reach(&mut self.watch(&name, limit), Want::SyncedAndHealthy).await
    }

    /// How an application is. The log says it, too.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] at `/application` if there is none.
    pub async fn status(&self, name: &str) -> Result<ApplicationReport, ExecutorError> {
        let name = self.name(name)?;
        let application = self.read(&name).await?;
        self.watch(&name, Duration::ZERO).tell(&application, None);
        Ok(self.report_of(&application))
    }

    /// Deletes an application and waits until it is gone. False if it was not there, where Argo CD tells.
    ///
    /// # Errors
    /// [`ExecutorError::Unsuccessful`] with what is left after `limit`. It goes on being deleted then.
    pub async fn delete(&self, name: &str, cascade: Cascade, limit: Duration) -> Result<bool, ExecutorError> {
        let name = self.name(name)?;
        let mut watch = self.watch(&name, limit);
        let application = match patiently(self.job, async || self.api.get(When::Working, &name).await).await {
            // Where the cluster itself says so it is true.
            Err(Failure::Missing(_)) if self.api.tells_what_is_missing() => return Ok(false),
            other => other.map_err(|failure| missing_at("/application", failure))?,
        };
        self.job.commit_point().await?;
        let deleted = patiently(self.job, async || {
            // Its finalizers may have to be changed first: each try begins with how it is now. That it is gone by then
            // is for the look afterwards to find out.
            match self.api.get(When::Working, &name).await {
                Ok(application) => self.api.delete(&application, cascade).await,
                Err(Failure::Missing(_)) => Ok(()),
                Err(failure) => Err(failure),
            }
        });
        deleted.await.map_err(|failure| missing_at("/application", failure))?;
        self.until_gone(&mut watch, &application).await?;
        self.job.log().system(format!("{name} is gone"));
        Ok(true)
    }

    async fn until_gone(&self, watch: &mut Watch<'_>, known: &Application) -> Result<(), ExecutorError> {
        let (name, deadline) = (watch.name, watch.deadline);
        let is_other = |now: &Application| now.metadata.uid != known.metadata.uid;
        match watch.until(None, |now| Ok(is_other(now).then_some(()))).await {
            // It was there and visible to us, so now it is gone.
            Ok(()) | Err(Ended::Failed(Failure::Missing(_))) => Ok(()),
            Err(Ended::Failed(failure)) => {
                if failure.is_stop() {
                    self.job.log().system(format!("Argo CD goes on deleting {name}; that cannot be undone"));
                }
                Err(failure.into())
            }
            Err(Ended::Late(last)) => {
                let resources = last.iter().flat_map(|application| &application.status.resources);
                let names: Vec<_> = resources.map(|one| resource_name(&one.kind, &one.namespace, &one.name)).collect();
                let text = format!("{name} is not gone after {deadline}; Argo CD goes on deleting it. Its resources:");
                Err(ExecutorError::Unsuccessful(report::with_lines(&text, &names)))
            }
        }
    }

    pub(crate) fn name(&self, name: &str) -> Result<ApplicationName, ExecutorError> {
        words::check_name("/application", name)?;
        Ok(ApplicationName { namespace: self.namespace.clone(), name: name.to_owned() })
    }

    async fn read(&self, name: &ApplicationName) -> Result<Application, ExecutorError> {
        let read = patiently(self.job, async || self.api.get(When::Working, name).await).await;
        read.map_err(|failure| missing_at("/application", failure))
    }

    /// As [`Self::status`], without a word in the log.
    pub(crate) async fn report(&self, name: &ApplicationName) -> Result<ApplicationReport, ExecutorError> {
        Ok(self.report_of(&self.read(name).await?))
    }

    pub(crate) fn report_of(&self, application: &Application) -> ApplicationReport {
        ApplicationReport::new(application, self.api.url(application))
    }

    fn watch<'w>(&'w self, name: &'w ApplicationName, limit: Duration) -> Watch<'w> {
        Watch::new(self.job, &*self.api, name, Deadline::after(limit))
    }

    /// An operation. Where it does not come to a good end, how things stand is published all the same.
    async fn run(&self, watch: &mut Watch<'_>, ask: Ask<'_>) -> Result<(), ExecutorError> {
        let name = watch.name;
        let ended = Running::new(watch).run(ask).await;
        if let Err(error) = &ended {
            self.publish(name, error).await?;
        }
        ended
    }

    async fn reach(&self, watch: &mut Watch<'_>, want: Want) -> Result<ApplicationReport, ExecutorError> {
        let (name, deadline) = (watch.name, watch.deadline);
        let refreshed = patiently(self.job, async || self.api.refresh(name).await).await;
        refreshed.map_err(|failure| missing_at("/application", failure))?;
        let error = match watch.until(None, |application| want.is_met(application)).await {
            Ok(application) => return Ok(self.report_of(&application)),
            Err(Ended::Failed(failure)) => missing_at("/application", failure),
            Err(Ended::Late(None)) => {
                ExecutorError::Unsuccessful(format!("Argo CD gave no answer about {name} for {deadline}"))
            }
            Err(Ended::Late(Some(application))) => {
                let mut lines = report::obstacles(&application);
                lines.extend(self.api.complaints(&application).await);
                let text = format!("{name} is not {want} after {deadline}: it is {}", application.standing());
                ExecutorError::Unsuccessful(report::with_lines(&text, &lines))
            }
        };
        self.publish(name, &error).await?;
        Err(error)
    }

    /// How things stand after an error that is about how things stand.
    async fn publish(&self, name: &ApplicationName, error: &ExecutorError) -> Result<(), ExecutorError> {
        if !matches!(error, ExecutorError::Unsuccessful(_) | ExecutorError::Stopped(_)) {
            return Ok(());
        }
        match self.api.get(When::Settling, name).await {
            Ok(application) => self.job.progress(self.report_of(&application).metadata()).await,
            // The first error says more.
            Err(_) => Ok(()),
        }
    }
}

/// What is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    /// After a rollback, which leaves the application other than its source.
    Healthy,
    SyncedAndHealthy,
    /// The same after a sync of ours: what it left undone stays undone.
    AfterSync,
}

impl std::fmt::Display for Want {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if *self == Self::Healthy { "healthy" } else { "synced and healthy" })
    }
}

impl Want {
    pub(crate) fn is_met(self, application: &Application) -> Result<Option<Application>, ExecutorError> {
        // What is known may be older than what is waited for.
        if application.is_to_be_refreshed() || application.is_busy() {
            return Ok(None);
        }
        if self == Self::AfterSync && application.only_pruning_is_left() {
            let lines = report::obstacles(application);
            let text = "the sync left resources that are no longer in the source; say `prune` to delete them";
            return Err(ExecutorError::Unsuccessful(report::with_lines(text, &lines)));
        }
        let is_synced = self == Self::Healthy || application.is_synced();
        Ok((is_synced && application.is_healthy()).then(|| application.clone()))
    }
}

fn rollback_target(application: &Application, id: Option<u64>) -> Result<&History, ExecutorError> {
    if application.is_automated() {
        let why = "Argo CD syncs this application by itself and would undo a rollback; take `automated` out of its spec first";
        return Err(ExecutorError::invalid("/action", why));
    }
    let mut known: Vec<_> = application.status.history.iter().collect();
    known.sort_by_key(|history| std::cmp::Reverse(history.id));
    let to = match id {
        Some(id) => known.iter().find(|history| history.id == id),
        None => known.get(1),
    };
    to.copied().ok_or_else(|| {
        let numbers = known.iter().map(|history| history.id.to_string()).collect::<Vec<_>>().join(", ");
        let numbers = if numbers.is_empty() { "nothing".to_owned() } else { numbers };
        ExecutorError::invalid("/history_id", format!("there is no such sync to go back to; its history has {numbers}"))
    })
}
