//! Argo CD's projects: what our applications and the owner's may be made of.

use std::collections::BTreeSet;

use executor_argocd::{GroupKind, ProjectDestination, ProjectSpec};

use super::Application;

/// Of our own applications.
pub(super) const INFRA: &str = "infra";
/// Of the owner's.
pub(super) const APPS: &str = "apps";

/// The projects of these applications.
pub(super) fn of(applications: &[Application]) -> Vec<ProjectSpec> {
    let is_of =
        |name: &'static str| move |application: &&Application| application.spec.project.as_deref() == Some(name);
    let charts: BTreeSet<_> =
        applications.iter().filter(is_of(INFRA)).map(|application| application.spec.source.repo.clone()).collect();
    let has_owners = applications.iter().any(|application| is_of(APPS)(&application));
    let infra = project(INFRA, "What an environment's cluster needs", charts.into_iter().collect());
    // The owner's applications may make further ones, of whatever they like.
    let apps = has_owners.then(|| project(APPS, "The applications of the environment's owner", vec!["*".to_owned()]));
    std::iter::once(infra).chain(apps).collect()
}

/// In this cluster only, and whatever kinds there are.
fn project(name: &str, description: &str, source_repos: Vec<String>) -> ProjectSpec {
    ProjectSpec {
        name: name.to_owned(),
        description: Some(description.to_owned()),
        source_repos,
        destinations: vec![ProjectDestination { namespace: "*".to_owned(), ..ProjectDestination::default() }],
        cluster_resources: vec![GroupKind { group: "*".to_owned(), kind: "*".to_owned() }],
        namespace_resources: Vec::new(),
        refused_namespace_resources: Vec::new(),
    }
}
