//! Where the state of an environment lies: the contract's layout, so that existing state is found.

use crate::snapshot::Snapshot;

impl Snapshot {
    /// The object of the environment's state. No two environments share one.
    #[must_use]
    pub fn state_key(&self) -> String {
        let stage = self.environment_stage.as_str();
        format!("{}/{}-{stage}-{}/terraform.tfstate", self.zone_id, self.project_name, self.region)
    }
}
