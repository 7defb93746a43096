//! What a plan would do, as people and programs read it.

use serde::Serialize;

/// What a plan would do, in numbers and by resource. A replacement counts as one to add and one to destroy, as
/// terraform's own last line has it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct PlanSummary {
    /// Resources of the world that the state gets to know.
    pub import: usize,
    /// Resources to create.
    pub add: usize,
    /// Resources to change in place.
    pub change: usize,
    /// Resources to destroy.
    pub destroy: usize,
    /// Resources that are destroyed and created again.
    pub replace: usize,
    /// Resources that get another address.
    #[serde(rename = "move")]
    pub moved: usize,
    /// Whether anything would change, outputs and the state included.
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
    /// `create`, `update`, `delete`, `replace`, `read`, `import`, `move` or `forget`.
    pub action: String,
}

impl PlanSummary {
    /// The numbers, for the log.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { import, add, change, destroy, moved, .. } = self;
        let import = if *import == 0 { String::new() } else { format!("{import} to import, ") };
        let moved = if *moved == 0 { String::new() } else { format!(", {moved} to move") };
        format!("plan: {import}{add} to add, {change} to change, {destroy} to destroy{moved}")
    }
}
