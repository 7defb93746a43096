//! The real helm against a real Kubernetes API: no container runs there, but objects become ready as they would.

mod charts;
mod cluster;
mod example;
mod fetching;
mod life;
mod mending;
mod registry;
mod repository;
