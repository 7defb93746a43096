//! Kubeconfigs: read from a payload, checked, and written anew.

mod checked;
mod current;
mod document;
mod machine;
mod plugin;
mod plugin_arguments;
mod secrets;
mod user;
mod written;

pub(crate) use checked::read;
pub(crate) use machine::without_the_machine;
pub(crate) use secrets::secrets;
pub(crate) use written::{Exec, Kubeconfig, User};
