//! Kubernetes: its control plane, the store beneath it, nodes without machines, and kubectl.

use std::path::PathBuf;

use super::Toolbox;
use super::go::{GoTool, Layout, Program};

const KUBERNETES: GoTool = GoTool {
    name: "kubernetes",
    module: "k8s.io/kubernetes",
    version: "1.33.13",
    programs: &[
        Program { name: "kubectl", package: "k8s.io/kubernetes/cmd/kubectl", version_args: &["version", "--client"] },
        daemon("kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
        daemon("kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"),
        daemon("kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"),
    ],
    layout: Layout::Staging("0.33.13"),
    ldflags: &[
        "k8s.io/component-base/version.gitVersion=v1.33.13",
        "k8s.io/component-base/version.gitMajor=1",
        "k8s.io/component-base/version.gitMinor=33",
        "k8s.io/component-base/version.gitTreeState=clean",
    ],
    usually: "6 minutes",
};

const ETCD: GoTool = GoTool {
    name: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    version: "3.6.8",
    programs: &[daemon("etcd", ".")],
    layout: Layout::Library(ETCD_MAIN),
    ldflags: &[],
    usually: "1 minute",
};

const ETCD_MAIN: &str = r#"package main

import (
	"os"

	"go.etcd.io/etcd/server/v3/etcdmain"
)

func main() { etcdmain.Main(os.Args) }
"#;

const KWOK: GoTool = GoTool {
    name: "kwok",
    module: "sigs.k8s.io/kwok",
    version: "0.8.0",
    programs: &[daemon("kwok", "./cmd/kwok")],
    layout: Layout::Complete,
    ldflags: &["sigs.k8s.io/kwok/pkg/consts.Version=v0.8.0"],
    usually: "2 minutes",
};

/// What kwok does with nodes and pods: at once what a kubelet would do.
const STAGES: &[&str] = &[
    "kustomize/stage/node/fast/node-initialize.yaml",
    "kustomize/stage/node/heartbeat-with-lease/node-heartbeat-with-lease.yaml",
    "kustomize/stage/pod/fast/pod-ready.yaml",
    "kustomize/stage/pod/fast/pod-complete.yaml",
    "kustomize/stage/pod/fast/pod-delete.yaml",
];

pub(super) const TOOLS: &[&GoTool] = &[&ETCD, &KUBERNETES, &KWOK];

const fn daemon(name: &'static str, package: &'static str) -> Program {
    Program { name, package, version_args: &["--version"] }
}

/// All that a cluster is made of.
pub(crate) struct KubernetesTools {
    pub(crate) etcd: PathBuf,
    pub(crate) api_server: PathBuf,
    pub(crate) controller_manager: PathBuf,
    pub(crate) scheduler: PathBuf,
    pub(crate) kubectl: PathBuf,
    pub(crate) kwok: PathBuf,
    /// A settings file of kwok.
    pub(crate) stages: PathBuf,
}

impl Toolbox {
    /// Gets what a cluster is made of.
    pub(crate) fn kubernetes(&self) -> anyhow::Result<KubernetesTools> {
        for tool in TOOLS {
            self.go_tool(tool)?;
        }
        Ok(KubernetesTools {
            etcd: self.program(&ETCD, "etcd")?,
            api_server: self.program(&KUBERNETES, "kube-apiserver")?,
            controller_manager: self.program(&KUBERNETES, "kube-controller-manager")?,
            scheduler: self.program(&KUBERNETES, "kube-scheduler")?,
            kubectl: self.program(&KUBERNETES, "kubectl")?,
            kwok: self.program(&KWOK, "kwok")?,
            stages: self.go_file(&KWOK, "stages.yaml", STAGES)?,
        })
    }
}
