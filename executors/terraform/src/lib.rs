//! Terraform and OpenTofu: a typed wrapper of the program, and the `terraform` kind.
//!
//! A plan is kept with its SHA-256 and the working directory that it was made in; an apply runs exactly that plan or
//! nothing. What a payload says reaches the program through files, or as `-key=value`, never as an option of its own.

mod backend;
mod bucket;
mod configuration;
mod diagnostics;
mod files;
mod kept;
mod kind;
mod options;
mod outputs;
mod own_backend;
mod package_hash;
mod params;
mod plan;
mod program;
mod provider_cache;
mod providers;
mod saved_plan;
mod stack;
mod storage;
mod summary;
mod terraform;

use std::time::Duration;

use executor_api::{ExecutorPlugin, LossPolicy, Tool, inventory, minutes};

pub use backend::Backend;
pub use diagnostics::StateLock;
pub use options::Options;
pub use outputs::Outputs;
pub use params::{Action, Engine, TerraformParams};
pub use saved_plan::SavedPlan;
pub use stack::{KeptPlan, Planned, Stack};
pub use summary::{PlanSummary, ResourceChange};
pub use terraform::{PlanMode, Terraform};

const TERRAFORM: Tool = Tool { name: "terraform", versions: ">=1.5, <2", version_args: &["version", "-json"] };
const TOFU: Tool = Tool { name: "tofu", versions: ">=1.6, <2", version_args: &["version", "-json"] };

/// The programs, of which one is enough.
pub const TOOLS: &[Tool] = &[TERRAFORM, TOFU];

/// After its one SIGINT terraform finishes what it has begun and saves its state; that may take long.
const GRACE: Duration = minutes(10);

inventory::submit! {
    ExecutorPlugin::new::<TerraformParams>("terraform", &kind::TerraformExecutor)
        .summary("Plans, applies and destroys a terraform or tofu stack")
        .loss(LossPolicy::RequeueBeforeCommit)
        .timeout(minutes(120))
        .grace(GRACE)
        .needs_any(TOOLS)
        // Terraform's own lock would fail the second one.
        .exclusive("state", &["/backend"])
}
