//! Argo CD through its server: its program, what it is always called with, and what may be asked of it.

use std::fs::DirBuilder;
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use executor_api::{Command, ExecutorError, Finished, JobContext};
use serde_json::Value;

use crate::access::{Auth, Server};
use crate::api::{Api, Cascade, Change, When};
use crate::application::{Application, ApplicationName, History};
use crate::failure::{Failure, patiently, within};
use crate::operation::Tag;
use crate::output;
use crate::program::Program;
use crate::repository::Repository;
use crate::session::Session;
use crate::sync::SyncOptions;

/// A request must be answered within this time: the program itself would wait for ever.
const REQUEST_LIMIT: Duration = Duration::from_secs(60);
/// A request after a stop.
const SETTLING_LIMIT: Duration = Duration::from_secs(15);
/// How long a look at the source is waited for in one go.
const REFRESH_LIMIT: Duration = Duration::from_secs(20);

/// Argo CD through its server.
pub(crate) struct ServerApi<'a> {
    job: &'a JobContext,
    program: Program<'a>,
    server: Server,
    session: Session,
    certificate: Option<PathBuf>,
}

impl<'a> ServerApi<'a> {
    /// Finds the program and logs in.
    pub(crate) async fn connect(
        job: &'a JobContext,
        server: &Server,
        auth: &Auth,
        wanted: Option<&str>,
    ) -> Result<Self, ExecutorError> {
        let config = job.paths().home.join("argocd");
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&config);
        made.map_err(ExecutorError::io("cannot make Argo CD's folder"))?;
        let program = Program::find(job, &config, wanted).await?;
        let certificate =
            server.tls.ca_certificate.as_ref().map(|text| write_certificate(&config, text)).transpose()?;
        let session = patiently(job, async || Session::open(job, server, auth.credentials()?).await).await?;
        Ok(Self { job, program, server: server.clone(), session, certificate })
    }

    /// All that is not an option is after `--`, or part of an option as `--name=value`.
    fn command(&self, verb: &[&str]) -> Command {
        let mut command = self.program.command(verb);
        command = command.arg(format!("--server={}", self.server.address)).arg("--prompts-enabled=false");
        command = command.env("ARGOCD_AUTH_TOKEN", self.session.token());
        for (flag, on) in [
            ("--plaintext", self.server.tls.plaintext),
            ("--insecure", self.server.tls.insecure),
            ("--grpc-web", self.server.grpc_web),
        ] {
            command = if on { command.arg(flag) } else { command };
        }
        if let Some(path) = self.server.root_path() {
            command = command.arg(format!("--grpc-web-root-path={path}"));
        }
        match &self.certificate {
            Some(file) => command.arg(format!("--server-crt={}", file.display())),
            None => command,
        }
    }

    /// Runs it; what it prints is for the log, or for us.
    async fn run(&self, verb: &str, command: Command, printed: Printed) -> Result<Finished, Failure> {
        let finished = match printed {
            Printed::ForUs(When::Working) => {
                within(&format!("argocd {verb}"), REQUEST_LIMIT, self.job.capture(command)).await?
            }
            Printed::ForUs(When::Settling) => self.job.clean_up_capture(command, SETTLING_LIMIT).await?,
            Printed::ForBoth => within(&format!("argocd {verb}"), REQUEST_LIMIT, self.job.tee(command)).await?,
            Printed::Settling => self.job.clean_up(command, SETTLING_LIMIT).await?,
        };
        output::judge(verb, &finished)?;
        Ok(finished)
    }

    async fn upsert(&self, verb: [&str; 2], manifest: &Value) -> Result<Finished, Failure> {
        let file = self.job.document("argocd", manifest)?;
        let command = self.command(&verb).arg("--upsert").arg(format!("--file={}", file.path().display()));
        self.run(&verb.join(" "), command, Printed::ForBoth).await
    }
}

/// What becomes of what the program prints.
#[derive(Clone, Copy)]
enum Printed {
    ForUs(When),
    ForBoth,
    /// To the log, whether or not the job is to stop.
    Settling,
}

