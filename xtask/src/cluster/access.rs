//! How to reach the API server: the admin's kubeconfig, and kubectl with it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Context;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::processes::Processes;
use crate::process::{output, run_quietly};

/// An admin's.
pub(super) struct Access {
    pub(super) kubeconfig: PathBuf,
    kubectl: PathBuf,
}

impl Access {
    /// Writes a kubeconfig that needs no other file.
    pub(super) fn new(kubeconfig: &Path, kubectl: &Path, port: u16, ca: &str, token: &str) -> anyhow::Result<Self> {
        fs::write(kubeconfig, text(port, ca, token)).context("cannot write the kubeconfig")?;
        Ok(Self { kubeconfig: kubeconfig.to_owned(), kubectl: kubectl.to_owned() })
    }

    fn command(&self, processes: &Processes, args: &[&str]) -> Command {
        let mut command = processes.command(&self.kubectl);
        command.args(args).env("KUBECONFIG", &self.kubeconfig);
        command
    }

    /// What kubectl answers; None if it fails.
    pub(super) fn ask(&self, processes: &Processes, args: &[&str]) -> Option<String> {
        let said = output(&mut self.command(processes, args))?;
        Some(String::from_utf8_lossy(&said).trim().to_owned())
    }

    /// Runs kubectl, which must not fail.
    pub(super) fn run(&self, processes: &Processes, args: &[&str]) -> anyhow::Result<()> {
        run_quietly(&mut self.command(processes, args))
    }
}

fn text(port: u16, ca: &str, token: &str) -> String {
    let ca = STANDARD.encode(ca);
    format!(
        "apiVersion: v1
kind: Config
current-context: test
contexts:
  - name: test
    context: {{ cluster: test, user: admin }}
clusters:
  - name: test
    cluster:
      server: https://127.0.0.1:{port}
      certificate-authority-data: {ca}
users:
  - name: admin
    user: {{ token: {token} }}
"
    )
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn a_kubeconfig_is_complete_in_itself() {
        let text = text(6443, "a certificate\n", "secret");
        assert!(text.contains("\n      server: https://127.0.0.1:6443\n"), "{text}");
        assert!(text.contains("\n      certificate-authority-data: YSBjZXJ0aWZpY2F0ZQo=\n"), "{text}");
        assert!(text.contains("\n    user: { token: secret }\n"), "{text}");
    }
}
