//! Argo CD beside the cluster: its objects are in the namespace `argocd`, its programs are processes of this machine.
//!
//! An application says `https://kubernetes.default.svc` (or the name `in-cluster`) for this cluster, as it would in
//! production. Only the URL of the API server itself is not registered.

use std::path::Path;
use std::process::Command;

use super::access::Access;
use super::ports;
use super::processes::Processes;
use crate::process::output;

/// What a test needs to log in.
pub(super) struct ArgoCdServer {
    /// Host and port, without TLS.
    pub(super) server: String,
    /// Of the user `admin`.
    pub(super) password: String,
}

const NAMESPACE: &str = "--namespace=argocd";

/// Installs it, and waits until one can log in.
pub(super) fn start(
    processes: &mut Processes,
    argocd: &Path,
    manifest: &Path,
    access: &Access,
) -> anyhow::Result<ArgoCdServer> {
    install(processes, manifest, access)?;
    let [redis, repo, repo_metrics, controller_metrics, server, server_metrics] = ports::free()?;
    start_redis(processes, redis)?;
    let redis = format!("--redis=127.0.0.1:{redis}");
    let repo_server = format!("--repo-server=127.0.0.1:{repo}");
    let clients = [&redis, NAMESPACE, &repo_server, "--repo-server-plaintext"];
    let part = |all: &Processes, name: &str| part(all, argocd, access, name);

    let mut command = part(processes, "argocd-repo-server")?;
    command.args(["--address=127.0.0.1", "--metrics-address=127.0.0.1", "--disable-tls", &redis]);
    command.arg(format!("--port={repo}")).arg(format!("--metrics-port={repo_metrics}"));
    processes.start("argocd-repo-server", &mut command)?;

    let mut command = part(processes, "argocd-application-controller")?;
    command.args(clients).arg(format!("--metrics-port={controller_metrics}"));
    processes.start("argocd-application-controller", &mut command)?;

    let mut command = part(processes, "argocd-server")?;
    command.args(clients).args(["--insecure", "--address=127.0.0.1", "--metrics-address=127.0.0.1"]);
    command.arg(format!("--port={server}")).arg(format!("--metrics-port={server_metrics}"));
    processes.start("argocd-server", &mut command)?;

    log_in(processes, argocd, access, format!("127.0.0.1:{server}"))
}

/// All its objects. That its programs run in pods, too, kwok would only play: so they are not wanted there.
fn install(processes: &Processes, manifest: &Path, access: &Access) -> anyhow::Result<()> {
    access.run(processes, &["create", "namespace", "argocd"])?;
    let manifest = manifest.to_string_lossy();
    access.run(processes, &["apply", "--server-side", NAMESPACE, "--filename", &manifest])?;
    access.run(processes, &["scale", "deployments,statefulsets", "--all", "--replicas=0", NAMESPACE])
}

fn start_redis(processes: &mut Processes, port: u16) -> anyhow::Result<()> {
    let mut command = processes.command("redis-server".as_ref());
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
    processes.start("redis", &mut command)?;
    processes.until("redis does not answer", |_| ports::answers(port))
}

/// One of the servers that the binary is under another name.
fn part(processes: &Processes, argocd: &Path, access: &Access, name: &str) -> anyhow::Result<Command> {
    let mut command = processes.command(argocd);
    command.env("ARGOCD_BINARY_NAME", name).env("KUBECONFIG", &access.kubeconfig);
    // `https://kubernetes.default.svc` is what KUBECONFIG says.
    command.env("ARGOCD_FAKE_IN_CLUSTER", "true").env("ARGOCD_GPG_ENABLED", "false");
    for variable in ["ARGOCD_GNUPGHOME", "ARGOCD_SSH_DATA_PATH", "ARGOCD_TLS_DATA_PATH"] {
        command.env(variable, processes.folder(&format!("{name}/{variable}"))?);
    }
    // Git gets its credentials there; by default that is one place for all clusters of a machine.
    command.env("ARGOCD_ASK_PASS_SOCK", processes.folder(name)?.join("ask-pass.sock"));
    Ok(command)
}

fn log_in(processes: &mut Processes, argocd: &Path, access: &Access, server: String) -> anyhow::Result<ArgoCdServer> {
    let secret = ["get", "secret", "argocd-initial-admin-secret", NAMESPACE];
    let read = [&secret[..], &["--output=go-template={{.data.password | base64decode}}"]].concat();
    let password = processes.until("Argo CD makes no password", |all| access.ask(all, &read))?;
    let config = processes.folder("argocd-cli")?.join("config");
    let log_in = ["login", &server, "--plaintext", "--username=admin", "--password", &password, "--config"];
    processes.until("nobody can log in to Argo CD", |all| output(all.command(argocd).args(log_in).arg(&config)))?;
    Ok(ArgoCdServer { server, password })
}
