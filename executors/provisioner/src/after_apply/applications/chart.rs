//! An application that is a chart of a public repository, or of a mirror of it.

use std::collections::BTreeMap;

use executor_argocd::{
    ApplicationDestination, ApplicationSource, ApplicationSpec, ApplicationSyncPolicy, Automation, HelmSource,
    SyncRetry,
};
use serde_json::Value;

use super::Application;
use super::project::INFRA;
use crate::after_apply::facts::Facts;

/// A chart, as its makers publish it.
pub(super) struct Chart {
    /// The application and its release.
    pub(super) name: &'static str,
    pub(super) repository: &'static str,
    pub(super) chart: &'static str,
    pub(super) version: &'static str,
    pub(super) namespace: &'static str,
    pub(super) wave: u8,
}

impl Chart {
    /// With these values.
    pub(super) fn with(&self, facts: &Facts<'_>, values: Value) -> Application {
        let values = if let Value::Object(values) = values { values } else { serde_json::Map::new() };
        let source = ApplicationSource {
            repo: self.repository(facts),
            chart: Some(self.chart.to_owned()),
            revision: Some(self.version.to_owned()),
            helm: Some(HelmSource { values, ..HelmSource::default() }),
            ..ApplicationSource::default()
        };
        let spec = spec(source, self.namespace, INFRA);
        Application { name: self.name, wave: self.wave, spec }
    }

    fn repository(&self, facts: &Facts<'_>) -> String {
        let same = |url: &str| plain(url) == plain(self.repository);
        let mirror = facts.snapshot.applications.repositories.iter().find(|(from, _)| same(from));
        let url = mirror.map_or(self.repository, |(_, to)| to);
        // A registry has no scheme in Argo CD's spelling.
        url.strip_prefix("oci://").unwrap_or(url).to_owned()
    }
}

fn plain(url: &str) -> &str {
    url.strip_prefix("oci://").unwrap_or(url).trim_end_matches('/')
}

/// One that syncs by itself, whatever changes; and again where another application is not ready for it yet.
pub(super) fn spec(source: ApplicationSource, namespace: &str, project: &str) -> ApplicationSpec {
    let text = |text: &str| Some(text.to_owned());
    ApplicationSpec {
        source,
        destination: ApplicationDestination { namespace: text(namespace), ..ApplicationDestination::default() },
        project: text(project),
        sync_policy: ApplicationSyncPolicy {
            automated: Some(Automation { prune: true, self_heal: true, allow_empty: false }),
            // Some definitions are larger than what fits into the annotation that the client would write.
            sync_options: ["CreateNamespace=true", "ServerSideApply=true"].map(str::to_owned).to_vec(),
            retry: Some(SyncRetry { limit: 10, delay: text("5s"), factor: Some(2), longest_delay: text("2m") }),
        },
        ignore_differences: Vec::new(),
        revision_history_limit: Some(3),
        delete_resources_with_it: false,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    }
}
