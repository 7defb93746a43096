//! The applications of the environment's owner: one that is the whole repository, and may hold further ones.

use executor_argocd::ApplicationSource;

use super::chart::spec;
use super::project::APPS;
use super::{Application, OWNERS_WAVE};

/// What is at the root of the repository's HEAD.
pub(super) fn applications(url: &str) -> Application {
    let text = |text: &str| Some(text.to_owned());
    let source = ApplicationSource {
        repo: url.to_owned(),
        path: text("."),
        revision: text("HEAD"),
        ..ApplicationSource::default()
    };
    let spec = spec(source, "default", APPS);
    Application { name: "apps", wave: OWNERS_WAVE, spec }
}
