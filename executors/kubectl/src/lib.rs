//! kubectl: a typed wrapper of the program, and the `kubectl` kind.
//!
//! What a payload says reaches kubectl through files, as `--key=value`, or after `--`: nothing of it is ever an option.
//! Plugins, a `kuberc` and kubectl's own choice of a program that shows differences do not exist for it; its cache is
//! this job's own. The data of a Secret is in no log and in no result.
//!
//! Works with kubectl 1.28 and later 1.x; tested with 1.33.
//!
//! # What a job answers
//!
//! apply: `objects` with `resource` (kubectl's word, `deployment.apps`), `namespace`, `name`, `change` each (`created`,
//! `configured`, `unchanged`, `pruned`, `skipped`; `applied` where kubectl could not look what it changed), and how many
//! there are of each change: `created`, `configured`, `unchanged`, `pruned`. With `wait`: `rollouts`, as below.
//!
//! delete: `objects` as above with `deleted` or `absent`, and `deleted`.
//!
//! diff: `has_changes`, `changes` with `change` (`added`, `changed`, `removed`), `kind`, `namespace`, `name` each, and the
//! artifact `diff.txt`.
//!
//! get: `count`, `objects` (all of them, where they are less than 64 KiB), and the artifact `objects.json`. The data of
//! Secrets is hidden.
//!
//! wait: `met`, those for which the condition holds.
//!
//! rollout_status: `rollouts` with `resource`, `namespace`, `name`, `complete`, `desired`, `updated`, `ready`,
//! `available`, `conditions` each.
//!
//! A job that fails or is cancelled publishes as much of this as is known by then; an apply that is refused because of
//! others' fields also `conflicts` with `resource`, `namespace`, `name`, `field`, `manager` each.

mod apply;
mod conflict;
mod delete;
mod diagnostics;
mod diff;
mod kind;
mod kubectl;
mod lines;
mod live;
mod manifests;
mod names;
mod object;
mod params;
mod prune;
mod reading;
mod rollout;
mod secrets;
mod targets;
mod until;
mod version;

use std::time::Duration;

use executor_api::{ExecutorPlugin, LossPolicy, Tool, inventory, minutes};

pub use apply::{ApplyOptions, Partial};
pub use conflict::Conflict;
pub use diff::{Diff, ObjectDiff};
pub use kubectl::{Interrupted, Kubectl};
pub use live::Look;
pub use manifests::{ManifestFiles, Manifests};
pub use object::{Change, ObjectChange};
pub use params::{Action, KubectlParams};
pub use prune::Prune;
pub use rollout::{Condition, Rollout};
pub use targets::{Resource, Targets};
pub use until::Until;

/// The versions that work.
pub(crate) const KUBECTL: Tool =
    Tool { name: "kubectl", versions: ">=1.28, <2", version_args: &["version", "--client", "--output=json"] };

/// Kubectl ends at its SIGINT; a request that is under way may take a moment.
const GRACE: Duration = Duration::from_secs(30);

inventory::submit! {
    ExecutorPlugin::new::<KubectlParams>("kubectl", &kind::KubectlExecutor)
        .summary("Applies, deletes and watches objects of a Kubernetes cluster")
        .loss(LossPolicy::RequeueBeforeCommit)
        .timeout(minutes(30))
        .grace(GRACE)
        .needs(&[KUBECTL])
}
