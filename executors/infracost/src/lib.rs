//! Infracost: a typed wrapper of the program, and the `infracost` kind.
//!
//! A plan (`plan_job_id` of the job, from its redacted `plan.json`) or a `source` is priced. What a job says to programs:
//!
//! - `cost_summary`: `currency`, `total_monthly`, `total_hourly`, `diff_monthly`, and the numbers `resources_with_cost`,
//!   `resources_free`, `total_resources`. Money is a string of decimal digits, as infracost computed it, or null if it
//!   gave none; it is never a float;
//! - `resources`: for each top-level resource its `name`, `type`, `monthly` and `hourly`, dearest first;
//! - `resource_changes` (`diff`): for each resource whose cost changes its `name`, `type` and `diff_monthly`;
//! - `warnings`: what is missing from the numbers;
//! - `cost_file_key`: infracost's whole document, the artifact `infracost.json`.
//!
//! The program exits with 0 also where it priced nothing; its document says so, and such a job fails. The API key reaches
//! it through its environment alone, and it runs in a folder of ours: it obeys a `.env` that it finds beside it.

mod cost_error;
mod document;
mod infracost;
mod kind;
mod output;
mod params;
mod plan;

use executor_api::{ExecutorPlugin, LossPolicy, Tool, inventory, minutes};

pub use cost_error::CostError;
pub use infracost::Infracost;
pub use output::{Estimate, ResourceCost};
pub use params::{Action, InfracostParams, Usage};

const TOOLS: &[Tool] = &[Tool { name: "infracost", versions: ">=0.10.30, <0.11", version_args: &["--version"] }];

inventory::submit! {
    ExecutorPlugin::new::<InfracostParams>("infracost", &kind::InfracostExecutor)
        .summary("Estimates what a terraform plan or stack costs a month")
        .loss(LossPolicy::Requeue)
        .timeout(minutes(20))
        .needs(TOOLS)
}
