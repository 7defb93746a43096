//! Environments: PLAN, DEPLOY and DESTROY from a config snapshot, and runners that deploy runners.
//!
//! A snapshot says what somebody wants; [`tfvars`] says it to one of our templates; terraform makes it; what comes after
//! the apply (Argo CD, the applications) is told from the facts that terraform hands back.

pub mod after_apply;
mod promise;
pub mod runner;
pub mod snapshot;
mod state_key;
mod steps;
pub mod tfvars;

pub use promise::differences;
pub use snapshot::Snapshot;
pub use steps::Steps;
