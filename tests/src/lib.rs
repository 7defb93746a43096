//! The system from outside: what its tests share.

pub mod seed_client;
pub mod seed_plane;
