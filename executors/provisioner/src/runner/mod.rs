//! Runners that deploy runners: the stack of one runner on ECS Fargate, made, changed and taken away.
//!
//! # Kinds
//!
//! `DEPLOY_RUNNER`, `UPDATE_RUNNER`, `DESTROY_RUNNER`, and the seed's first spelling `*_WORKER` of each. What they read is
//! [`RunnerParams`]. Their metadata:
//!
//! | name | what |
//! |---|---|
//! | `runner_outputs` | the stack's outputs: `cluster_arn`, `service_name`, `task_definition_arn`, `task_role_arn`, `log_group`, ... |
//! | `deploy_config` | how the runner is deployed, without secrets. The plane keeps it for later jobs |
//! | `apply_completed`, `plan_summary` | that it is done, and what was made, changed and destroyed |
//! | `steps` | the steps, with their seconds, also of a job that failed |
//!
//! # The token
//!
//! It goes from the payload (`writeOnly`) into a variable of terraform's environment, there into a write-only argument,
//! and so into Secrets Manager: neither state nor plan nor task definition holds it. That needs terraform or tofu 1.11.
//!
//! # Where the state is
//!
//! `runners/<whole id>/terraform.tfstate`, where the contract's first implementation took the first 8 characters of the id
//! and so let two runners share a state. A state under the short key is moved by hand before the next job:
//! `aws s3 mv s3://BUCKET/runners/<8 characters>/terraform.tfstate s3://BUCKET/runners/<id>/terraform.tfstate`.

mod check;
mod deploy;
mod destroy;
mod params;
mod secrets;
mod state;
mod template;
mod variables;
mod wanted;

use executor_api::{ExecutorPlugin, LossPolicy, Tool, inventory, minutes};

pub use params::RunnerParams;

/// Write-only arguments came with these.
const VERSIONS: &str = ">=1.11, <2";
const TOOLS: &[Tool] = &[
    Tool { name: "terraform", versions: VERSIONS, version_args: &["version", "-json"] },
    Tool { name: "tofu", versions: VERSIONS, version_args: &["version", "-json"] },
];

const fn kind(
    kind: &'static str,
    executor: &'static dyn executor_api::Executor,
    summary: &'static str,
    pointers: &'static [&'static str],
) -> ExecutorPlugin {
    ExecutorPlugin::new::<RunnerParams>(kind, executor)
        .summary(summary)
        .loss(LossPolicy::RequeueBeforeCommit)
        .timeout(minutes(60))
        .grace(minutes(10))
        .needs_any(TOOLS)
        .exclusive("runner", pointers)
}

const RUNNER: &[&str] = &["/runner_id"];
const WORKER: &[&str] = &["/worker_id"];

inventory::submit! { kind("DEPLOY_RUNNER", &deploy::Deploy, "Deploys a runner on ECS Fargate", RUNNER) }
inventory::submit! { kind("UPDATE_RUNNER", &deploy::Update, "Gives a deployed runner another image or settings", RUNNER) }
inventory::submit! { kind("DESTROY_RUNNER", &destroy::Destroy, "Takes a deployed runner away", RUNNER) }
inventory::submit! { kind("DEPLOY_WORKER", &deploy::Deploy, "DEPLOY_RUNNER in the seed's words", WORKER) }
inventory::submit! { kind("UPDATE_WORKER", &deploy::Update, "UPDATE_RUNNER in the seed's words", WORKER) }
inventory::submit! { kind("DESTROY_WORKER", &destroy::Destroy, "DESTROY_RUNNER in the seed's words", WORKER) }
