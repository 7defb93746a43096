//! The applications of the environment's owner: one that is the whole repository, and may hold further ones.

use std::collections::BTreeMap;

use executor_argocd::{ApplicationDestination, ApplicationSource, ApplicationSpec};

use super::chart::sync_policy;
use super::project::APPS;
use super::{Application, OWNERS_WAVE};

/// What is at the root of the repository's HEAD.
pub(super) fn applications(url: &str) -> Application {
    let text = |text: &str| Some(text.to_owned());
    let spec = ApplicationSpec {
        source: ApplicationSource {
            repo: url.to_owned(),
            path: text("."),
            revision: text("HEAD"),
            ..ApplicationSource::default()
        },
        destination: ApplicationDestination { namespace: text("default"), ..ApplicationDestination::default() },
        project: text(APPS),
        sync_policy: sync_policy(),
        ignore_differences: Vec::new(),
        revision_history_limit: Some(3),
        delete_resources_with_it: false,
        labels: BTreeMap::new(),
        annotations: BTreeMap::new(),
    };
    Application { name: "apps", wave: OWNERS_WAVE, spec }
}
