//! A node without a machine, and kwok, which plays its kubelet.

use std::fs;

use super::access::Access;
use super::processes::Processes;
use crate::tools::KubernetesTools;

const NODE: &str = r#"apiVersion: v1
kind: Node
metadata:
  name: fake-1
  annotations:
    kwok.x-k8s.io/node: fake
  labels:
    kubernetes.io/hostname: fake-1
    kubernetes.io/os: linux
    kubernetes.io/arch: amd64
    node-role.kubernetes.io/worker: ""
status:
  allocatable: { cpu: "64", memory: 512Gi, pods: "1000" }
  capacity: { cpu: "64", memory: 512Gi, pods: "1000" }
"#;

const IS_READY: &str = "--output=jsonpath={.status.conditions[?(@.type==\"Ready\")].status}{.spec.taints}";

/// Starts kwok, and waits until pods can be put on the node.
pub(super) fn start(processes: &mut Processes, tools: &KubernetesTools, access: &Access) -> anyhow::Result<()> {
    let mut kwok = processes.command(&tools.kwok);
    kwok.arg("--kubeconfig").arg(&access.kubeconfig).arg("--config").arg(&tools.stages);
    processes.start("kwok", kwok.arg("--manage-all-nodes=true"))?;
    let file = processes.folder("nodes")?.join("node.yaml");
    fs::write(&file, NODE)?;
    access.run(processes, &["apply", "--filename", &file.to_string_lossy()])?;
    // Ready, and without the taint that keeps pods away from a node that is not.
    processes.until("the node does not get ready", |all| {
        access.ask(all, &["get", "node", "fake-1", IS_READY]).filter(|said| said == "True")
    })?;
    Ok(())
}
