//! A project as a payload says it, and the AppProject that Argo CD gets.

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::spec::ApplicationDestination;
use crate::words;

/// What the applications of a project may be made of, and where they may go. All of it: what is not said here is not in
/// the project afterwards, its roles and sync windows neither.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ProjectSpec {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub description: Option<String>,
    /// Repositories, with `*` for anything.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub source_repos: Vec<String>,
    /// Clusters and namespaces, with `*` for anything.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    pub destinations: Vec<ProjectDestination>,
    /// Kinds without a namespace that may be made; none if missing.
    #[serde(default)]
    pub cluster_resources: Vec<GroupKind>,
    /// Kinds with a namespace that may be made; all if missing.
    #[serde(default)]
    pub namespace_resources: Vec<GroupKind>,
    /// Kinds with a namespace that may not be made.
    #[serde(default)]
    pub refused_namespace_resources: Vec<GroupKind>,
}

/// A cluster and a namespace in it; both may hold `*`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ProjectDestination {
    /// The URL of the cluster's API; Argo CD's own cluster if both this and `name` are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The name by which Argo CD knows the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The namespace, or a pattern.
    pub namespace: String,
}

/// A kind of resource; both may be `*`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupKind {
    /// Empty for the core group.
    #[serde(default)]
    pub group: String,
    /// For example `Namespace`.
    pub kind: String,
}

impl ProjectSpec {
    /// Checks what the schema cannot say. `pointer` is its place in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        words::check_name(&format!("{pointer}/name"), &self.name)?;
        if let Some(text) = &self.description {
            words::check_line(&format!("{pointer}/description"), text, 255)?;
        }
        for (at, repo) in self.source_repos.iter().enumerate() {
            words::check_line(&format!("{pointer}/source_repos/{at}"), repo, 2048)?;
        }
        for (at, to) in self.destinations.iter().enumerate() {
            let place = format!("{pointer}/destinations/{at}");
            words::check_line(&format!("{place}/namespace"), &to.namespace, 253)?;
            to.without_namespace().check(&place)?;
        }
        for (field, kinds) in self.kinds() {
            for (at, GroupKind { group, kind }) in kinds.iter().enumerate() {
                words::check_line(&format!("{pointer}/{field}/{at}/kind"), kind, 253)?;
                if !group.is_empty() {
                    words::check_line(&format!("{pointer}/{field}/{at}/group"), group, 253)?;
                }
            }
        }
        Ok(())
    }

    fn kinds(&self) -> [(&'static str, &Vec<GroupKind>); 3] {
        [
            ("cluster_resources", &self.cluster_resources),
            ("namespace_resources", &self.namespace_resources),
            ("refused_namespace_resources", &self.refused_namespace_resources),
        ]
    }

    /// What Argo CD gets.
    pub(crate) fn manifest(&self, namespace: Option<&str>) -> Value {
        let mut metadata = json!({ "name": self.name });
        if let Some(namespace) = namespace {
            metadata["namespace"] = json!(namespace);
        }
        let mut spec = Map::new();
        if let Some(text) = &self.description {
            spec.insert("description".to_owned(), json!(text));
        }
        if !self.source_repos.is_empty() {
            spec.insert("sourceRepos".to_owned(), json!(self.source_repos));
        }
        if !self.destinations.is_empty() {
            spec.insert("destinations".to_owned(), self.destinations.iter().map(ProjectDestination::to_argo).collect());
        }
        let words = ["clusterResourceWhitelist", "namespaceResourceWhitelist", "namespaceResourceBlacklist"];
        for (word, (_, kinds)) in words.into_iter().zip(self.kinds()) {
            if !kinds.is_empty() {
                spec.insert(word.to_owned(), json!(kinds));
            }
        }
        json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "AppProject", "metadata": metadata, "spec": spec })
    }
}

impl ProjectDestination {
    fn without_namespace(&self) -> ApplicationDestination {
        ApplicationDestination { server: self.server.clone(), name: self.name.clone(), namespace: None }
    }

    fn to_argo(&self) -> Value {
        let mut destination = self.without_namespace().to_argo();
        destination["namespace"] = json!(self.namespace);
        destination
    }
}
