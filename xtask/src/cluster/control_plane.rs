//! etcd, the API server, the controllers and the scheduler.

use std::fs;

use anyhow::Context;

use super::access::Access;
use super::ports;
use super::processes::Processes;
use crate::process::run_quietly;
use crate::tools::KubernetesTools;

/// Starts them, and returns an admin's access.
pub(super) fn start(processes: &mut Processes, tools: &KubernetesTools) -> anyhow::Result<Access> {
    let [etcd, etcd_peers, api] = ports::free()?;
    start_etcd(processes, tools, etcd, etcd_peers)?;
    let access = start_api_server(processes, tools, etcd, api)?;
    let kubeconfig = format!("--kubeconfig={}", access.kubeconfig.display());
    let key = processes.folder("certificates")?.join("accounts.key");
    processes.start(
        "kube-controller-manager",
        processes
            .command(&tools.controller_manager)
            .args([&kubeconfig, "--leader-elect=false", "--secure-port=0"])
            // On a machine that is busy the node's heart beats late, and its pods would not be ready any more.
            .arg("--node-monitor-grace-period=24h")
            .arg(format!("--service-account-private-key-file={}", key.display())),
    )?;
    processes.start(
        "kube-scheduler",
        processes.command(&tools.scheduler).args([&kubeconfig, "--leader-elect=false", "--secure-port=0"]),
    )?;
    let account = ["get", "serviceaccount", "default", "--namespace=default"];
    processes.until("the controllers make no default service account", |all| access.ask(all, &account))?;
    Ok(access)
}

fn start_etcd(processes: &mut Processes, tools: &KubernetesTools, port: u16, peers: u16) -> anyhow::Result<()> {
    let (address, peer_address) = (format!("http://127.0.0.1:{port}"), format!("http://127.0.0.1:{peers}"));
    let mut command = processes.command(&tools.etcd);
    command.args(["--log-level=warn", "--unsafe-no-fsync", "--data-dir"]).arg(processes.folder("etcd")?);
    for (flag, value) in [
        ("--listen-client-urls", &address),
        ("--advertise-client-urls", &address),
        ("--listen-peer-urls", &peer_address),
        ("--initial-advertise-peer-urls", &peer_address),
        ("--initial-cluster", &format!("default={peer_address}")),
    ] {
        command.arg(format!("{flag}={value}"));
    }
    processes.start("etcd", &mut command)?;
    processes.until("etcd does not answer", |_| ports::answers(port))
}

fn start_api_server(
    processes: &mut Processes,
    tools: &KubernetesTools,
    etcd: u16,
    port: u16,
) -> anyhow::Result<Access> {
    let folder = processes.folder("certificates")?;
    let (key, tokens, certificate) =
        (folder.join("accounts.key"), folder.join("tokens.csv"), folder.join("apiserver.crt"));
    run_quietly(processes.command("openssl".as_ref()).args(["genrsa", "-out"]).arg(&key).arg("2048"))?;
    let token = format!("{:032x}", rand::random::<u128>());
    fs::write(&tokens, format!("{token},admin,admin,\"system:masters\"\n"))?;
    let mut command = processes.command(&tools.api_server);
    command
        .args(["--bind-address=127.0.0.1", "--authorization-mode=RBAC", "--allow-privileged=true"])
        // There is no other API server to agree with, and no endpoint may be on loopback.
        .args(["--service-cluster-ip-range=10.0.0.0/24", "--endpoint-reconciler-type=none"])
        .args(["--service-account-issuer=https://kubernetes.default.svc", "--disable-admission-plugins=ServiceAccount"])
        .arg(format!("--secure-port={port}"))
        .arg(format!("--etcd-servers=http://127.0.0.1:{etcd}"))
        .arg(format!("--cert-dir={}", folder.display()))
        .arg(format!("--token-auth-file={}", tokens.display()))
        .arg(format!("--service-account-key-file={}", key.display()))
        .arg(format!("--service-account-signing-key-file={}", key.display()));
    processes.start("kube-apiserver", &mut command)?;
    // It makes a certificate, and the authority for it behind that, before it listens.
    processes.until("the API server does not listen", |_| ports::answers(port))?;
    let ca = fs::read_to_string(&certificate).context("the API server has made no certificate")?;
    let access = Access::new(&processes.folder("")?.join("kubeconfig"), &tools.kubectl, port, &ca, &token)?;
    processes.until("the API server does not get ready", |all| access.ask(all, &["get", "--raw=/readyz"]))?;
    Ok(access)
}
