//! Where the state of an environment lies: the contract's layout, so that existing state is found.
//!
//! **Invariant:** no two environments share a place. A zone has no `/`, a region holds no word that is a stage's, and the
//! regions of two clouds never look alike: so the last such word of a key is the stage, and what is before and after it
//! are project and region. An environment is its zone, project, stage and region; its account may change.

use crate::snapshot::Snapshot;

impl Snapshot {
    /// The object of the environment's state in a bucket.
    #[must_use]
    pub fn state_key(&self) -> String {
        format!("{}/{}/terraform.tfstate", self.zone_id, self.environment())
    }

    /// The name of the environment's state at the control plane: 1 to 128 of `A-Z a-z 0-9 . _ -`.
    #[must_use]
    pub fn plane_state_name(&self) -> String {
        // What comes after the last `_` has none.
        format!("environment_{}_{}", self.zone_id, self.environment())
    }

    fn environment(&self) -> String {
        format!("{}-{}-{}", self.project_name, self.environment_stage.as_str(), self.region)
    }
}
