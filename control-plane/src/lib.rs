//! The control plane: queue, logs, artifacts, terraform state, and the API in front of them.

pub mod access;
pub mod artifacts;
mod connections;
pub mod database;
mod detached;
pub mod directory;
mod error;
mod gate;
mod git_credentials;
mod identities;
pub mod logs;
mod oidc;
mod payload_secrets;
mod plane;
pub mod queue;
mod router;
pub mod routes;
mod server;
pub mod sources;
pub mod state;
mod tokens;
mod vault;
mod wake;
mod writer;

pub use access::SecretReaders;
pub use error::PlaneError;
pub use queue::Timings;
pub use server::{Config, ControlPlane, Limits, start};
