//! What a plan would do, as people and programs read it.

use serde::Serialize;

/// What a plan would do, in numbers and by resource. A replacement counts as one to add and one to destroy, as
/// terraform's own last line has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlanSummary {
    /// Resources to create.
    pub add: usize,
    /// Resources to change in place.
    pub change: usize,
    /// Resources to destroy.
    pub destroy: usize,
    /// Resources that are destroyed and created again.
    pub replace: usize,
    /// Whether anything would change, outputs included.
    pub has_changes: bool,
    /// Each resource that would change.
    pub resources: Vec<ResourceChange>,
    /// The outputs that would change.
    pub outputs: Vec<String>,
}

/// One resource of a plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceChange {
    /// For example `module.network.aws_vpc.main`.
    pub address: String,
    /// `create`, `update`, `delete`, `replace`, `read` or `forget`.
    pub action: String,
}

impl PlanSummary {
    /// The numbers, for the log.
    #[must_use]
    pub fn line(&self) -> String {
        format!("plan: {} to add, {} to change, {} to destroy", self.add, self.change, self.destroy)
    }
}
