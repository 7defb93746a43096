//! Where an application's manifests come from, as a payload says it.

use std::collections::BTreeMap;

use executor_api::{ExecutorError, pointer_to};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::words;

/// A folder of a git repository, or a chart of a Helm repository: exactly one of `path` and `chart`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [{ "required": ["repo", "path"] }, { "required": ["repo", "chart"] }]))]
pub struct ApplicationSource {
    /// The repository's URL, as Argo CD reaches it.
    pub repo: String,
    /// For git: the folder; `.` for the root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// For Helm: the chart's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<String>,
    /// For git: a branch, a tag or a commit; HEAD if missing. For a chart: its version, or a range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// How the chart is rendered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helm: Option<HelmSource>,
    /// How the kustomization is built.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kustomize: Option<KustomizeSource>,
    /// Which files of a plain folder are taken.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectorySource>,
}

/// How a chart is rendered.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct HelmSource {
    /// The release's name; the application's if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub release_name: Option<String>,
    /// The chart's values. They are stored in the application, where whoever may see it sees them.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// Files of values in the chart or the repository.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub value_files: Vec<String>,
    /// Single values as texts.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, String>,
    /// Leave the chart's custom resource definitions alone.
    pub skip_crds: bool,
}

/// How a kustomization is built.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct KustomizeSource {
    /// Before each name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_prefix: Option<String>,
    /// After each name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name_suffix: Option<String>,
    /// Images, for example `web=registry.example/web:1.2`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub images: Vec<String>,
}

/// Which files of a folder are taken.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DirectorySource {
    /// Those of its folders, too.
    pub recurse: bool,
    /// Only those that match, for example `*.yaml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include: Option<String>,
    /// Not those that match.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exclude: Option<String>,
}

impl ApplicationSource {
    pub(crate) fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        words::check_repository_url(&format!("{pointer}/repo"), &self.repo)?;
        match (&self.path, &self.chart) {
            (Some(path), None) => words::check_path(&format!("{pointer}/path"), path)?,
            (None, Some(chart)) => words::check_path(&format!("{pointer}/chart"), chart)?,
            _ => return Err(ExecutorError::invalid(pointer, "give either `path` (git) or `chart` (Helm)")),
        }
        if let Some(revision) = &self.revision {
            words::check_line(&format!("{pointer}/revision"), revision, 256)?;
        } else if self.chart.is_some() {
            return Err(ExecutorError::invalid(&format!("{pointer}/revision"), "give the chart's version"));
        }
        self.helm.iter().try_for_each(|helm| helm.check(&format!("{pointer}/helm")))?;
        self.kustomize.iter().try_for_each(|kustomize| kustomize.check(&format!("{pointer}/kustomize")))?;
        let globs = self.directory.iter().flat_map(|all| [("include", &all.include), ("exclude", &all.exclude)]);
        check_lines(
            &format!("{pointer}/directory"),
            globs.filter_map(|(name, text)| Some((name.to_owned(), text.as_ref()?))),
        )
    }

    pub(crate) fn to_argo(&self) -> Value {
        let mut source = json!({ "repoURL": self.repo });
        for (name, text) in [("path", &self.path), ("chart", &self.chart), ("targetRevision", &self.revision)] {
            if let Some(text) = text {
                source[name] = json!(text);
            }
        }
        for (name, part) in [
            ("helm", self.helm.as_ref().map(HelmSource::to_argo)),
            ("kustomize", self.kustomize.as_ref().map(KustomizeSource::to_argo)),
            ("directory", self.directory.as_ref().map(DirectorySource::to_argo)),
        ] {
            // Argo CD leaves out what says nothing, and would take it for a difference.
            if let Some(part) = part.filter(|part| part.as_object().is_some_and(|part| !part.is_empty())) {
                source[name] = part;
            }
        }
        source
    }
}

impl HelmSource {
    fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        if let Some(name) = &self.release_name {
            words::check_name(&format!("{pointer}/release_name"), name)?;
        }
        check_lines(pointer, numbered("value_files", &self.value_files))?;
        for (key, value) in &self.parameters {
            let place = pointer_to(&format!("{pointer}/parameters"), key);
            words::check_line(&place, key, 512)?;
            if value.contains('\0') {
                return Err(ExecutorError::invalid(&place, "a value has no NUL byte"));
            }
        }
        Ok(())
    }

    fn to_argo(&self) -> Value {
        let mut helm = Map::new();
        if let Some(name) = &self.release_name {
            helm.insert("releaseName".to_owned(), json!(name));
        }
        if !self.values.is_empty() {
            helm.insert("valuesObject".to_owned(), Value::Object(self.values.clone()));
        }
        if !self.value_files.is_empty() {
            helm.insert("valueFiles".to_owned(), json!(self.value_files));
        }
        if !self.parameters.is_empty() {
            let parameter = |(name, value)| json!({ "name": name, "value": value, "forceString": true });
            helm.insert("parameters".to_owned(), self.parameters.iter().map(parameter).collect());
        }
        if self.skip_crds {
            helm.insert("skipCrds".to_owned(), json!(true));
        }
        Value::Object(helm)
    }
}

impl KustomizeSource {
    fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        let affixes = [("name_prefix", &self.name_prefix), ("name_suffix", &self.name_suffix)];
        for (field, text) in affixes {
            let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.".contains(&b);
            if text.as_ref().is_some_and(|text| text.is_empty() || text.len() > 63 || !text.bytes().all(fits)) {
                let why = "give 1 to 63 lower-case letters, digits, '-' and '.'";
                return Err(ExecutorError::invalid(&format!("{pointer}/{field}"), why));
            }
        }
        check_lines(pointer, numbered("images", &self.images))
    }

    fn to_argo(&self) -> Value {
        let mut kustomize = Map::new();
        for (name, text) in [("namePrefix", &self.name_prefix), ("nameSuffix", &self.name_suffix)] {
            kustomize.extend(text.as_ref().map(|text| (name.to_owned(), json!(text))));
        }
        if !self.images.is_empty() {
            kustomize.insert("images".to_owned(), json!(self.images));
        }
        Value::Object(kustomize)
    }
}

impl DirectorySource {
    fn to_argo(&self) -> Value {
        let mut directory = Map::new();
        if self.recurse {
            directory.insert("recurse".to_owned(), json!(true));
        }
        for (name, text) in [("include", &self.include), ("exclude", &self.exclude)] {
            directory.extend(text.as_ref().map(|text| (name.to_owned(), json!(text))));
        }
        if !directory.is_empty() {
            // Argo CD always writes it.
            directory.insert("jsonnet".to_owned(), json!({}));
        }
        Value::Object(directory)
    }
}

fn numbered<'a>(field: &'a str, texts: &'a [String]) -> impl Iterator<Item = (String, &'a String)> {
    texts.iter().enumerate().map(move |(at, text)| (format!("{field}/{at}"), text))
}

fn check_lines<'a>(pointer: &str, mut lines: impl Iterator<Item = (String, &'a String)>) -> Result<(), ExecutorError> {
    lines.try_for_each(|(place, text)| words::check_line(&format!("{pointer}/{place}"), text, 1024))
}
