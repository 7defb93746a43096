//! What a snapshot says about Argo CD and the applications. Nothing of it is terraform's.

use std::collections::BTreeMap;
use std::time::Duration;

use executor_argocd::Manifest;

/// How Argo CD comes into the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ArgoCdOptions {
    /// True by default. If not, neither DEPLOY nor DESTROY asks anything of the cluster.
    pub enabled: bool,
    /// A repository that has the chart `argo-cd`; Argo's own where it is missing.
    pub chart_repository: Option<String>,
    /// The chart's version; 7.1.3 where it is missing.
    pub chart_version: Option<String>,
    /// A manifest in place of the chart.
    pub manifest: Option<Manifest>,
    /// Whether the first password of `admin` is kept as a secret of the job; true by default.
    pub keep_password: bool,
}

impl Default for ArgoCdOptions {
    fn default() -> Self {
        Self { enabled: true, chart_repository: None, chart_version: None, manifest: None, keep_password: true }
    }
}

/// What Argo CD brings into the cluster.
#[derive(Clone, Debug, PartialEq)]
pub struct ApplicationsOptions {
    /// True by default. If not, those that are there stay as they are.
    pub enabled: bool,
    /// From the repository of a chart, as we name it, to one that is taken in its place.
    pub repositories: BTreeMap<String, String>,
    /// How long all of them together may take to become healthy, or to go; 15 minutes by default.
    pub deadline: Duration,
}

impl Default for ApplicationsOptions {
    fn default() -> Self {
        Self { enabled: true, repositories: BTreeMap::new(), deadline: Duration::from_secs(15 * 60) }
    }
}
