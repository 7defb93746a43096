//! `cargo xtask cluster`: a cluster for one command, or until Ctrl-C.

use std::ffi::{OsStr, OsString};
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;

use super::{ArgoCd, Cluster};
use crate::process::here;
use crate::tools::Toolbox;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Starts no Argo CD, which saves half of the time
    #[arg(long)]
    without_argocd: bool,
    /// Runs this in the cluster and leaves with its exit code; without it, the cluster lives until Ctrl-C
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
}

/// Runs the task.
pub(crate) fn run(toolbox: &Toolbox, arguments: &Arguments) -> anyhow::Result<ExitCode> {
    if let Some(lack) = toolbox.cluster_lacks() {
        bail!(lack);
    }
    let argocd = if arguments.without_argocd { ArgoCd::Without } else { ArgoCd::With };
    let mut cluster = Cluster::start(toolbox, argocd)?;
    if let Some((program, args)) = arguments.command.split_first() {
        let ended = cluster.run(here(program).args(args))?;
        return Ok(ExitCode::from(ended.code()));
    }
    for (name, value) in cluster.variables() {
        println!("{}", export(name, value));
    }
    eprintln!("cluster: paste these lines into another shell; Ctrl-C ends the cluster");
    cluster.wait()?;
    eprintln!("cluster: ended");
    Ok(ExitCode::SUCCESS)
}

fn export(name: &str, value: &OsStr) -> String {
    // In single quotes a shell takes everything as it is, but for the quote itself.
    let quoted = value.to_string_lossy().replace('\'', r"'\''");
    format!("export {name}='{quoted}'")
}

#[cfg(test)]
mod tests {
    use super::export;

    #[test]
    fn a_shell_reads_the_value_as_it_is() {
        assert_eq!(export("A", "/x y/$z".as_ref()), "export A='/x y/$z'");
        assert_eq!(export("A", "it's".as_ref()), r"export A='it'\''s'");
    }
}
