//! A cluster that tools can be pointed at.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use executor_api::Command;

/// A cluster that tools can be pointed at. There is none without a kubeconfig of the job's own behind it.
#[derive(Clone, Debug)]
pub struct ClusterAccess {
    pub(crate) kubeconfig: PathBuf,
    pub(crate) server: String,
    pub(crate) namespace: Option<String>,
}

/// By these a client takes the cluster that it runs in, where it finds no other.
const OF_THE_POD: [&str; 2] = ["KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"];

impl ClusterAccess {
    /// The job's kubeconfig: JSON, readable by this user only, with one context that is the current one.
    #[must_use]
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// The address of the API server, for messages.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The namespace that tools work in where a job names none; `default` if missing.
    #[must_use]
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    /// Points a command at the cluster, and at no other.
    #[must_use]
    pub fn point(&self, mut command: Command) -> Command {
        for name in OF_THE_POD {
            command.env.remove(name);
        }
        command.env("KUBECONFIG", &self.kubeconfig)
    }

    /// For tools that have the option, in addition: with it they refuse a file that is not there, where with the
    /// variable alone they would go on without it.
    #[must_use]
    pub fn flag(&self) -> OsString {
        let mut flag = OsString::from("--kubeconfig=");
        flag.push(&self.kubeconfig);
        flag
    }
}
