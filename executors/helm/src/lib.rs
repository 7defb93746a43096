//! Helm: a typed wrapper of the program, and the `helm` kind.
//!
//! What a payload says reaches helm through files, as `--key=value`, or after `--`: nothing of it is ever an option.
//! Plugins and post-renderers do not exist for it, and its folders are this job's own.
//!
//! Works with helm 3.14 and later 3.x; tested with 3.22. Helm 4 is refused: it gave `--wait` and `--atomic` other
//! meanings.
//!
//! # What a job answers
//!
//! upgrade, rollback, status: `release`, `namespace`, `revision`, `status` (helm's own word, or `absent`), `chart`,
//! `chart_version`, `app_version`, `description`, `deployed_at`, `notes`, `ready`, and `resources` with `api_version`,
//! `kind`, `namespace`, `name`, `ready`, `message` each.
//!
//! uninstall: `release`, `namespace`, `uninstalled` (false if there was nothing to take away).
//!
//! test: `release`, `namespace`, `tests` with `name`, `phase`, `started_at`, `completed_at` each.
//!
//! diff: `release`, `namespace`, `has_changes`, `changes` with `change` (`added`, `changed`, `removed`), `kind`,
//! `namespace`, `name` each, and the artifact `diff.txt`.
//!
//! A job that fails or is cancelled after it touched the release publishes `release`, `namespace`, `revision` and
//! `status` as they are then.

mod address;
mod change;
mod chart;
mod chart_tests;
mod dependencies;
mod diagnostics;
mod diff;
mod fetch;
mod helm;
mod kind;
mod manifest;
mod output;
mod params;
mod pending;
mod readiness;
mod release;
mod report;
mod retry;
mod rollback;
mod settle;
mod uninstall;
mod upgrade;
mod values;

use std::time::Duration;

use executor_api::{ExecutorPlugin, LossPolicy, Tool, inventory, minutes};

pub use chart::Chart;
pub use chart_tests::TestRun;
pub use diff::{Diff, ObjectChange};
pub use fetch::FetchedChart;
pub use helm::{Helm, version_in};
pub use output::Status;
pub use params::{Action, HelmParams};
pub use readiness::Resource;
pub use release::Release;
pub use report::ReleaseReport;
pub use rollback::RollbackOptions;
pub use uninstall::UninstallOptions;
pub use upgrade::UpgradeOptions;

/// The versions that work.
pub const HELM: Tool = Tool { name: "helm", versions: ">=3.14, <4", version_args: &["version", "--short"] };

/// After its one SIGINT helm records a failure at once; with `atomic` it rolls back first, which may take a while.
const GRACE: Duration = minutes(2);

inventory::submit! {
    ExecutorPlugin::new::<HelmParams>("helm", &kind::HelmExecutor)
        .summary("Installs, upgrades and removes a chart in a Kubernetes cluster")
        .loss(LossPolicy::RequeueBeforeCommit)
        .timeout(minutes(30))
        .grace(GRACE)
        .needs(&[HELM])
}
