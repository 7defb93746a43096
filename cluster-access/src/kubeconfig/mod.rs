//! Kubeconfigs: read from a payload, checked, and written anew.

mod checked;
mod document;
mod plugin;
mod secrets;
mod written;

pub(crate) use checked::read;
pub(crate) use secrets::secrets;
pub(crate) use written::{Kubeconfig, User};
