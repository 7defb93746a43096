//! The control plane: queue, logs, artifacts, terraform state.

pub mod artifacts;
pub mod logs;
pub mod sources;
pub mod state;
