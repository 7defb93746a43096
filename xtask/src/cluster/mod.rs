//! A Kubernetes cluster for the tests, from nothing but processes of this machine: etcd, the control plane, and nodes
//! that kwok plays, so that a pod is Running at once although no container runs. Beside it Argo CD, and moto, which plays AWS.
//!
//! Everything listens on loopback (but the metrics of Argo CD's controller, which cannot be told to), keeps its files in
//! one temporary folder, and ends with us, however we end.

mod access;
mod argocd;
mod control_plane;
mod interrupts;
mod moto;
mod nodes;
mod ports;
mod processes;
mod task;

use std::ffi::{OsStr, OsString};
use std::process::Command;
use std::time::Instant;

use anyhow::Context;
use signal_hook::consts::SIGINT;
use tempfile::TempDir;

pub(crate) use task::{Arguments, run};

use crate::process::variable;
use crate::tools::{Lack, Toolbox};
use processes::{Ended, Processes};

/// Names the admin's kubeconfig; set means that there is a cluster.
const KUBECONFIG: &str = "ALETHIA_TEST_KUBECONFIG";

/// A cluster that lives as long as this.
pub(crate) struct Cluster {
    // Ends before its folder is removed.
    processes: Processes,
    _folder: TempDir,
    variables: Vec<(&'static str, OsString)>,
}

/// Whether Argo CD is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ArgoCd {
    With,
    Without,
}

impl Cluster {
    /// Starts everything and waits until it answers.
    pub(crate) fn start(toolbox: &Toolbox, argocd: ArgoCd) -> anyhow::Result<Self> {
        let tools = toolbox.for_cluster(argocd)?;
        let mut variables = toolbox.for_tests(Lack::IsSaid)?;

        let begun = Instant::now();
        let folder = tempfile::Builder::new().prefix("alethia-cluster-").tempdir().context("no temporary folder")?;
        let mut processes = Processes::new(folder.path(), &toolbox.path()?)?;
        let moto = moto::start(&mut processes, &tools.moto)?;
        let access = control_plane::start(&mut processes, &tools.kubernetes)?;
        nodes::start(&mut processes, &tools.kubernetes, &access)?;
        variables.extend([
            (KUBECONFIG, access.kubeconfig.clone().into_os_string()),
            // For a kubectl by hand. No test and no job may rely on it.
            ("KUBECONFIG", access.kubeconfig.clone().into_os_string()),
            ("ALETHIA_TEST_ARGOCD_MANIFEST", tools.argocd_manifest.clone().into_os_string()),
            ("ALETHIA_TEST_MOTO", OsString::from(&moto.url)),
        ]);
        if let Some(argocd) = tools.argocd {
            let argocd = argocd::start(&mut processes, &argocd, &tools.argocd_manifest, &access)?;
            variables.push(("ALETHIA_TEST_ARGOCD_SERVER", argocd.server.into()));
            variables.push(("ALETHIA_TEST_ARGOCD_PASSWORD", argocd.password.into()));
        }
        moto.wait(&mut processes)?;
        eprintln!("cluster: ready after {:.1} s", begun.elapsed().as_secs_f64());
        Ok(Self { processes, _folder: folder, variables })
    }

    /// The cluster for a test run. None if there is one already, or there can be none here and that is no failure.
    pub(crate) fn for_tests(toolbox: &Toolbox) -> anyhow::Result<Option<Self>> {
        if variable(KUBECONFIG).is_some() {
            eprintln!("cluster: using the one that {KUBECONFIG} names");
            return Ok(None);
        }
        match toolbox.cluster_lacks() {
            None => Self::start(toolbox, ArgoCd::With).map(Some),
            Some(lack) if variable("ALETHIA_REQUIRE_TOOLS").is_some() => anyhow::bail!(lack),
            Some(lack) => {
                eprintln!("cluster: {lack}. Tests with a cluster are SKIPPED.");
                Ok(None)
            }
        }
    }

    /// What tests want to know of it.
    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, &OsStr)> {
        self.variables.iter().map(|(name, value)| (*name, value.as_os_str()))
    }

    /// Runs a command with our variables in the foreground, to its end.
    pub(crate) fn run(&mut self, command: &mut Command) -> anyhow::Result<Ended> {
        let variables = self.variables.clone();
        self.processes.foreground(command.envs(variables))
    }

    /// Ends it, and then us, as whoever interrupted [`Self::run`] wanted.
    pub(crate) fn end_us(self) -> anyhow::Result<()> {
        drop(self);
        Ok(signal_hook::low_level::emulate_default_handler(SIGINT)?)
    }

    /// Lives until somebody wants us to end.
    fn wait(&mut self) -> anyhow::Result<()> {
        self.processes.wait()
    }
}
