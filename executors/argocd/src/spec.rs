//! An application as a payload says it, and the Application that Argo CD gets.

use std::collections::BTreeMap;

use executor_api::{ExecutorError, pointer_to, waiting_time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::application::ApplicationName;
use crate::source::ApplicationSource;
use crate::words;

/// What an application is made of, where it goes, and when it is brought there. All of it: what is not said here is not
/// in the application afterwards.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ApplicationSpec {
    /// Its manifests or its chart.
    pub source: ApplicationSource,
    /// Where its resources go.
    pub destination: ApplicationDestination,
    /// Argo CD's project that it belongs to; `default` if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub project: Option<String>,
    /// When and how it is synced.
    #[serde(default)]
    pub sync_policy: ApplicationSyncPolicy,
    /// Fields that may differ from what the source says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100))]
    pub ignore_differences: Vec<IgnoredDifference>,
    /// How many syncs can be rolled back to; Argo CD keeps ten if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_history_limit: Option<u32>,
    /// When the application is deleted by whomever, its resources go, too.
    #[serde(default)]
    pub delete_resources_with_it: bool,
    /// Labels of the application.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Annotations of the application.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A cluster that Argo CD knows, and a namespace in it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApplicationDestination {
    /// The URL of the cluster's API; Argo CD's own cluster if both this and `name` are missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<String>,
    /// The name by which Argo CD knows the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where resources go that do not say it themselves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}

/// When and how an application is synced.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ApplicationSyncPolicy {
    /// By Argo CD itself, whenever the source changes. Without: only when somebody asks for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automated: Option<Automation>,
    /// Argo CD's options, for example `CreateNamespace=true`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 50))]
    pub sync_options: Vec<String>,
    /// Try a sync again that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry: Option<SyncRetry>,
}

/// What Argo CD does by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Automation {
    /// Delete what is no longer in the source.
    pub prune: bool,
    /// Undo changes that somebody makes in the cluster.
    pub self_heal: bool,
    /// Do so even if that leaves nothing.
    pub allow_empty: bool,
}

/// How a sync is tried again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncRetry {
    /// How often.
    #[schemars(range(min = 1, max = 100))]
    pub limit: u32,
    /// How long after the first failure, for example `5s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay: Option<String>,
    /// By how much that grows each time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10))]
    pub factor: Option<u32>,
    /// How long it may get, for example `3m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub longest_delay: Option<String>,
}

/// Fields of some resources.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct IgnoredDifference {
    /// Empty for the core group.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub group: String,
    /// For example `Deployment`.
    pub kind: String,
    /// Only this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Only those in this namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// JSON pointers of the fields, for example `/spec/replicas`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub json_pointers: Vec<String>,
    /// The same as paths of jq.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub jq_path_expressions: Vec<String>,
}

const RESOURCES_FINALIZER: &str = "resources-finalizer.argocd.argoproj.io";
const OWN_CLUSTER: &str = "https://kubernetes.default.svc";

impl ApplicationSpec {
    /// Checks what the schema cannot say. `pointer` is its place in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        self.source.check(&format!("{pointer}/source"))?;
        self.destination.check(&format!("{pointer}/destination"))?;
        if let Some(project) = &self.project {
            words::check_name(&format!("{pointer}/project"), project)?;
        }
        self.sync_policy.check(&format!("{pointer}/sync_policy"))?;
        for (at, ignored) in self.ignore_differences.iter().enumerate() {
            ignored.check(&format!("{pointer}/ignore_differences/{at}"))?;
        }
        for (field, map, most) in [("labels", &self.labels, 63), ("annotations", &self.annotations, 200_000)] {
            for (key, value) in map {
                let place = pointer_to(&format!("{pointer}/{field}"), key);
                words::check_line(&place, key, 317)?;
                if value.len() > most || value.contains('\0') {
                    return Err(ExecutorError::invalid(&place, format!("give at most {most} bytes without NUL")));
                }
            }
        }
        Ok(())
    }

    /// What Argo CD gets.
    pub(crate) fn manifest(&self, name: &ApplicationName) -> Value {
        let mut metadata = json!({ "name": name.name, "labels": self.labels, "annotations": self.annotations });
        if let Some(namespace) = &name.namespace {
            metadata["namespace"] = json!(namespace);
        }
        if self.delete_resources_with_it {
            metadata["finalizers"] = json!([RESOURCES_FINALIZER]);
        }
        let mut spec = json!({
            "project": self.project.as_deref().unwrap_or("default"),
            "source": self.source.to_argo(),
            "destination": self.destination.to_argo(),
        });
        let policy = self.sync_policy.to_argo();
        if !policy.is_empty() {
            spec["syncPolicy"] = Value::Object(policy);
        }
        if !self.ignore_differences.is_empty() {
            spec["ignoreDifferences"] = self.ignore_differences.iter().map(IgnoredDifference::to_argo).collect();
        }
        if let Some(limit) = self.revision_history_limit {
            spec["revisionHistoryLimit"] = json!(limit);
        }
        json!({ "apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": metadata, "spec": spec })
    }
}