#[async_trait]
impl Api for ServerApi<'_> {
    async fn get(&self, when: When, name: &ApplicationName) -> Result<Application, Failure> {
        let command = self.command(&["app", "get"]).arg("--output=json").arg("--").arg(name.to_string());
        let finished = self.run("app get", command, Printed::ForUs(when)).await?;
        Ok(serde_json::from_slice(&finished.stdout).map_err(|error| strange("app get", &error))?)
    }

    async fn refresh(&self, name: &ApplicationName) -> Result<(), Failure> {
        let command = self.command(&["app", "get"]).args(["--refresh", "--output=json", "--"]).arg(name.to_string());
        match tokio::time::timeout(REFRESH_LIMIT, self.run("app get", command, Printed::ForUs(When::Working))).await {
            Ok(answer) => answer.map(drop),
            // It is asked for, and will be done.
            Err(_) => Ok(()),
        }
    }

    async fn upsert_application(&self, manifest: &Value) -> Result<Change, Failure> {
        let finished = self.upsert(["app", "create"], manifest).await?;
        let said = String::from_utf8_lossy(&finished.stdout);
        Ok(match said.trim_end().rsplit(' ').next() {
            Some("created") => Change::Created,
            Some("unchanged") => Change::Unchanged,
            _ => Change::Updated,
        })
    }

    async fn upsert_project(&self, manifest: &Value) -> Result<(), Failure> {
        self.upsert(["proj", "create"], manifest).await.map(drop)
    }

    async fn upsert_repository(&self, repository: &Repository) -> Result<(), Failure> {
        let mut stop = self.job.stop();
        tokio::select! {
            done = self.session.upsert_repository(repository) => done,
            stop = stop.changed_from(None) => Err(ExecutorError::Stopped(stop.reason).into()),
        }
    }

    async fn start_sync(&self, application: &Application, options: &SyncOptions, tag: &Tag) -> Result<(), Failure> {
        let mut command =
            self.command(&["app", "sync"]).arg("--async").arg(format!("--info={}={}", Tag::NAME, tag.value()));
        for (flag, on) in [("--prune", options.prune), ("--dry-run", options.dry_run), ("--force", options.force)] {
            command = if on { command.arg(flag) } else { command };
        }
        if let Some(revision) = &options.revision {
            command = command.arg(format!("--revision={revision}"));
        }
        for resource in &options.resources {
            command = command.arg(format!("--resource={resource}"));
        }
        command = command.arg("--").arg(qualified(application));
        self.run("app sync", command, Printed::ForBoth).await.map(drop)
    }

    async fn start_rollback(
        &self,
        application: &Application,
        to: &History,
        prune: bool,
        _: &Tag,
    ) -> Result<(), Failure> {
        let metadata = &application.metadata;
        let mut stop = self.job.stop();
        tokio::select! {
            done = self.session.roll_back(&metadata.name, &metadata.namespace, to.id, prune) => done,
            stop = stop.changed_from(None) => Err(ExecutorError::Stopped(stop.reason).into()),
        }
    }

    async fn terminate(&self, application: &Application) -> Result<(), Failure> {
        let command = self.command(&["app", "terminate-op"]).arg("--").arg(qualified(application));
        self.run("app terminate-op", command, Printed::Settling).await.map(drop)
    }

    async fn delete(&self, application: &Application, cascade: Cascade) -> Result<(), Failure> {
        let command = self.command(&["app", "delete"]).arg("--yes");
        let command = match cascade {
            Cascade::Foreground => command.args(["--cascade=true", "--propagation-policy=foreground"]),
            Cascade::Background => command.args(["--cascade=true", "--propagation-policy=background"]),
            // A policy beside it would be refused.
            Cascade::Orphan => command.arg("--cascade=false"),
        };
        self.run("app delete", command.arg("--").arg(qualified(application)), Printed::ForBoth).await.map(drop)
    }

    fn tells_what_is_missing(&self) -> bool {
        false
    }

    fn url(&self, application: &Application) -> Option<String> {
        let metadata = &application.metadata;
        Some(format!("{}applications/{}/{}", self.server.url, metadata.namespace, metadata.name))
    }

    async fn complaints(&self, _: &Application) -> Vec<String> {
        // They are in the application itself.
        Vec::new()
    }
}

fn qualified(application: &Application) -> String {
    format!("{}/{}", application.metadata.namespace, application.metadata.name)
}

fn strange(verb: &str, error: &serde_json::Error) -> ExecutorError {
    ExecutorError::Other(format!("`argocd {verb}` does not answer as argocd does: {error}; is it the real program?"))
}

fn write_certificate(folder: &Path, text: &str) -> Result<PathBuf, ExecutorError> {
    let file = folder.join("ca.crt");
    let opened = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&file);
    let written = opened.and_then(|mut file| file.write_all(text.as_bytes()));
    written.map_err(ExecutorError::io("cannot write the server's certificate"))?;
    Ok(file)
}
