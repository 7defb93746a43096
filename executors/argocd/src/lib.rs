//! Argo CD: a typed wrapper of its program and its objects, and the `argocd` kind.
//!
//! There are two ways to it: through its server, with a token or a password, by the program `argocd`; or, in core mode,
//! through the cluster that it lives in, by `kubectl`. What a payload says reaches both through files, as `--name=value`, or
//! after `--`: nothing of it is ever an option. No password is ever on a command line: logging in, adding a repository
//! and rolling back go to the server over HTTP.
//!
//! Every wait has a deadline of our own. An operation that is not over by then, or when the job is asked to stop or cannot
//! follow it any more, is terminated, and the log says how things are left. An operation carries the job's id and attempt (`alethia-job`), so
//! that a lost answer starts none twice and nobody else's is ever ended.
//!
//! Works with argocd 3.x; tested with 3.2.5.
//!
//! # What a job answers
//!
//! sync, wait, rollback, status: [`ApplicationReport`]: `application`, `namespace`, `sync_status`, `health_status`,
//! `revision`, `history_id`, `operation` with `phase`, `message`, `revision`, `started_at`, `finished_at`; `resources` with
//! `group`, `kind`, `namespace`, `name`, `sync`, `health`, `message` each; `conditions`, `url`, `external_urls`. A job that
//! fails or is cancelled publishes the same, as it is then.
//!
//! app: `application`, `change` (`created`, `updated`, `unchanged`), `url`. project: `project`. repo: `repository`.
//!
//! delete: `application`, `deleted` (false if there was nothing to delete).
//!
//! install: `namespace`, `argocd_version`, `argocd_url` where an ingress or a load balancer says it, `workloads` with
//! `kind`, `name`, `ready` each, and `admin_password_artifact`: the name of the artifact that holds the initial password
//! of `admin`, which is nowhere else.

mod access;
mod api;
mod application;
mod argocd;
mod core;
mod failure;
mod follow;
mod install;
mod kind;
mod kube;
mod manifest;
mod operation;
mod output;
mod params;
mod program;
mod progress;
mod project;
mod report;
mod repository;
mod running;
mod server;
mod session;
mod several;
mod source;
mod spec;
mod sync;
mod words;

use executor_api::{ExecutorPlugin, LossPolicy, Tool, inventory, minutes};

pub use access::{Auth, Server, Tls};
pub use api::{Cascade, Change};
pub use application::{Condition, Phase};
pub use argocd::ArgoCd;
pub use install::{Install, Installed, Workload, install};
pub use manifest::Manifest;
pub use params::{Action, ArgocdParams};
pub use project::{GroupKind, ProjectDestination, ProjectSpec};
pub use report::{ApplicationReport, OperationReport, ResourceReport};
pub use repository::{Repository, RepositoryKind};
pub use several::Awaited;
pub use source::{ApplicationSource, DirectorySource, HelmSource, KustomizeSource};
pub use spec::{
    ApplicationDestination, ApplicationSpec, ApplicationSyncPolicy, Automation, IgnoredDifference, SyncRetry,
};
pub use sync::{SyncOptions, SyncResource};

/// The versions that work.
pub(crate) const ARGOCD: Tool =
    Tool { name: "argocd", versions: ">=3, <4", version_args: &["version", "--client", "--short"] };

inventory::submit! {
    ExecutorPlugin::new::<ArgocdParams>("argocd", &kind::ArgocdExecutor)
        .summary("Installs Argo CD, and brings applications into clusters with it")
        .loss(LossPolicy::RequeueBeforeCommit)
        .timeout(minutes(60))
        .needs(&[ARGOCD])
}
