//! The control plane: queue, logs, artifacts, terraform state.

pub mod logs;
