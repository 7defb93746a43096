//! Argo CD (one binary is its CLI and all of its servers) and helm, which its repo-server calls.

use std::path::PathBuf;

use super::Toolbox;
use super::go::{GoTool, Layout, Program};

/// 3.2.12 does not compile; from 3.3 on its zip lacks a folder that no module replaces.
const ARGOCD: GoTool = GoTool {
    name: "argocd",
    module: "github.com/argoproj/argo-cd/v3",
    version: "3.2.5",
    programs: &[Program { name: "argocd", package: "./cmd", version_args: &["version", "--client", "--short"] }],
    layout: Layout::Complete,
    ldflags: &["github.com/argoproj/argo-cd/v3/common.version=3.2.5"],
    usually: "5 minutes",
};

const HELM: GoTool = GoTool {
    name: "helm",
    module: "helm.sh/helm/v3",
    version: "3.22.0",
    programs: &[Program { name: "helm", package: "./cmd/helm", version_args: &["version", "--short"] }],
    layout: Layout::Complete,
    ldflags: &[
        "helm.sh/helm/v3/internal/version.version=v3.22.0",
        // The Kubernetes that `helm template` takes for granted: that of the client library in its go.mod.
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1",
        "helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=37",
    ],
    usually: "2 minutes",
};

pub(super) const TOOLS: &[&GoTool] = &[&HELM, &ARGOCD];

impl Toolbox {
    /// Sees to it that there is a helm.
    pub(crate) fn helm(&self) -> anyhow::Result<()> {
        self.go_tool(&HELM)
    }

    /// Argo CD's binary.
    pub(crate) fn argocd(&self) -> anyhow::Result<PathBuf> {
        self.go_tool(&ARGOCD)?;
        self.program(&ARGOCD, "argocd")
    }

    /// Argo CD's `install.yaml`, of the same version.
    pub(crate) fn argocd_manifest(&self) -> anyhow::Result<PathBuf> {
        self.go_file(&ARGOCD, "install.yaml", &["manifests/install.yaml"])
    }
}
