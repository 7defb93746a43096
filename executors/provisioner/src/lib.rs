//! Environments: PLAN, DEPLOY and DESTROY from a config snapshot, and runners that deploy runners.
//!
//! A snapshot says what somebody wants; [`tfvars`] says it to one of our templates; terraform makes it; what comes after
//! the apply (Argo CD, the applications) is told from the facts that terraform hands back.

pub mod after_apply;
mod bootstrap;
mod cost;
mod deploy;
mod deploy_plan;
mod destroy;
mod going;
mod plan;
mod promise;
pub mod runner;
pub mod snapshot;
mod stack;
mod stack_template;
mod state_key;
mod state_place;
mod steps;
pub mod tfvars;

use std::time::Duration;

use executor_api::{ExecutorPlugin, LossPolicy, Tool, inventory, minutes};

pub use bootstrap::Bootstrap;
pub use deploy::Deploy;
pub use destroy::Destroy;
pub use plan::Plan;
pub use promise::differences;
pub use snapshot::Snapshot;
pub use stack::Setup;
pub use stack_template::Templates;
pub use steps::Steps;

/// Which environment a payload means. The zone is left out, as a payload may leave it out: two zones that have the same
/// project, stage and region wait for one another, and that is all.
const ENVIRONMENT: &[&str] = &["/project_name", "/environment_stage", "/region"];

/// As long as terraform's own kind: it finishes what it has begun, and saves its state.
const GRACE: Duration = minutes(10);

/// What the least demanding of the templates needs. What a job's own needs is asked of the program before `init`.
const VERSIONS: &str = ">=1.7, <2";
const TOOLS: &[Tool] = &[
    Tool { name: "terraform", versions: VERSIONS, version_args: &["version", "-json"] },
    Tool { name: "tofu", versions: VERSIONS, version_args: &["version", "-json"] },
];

const fn kind(plugin: ExecutorPlugin) -> ExecutorPlugin {
    plugin.timeout(minutes(120)).grace(GRACE).needs_any(TOOLS).exclusive("environment", ENVIRONMENT)
}

static PLAN: Plan = Plan(Setup::STANDARD);
static DEPLOY: Deploy = Deploy(Setup::STANDARD);
static DESTROY: Destroy = Destroy(Setup::STANDARD);
static BOOTSTRAP: Bootstrap = Bootstrap(Setup::STANDARD);

inventory::submit! {
    kind(ExecutorPlugin::new::<snapshot::SnapshotParams>("PLAN", &PLAN)
        .summary("Says what would change in an environment, and what it would cost")
        .loss(LossPolicy::Requeue))
}

inventory::submit! {
    kind(ExecutorPlugin::new::<snapshot::SnapshotParams>("DEPLOY", &DEPLOY)
        .summary("Makes an environment as its plan says, with Argo CD and the applications")
        .loss(LossPolicy::RequeueBeforeCommit))
}

inventory::submit! {
    kind(ExecutorPlugin::new::<snapshot::SnapshotParams>("DESTROY", &DESTROY)
        .summary("Takes an environment away, and what its applications made")
        .loss(LossPolicy::RequeueBeforeCommit))
}

inventory::submit! {
    kind(ExecutorPlugin::new::<snapshot::SnapshotParams>("BOOTSTRAP", &BOOTSTRAP)
        .summary("Plans and makes an environment in one job")
        .loss(LossPolicy::RequeueBeforeCommit))
}
