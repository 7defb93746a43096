//! How a job reaches its Kubernetes cluster: one kubeconfig of its own, or a clear refusal.
//!
//! A kubeconfig belongs to one job, is never shared and never inherited: a step without its own cluster fails before
//! it touches anything. What a payload gives is never used as it came: it is read into types, checked, and written
//! anew with one context. No file outside the job, no proxy and no program that is not on a list gets in that way.
//!
//! A new way to a cluster is a variant of [`Cluster`] that fills in a `Kubeconfig`; nothing else writes one.

mod access;
mod cluster;
mod in_cluster;
mod kubeconfig;
mod managed;

pub use access::ClusterAccess;
pub use cluster::Cluster;
pub use managed::{Aks, Eks, Gke};
