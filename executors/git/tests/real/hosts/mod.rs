//! Hosts of repositories, started by a test on this machine.

pub(crate) mod http;
pub(crate) mod repository;
pub(crate) mod sshd;

pub(crate) use http::{HttpHost, TOKEN};
pub(crate) use repository::BareRepository;