impl ApplicationDestination {
    pub(crate) fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        match (&self.server, &self.name) {
            (Some(_), Some(_)) => return Err(ExecutorError::invalid(pointer, "give either `server` or `name`")),
            (Some(server), None) => words::check_line(&format!("{pointer}/server"), server, 2048)?,
            (None, Some(name)) => words::check_line(&format!("{pointer}/name"), name, 253)?,
            (None, None) => {}
        }
        self.namespace.iter().try_for_each(|name| words::check_namespace(&format!("{pointer}/namespace"), name))
    }

    pub(crate) fn to_argo(&self) -> Value {
        let mut destination = Map::new();
        match (&self.server, &self.name) {
            (None, Some(name)) => destination.insert("name".to_owned(), json!(name)),
            (server, _) => destination.insert("server".to_owned(), json!(server.as_deref().unwrap_or(OWN_CLUSTER))),
        };
        if let Some(namespace) = &self.namespace {
            destination.insert("namespace".to_owned(), json!(namespace));
        }
        Value::Object(destination)
    }
}

impl ApplicationSyncPolicy {
    fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        check_sync_options(&format!("{pointer}/sync_options"), &self.sync_options)?;
        let Some(retry) = &self.retry else { return Ok(()) };
        for (field, time) in [("delay", &retry.delay), ("longest_delay", &retry.longest_delay)] {
            if let Some(time) = time {
                waiting_time(&format!("{pointer}/retry/{field}"), time)?;
            }
        }
        Ok(())
    }

    fn to_argo(&self) -> Map<String, Value> {
        let mut policy = Map::new();
        if let Some(Automation { prune, self_heal, allow_empty }) = &self.automated {
            // Argo CD leaves out what is false, and would take it for a difference.
            let switches = [("prune", prune), ("selfHeal", self_heal), ("allowEmpty", allow_empty)];
            let on: Map<_, _> =
                switches.into_iter().filter(|(_, on)| **on).map(|(name, _)| (name.to_owned(), json!(true))).collect();
            policy.insert("automated".to_owned(), Value::Object(on));
        }
        if !self.sync_options.is_empty() {
            policy.insert("syncOptions".to_owned(), json!(self.sync_options));
        }
        if let Some(retry) = &self.retry {
            policy.insert("retry".to_owned(), retry.to_argo());
        }
        policy
    }
}

impl SyncRetry {
    fn to_argo(&self) -> Value {
        let seconds = |time: &String| humantime::parse_duration(time).map(|time| format!("{}s", time.as_secs())).ok();
        let mut backoff = Map::new();
        for (name, value) in [
            ("duration", self.delay.as_ref().and_then(seconds).map(Value::from)),
            ("factor", self.factor.map(Value::from)),
            ("maxDuration", self.longest_delay.as_ref().and_then(seconds).map(Value::from)),
        ] {
            backoff.extend(value.map(|value| (name.to_owned(), value)));
        }
        if backoff.is_empty() {
            json!({ "limit": self.limit })
        } else {
            json!({ "limit": self.limit, "backoff": backoff })
        }
    }
}

impl IgnoredDifference {
    fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        words::check_line(&format!("{pointer}/kind"), &self.kind, 253)?;
        let more = [("group", (!self.group.is_empty()).then_some(&self.group)), ("name", self.name.as_ref())];
        for (field, text) in more.into_iter().chain([("namespace", self.namespace.as_ref())]) {
            if let Some(text) = text {
                words::check_line(&format!("{pointer}/{field}"), text, 253)?;
            }
        }
        for (field, texts) in
            [("json_pointers", &self.json_pointers), ("jq_path_expressions", &self.jq_path_expressions)]
        {
            for (at, text) in texts.iter().enumerate() {
                words::check_line(&format!("{pointer}/{field}/{at}"), text, 1024)?;
            }
        }
        Ok(())
    }

    fn to_argo(&self) -> Value {
        let mut value = Map::new();
        for (name, text) in [
            ("group", Some(&self.group)),
            ("kind", Some(&self.kind)),
            ("name", self.name.as_ref()),
            ("namespace", self.namespace.as_ref()),
        ] {
            value.extend(text.filter(|text| !text.is_empty()).map(|text| (name.to_owned(), json!(text))));
        }
        for (name, texts) in [("jsonPointers", &self.json_pointers), ("jqPathExpressions", &self.jq_path_expressions)] {
            if !texts.is_empty() {
                value.insert(name.to_owned(), json!(texts));
            }
        }
        Value::Object(value)
    }
}

/// `Name=value`, as Argo CD writes it.
pub(crate) fn check_sync_options(pointer: &str, options: &[String]) -> Result<(), ExecutorError> {
    for (at, option) in options.iter().enumerate() {
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let fits =
            option.len() <= 100 && option.split_once('=').is_some_and(|(name, value)| is_word(name) && is_word(value));
        if !fits || option.starts_with('-') {
            let why = "give a name and a value, for example CreateNamespace=true";
            return Err(ExecutorError::invalid(&format!("{pointer}/{at}"), why));
        }
    }
    Ok(())
}
