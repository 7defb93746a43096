//! The payload of the `helm` kind: what it may say, and what of it is refused.

use std::time::Duration;

use cluster_access::Cluster;
use executor_api::{ExecutorError, waiting_time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::chart::Chart;
use crate::helm::version_req;
use crate::release::Release;
use crate::values;

/// The payload of the `helm` kind.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HelmParams {
    /// What to do.
    pub action: Action,
    /// The release's name.
    #[schemars(
        length(max = 53),
        regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
    )]
    pub release: String,
    /// Where it lives.
    #[schemars(length(max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: String,
    /// What to install. For upgrade and diff.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
    /// Values of the chart: exactly these, those of an earlier revision are forgotten. For upgrade and diff.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// More values, merged over the others. Each text in them is hidden from the log and wherever the job is shown.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(extend("writeOnly" = true))]
    pub secret_values: Map<String, Value>,
    /// Succeed only when all is ready. For upgrade, rollback and uninstall.
    #[serde(default)]
    pub wait: bool,
    /// How long helm waits for any one thing, for example `90s` or `10m`; 5 minutes if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{1,5}(s|m|h)$"))]
    pub timeout: Option<String>,
    /// Wait, and undo an upgrade that fails: back to the revision before, or away with a first install.
    #[serde(default)]
    pub atomic: bool,
    /// Make the namespace if it is missing. For upgrade and diff.
    #[serde(default)]
    pub create_namespace: bool,
    /// For rollback: the revision to go back to; the last one before the current that was deployed if missing. For
    /// status: the revision to show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub revision: Option<u32>,
    /// For uninstall: keep the release's history, so that it can be rolled back to.
    #[serde(default)]
    pub keep_history: bool,
    /// Mend a release that an earlier attempt of this job, or the job that this one retries, left pending when it died.
    /// A rollback that is pending carries no mark of a job, and is refused.
    #[serde(default = "yes")]
    pub recover_pending: bool,
    /// The versions of the program that will do, for example `>=3.18`; whichever the runner has if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub helm_version: Option<String>,
    /// Which cluster.
    pub cluster: Cluster,
}

/// What to do with a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Install it, or bring it to this chart and these values.
    Upgrade,
    /// Take it away. Good if it is not there.
    Uninstall,
    /// Go back to an earlier revision.
    Rollback,
    /// Say what an upgrade would change.
    Diff,
    /// Say how it is.
    Status,
    /// Run the chart's tests.
    Test,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

fn yes() -> bool {
    true
}

