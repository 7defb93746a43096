//! The control plane: queue, logs, artifacts, terraform state.

pub mod access;
pub mod artifacts;
pub mod logs;
pub mod routes;
pub mod sources;
pub mod state;
