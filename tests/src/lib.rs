//! The system from outside: what its tests share.

pub mod client;
pub mod fake_terraform;
mod kinds;
pub mod ledger;
pub mod plane;
pub mod process;
mod program;
pub mod proxy;
pub mod rig;
pub mod runner;
pub mod scene;
pub mod seed_client;
pub mod seed_plane;
pub mod small_disk;
pub mod steps;
mod vouched;