impl HelmParams {
    /// Checks what the schema cannot say.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self) -> Result<(), ExecutorError> {
        self.release()?;
        self.timeout()?;
        self.helm_version.as_deref().map(version_req).transpose()?;
        self.refuse_what_does_not_belong()?;
        if self.revision == Some(0) {
            return Err(ExecutorError::invalid("/revision", "revisions count from 1"));
        }
        if let Some(chart) = &self.chart {
            chart.check("/chart")?;
        } else if matches!(self.action, Action::Upgrade | Action::Diff) {
            let error = "say what to install: a chart from a source, a repository (`repo`) or a registry (`oci`)";
            return Err(ExecutorError::invalid("/chart", error));
        }
        values::check(&self.values, "/values")?;
        values::check(&self.secret_values, "/secret_values")?;
        self.cluster.check("/cluster")
    }

    /// Somebody who writes it expects it to have an effect.
    fn refuse_what_does_not_belong(&self) -> Result<(), ExecutorError> {
        use Action::{Diff, Rollback, Status, Uninstall, Upgrade};
        let fields: [(&str, bool, &[Action]); 8] = [
            ("chart", self.chart.is_some(), &[Upgrade, Diff]),
            ("values", !self.values.is_empty(), &[Upgrade, Diff]),
            ("secret_values", !self.secret_values.is_empty(), &[Upgrade, Diff]),
            ("create_namespace", self.create_namespace, &[Upgrade, Diff]),
            // What is about to be upgraded can be compared as it is.
            ("atomic", self.atomic, &[Upgrade, Diff]),
            ("wait", self.wait, &[Upgrade, Diff, Rollback, Uninstall]),
            ("revision", self.revision.is_some(), &[Rollback, Status]),
            ("keep_history", self.keep_history, &[Uninstall]),
        ];
        match fields.iter().find(|(_, given, actions)| *given && !actions.contains(&self.action)) {
            None => Ok(()),
            Some((name, _, _)) => {
                let action = serde_json::to_value(self.action).unwrap_or_default();
                let error = format!("this has no meaning for the action {action}; leave it out");
                Err(ExecutorError::invalid(&format!("/{name}"), error))
            }
        }
    }

    /// The release.
    ///
    /// # Errors
    /// If its name or namespace is none.
    pub fn release(&self) -> Result<Release, ExecutorError> {
        Release::new(&self.release, &self.namespace)
    }

    /// How long helm waits.
    ///
    /// # Errors
    /// If it is no time, or one that nobody means.
    pub fn timeout(&self) -> Result<Duration, ExecutorError> {
        self.timeout.as_ref().map_or(Ok(DEFAULT_TIMEOUT), |text| waiting_time("/timeout", text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(change: &Value) -> String {
        let mut payload = json!({ "action": "upgrade", "release": "web", "namespace": "team",
                                  "chart": { "oci": "oci://registry.example/charts/web" },
                                  "cluster": { "kubeconfig": "{}" } });
        for (name, value) in change.as_object().unwrap() {
            if value.is_null() {
                payload.as_object_mut().unwrap().remove(name);
            } else {
                payload[name] = value.clone();
            }
        }
        let params: HelmParams = serde_json::from_value(payload).unwrap();
        // What a kubeconfig may hold is for cluster-access to say.
        params
            .check()
            .err()
            .map(|error| error.to_string())
            .filter(|text| !text.starts_with("/cluster"))
            .unwrap_or_default()
    }

    #[test]
    fn times_are_bounded() {
        for timeout in ["-1s", "5", "5 parsecs", "0s", "7h", "s", "99999h", "", "1m; rm"] {
            assert!(refusal(&json!({ "timeout": timeout })).starts_with("/timeout: "), "{timeout:?}");
        }
        assert!(refusal(&json!({ "helm_version": "latest" })).starts_with("/helm_version: "));
        let params: HelmParams = serde_json::from_value(json!({ "action": "status", "release": "a", "namespace": "b",
                                     "timeout": "10m", "cluster": { "kubeconfig": "" } }))
        .unwrap();
        assert_eq!(params.timeout().unwrap(), Duration::from_secs(600));
        assert!(params.recover_pending);
    }

    #[test]
    fn a_field_without_effect_is_refused_by_name() {
        for (action, field, value) in [
            ("uninstall", "chart", json!({ "oci": "oci://a.example/b" })),
            ("rollback", "values", json!({ "a": 1 })),
            ("status", "secret_values", json!({ "a": "b" })),
            ("diff", "revision", json!(2)),
            ("test", "wait", json!(true)),
            ("rollback", "create_namespace", json!(true)),
            ("upgrade", "revision", json!(3)),
            ("upgrade", "keep_history", json!(true)),
        ] {
            let mut change = json!({ "chart": null, "action": action });
            if matches!(action, "upgrade" | "diff") {
                change.as_object_mut().unwrap().remove("chart");
            }
            change[field] = value;
            let text = refusal(&change);
            assert!(text.starts_with(&format!("/{field}: this has no meaning for the action")), "{action}: {text}");
        }
        assert!(refusal(&json!({ "chart": null })).starts_with("/chart: say what to install"));
        assert!(refusal(&json!({ "action": "rollback", "chart": null, "revision": 0 })).starts_with("/revision"));
    }
}
