//! The payload of the `kubectl` kind: what it may say, and what of it is refused.

use std::time::Duration;

use cluster_access::Cluster;
use executor_api::{ExecutorError, is_label, waiting_time};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::manifests::Manifests;
use crate::prune::Prune;
use crate::targets::Targets;
use crate::until::Until;
use crate::version;

/// The payload of the `kubectl` kind.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct KubectlParams {
    /// What to do.
    pub action: Action,
    /// The objects, as manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub manifests: Option<Manifests>,
    /// The objects, by name (`deployment/web`) or all of some kinds (`pods`). Not for apply and diff.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 1000))]
    pub resources: Vec<String>,
    /// Of some kinds, only the objects with these labels, for example `app=web`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub selector: Option<String>,
    /// Where objects are that do not say it; that of the kubeconfig if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub namespace: Option<String>,
    /// The API server merges, and keeps who owns which field; ours belong to `alethia`. For apply and diff.
    #[serde(default = "yes")]
    pub server_side: bool,
    /// Take over fields that others own. For apply and diff.
    #[serde(default)]
    pub force_conflicts: bool,
    /// Take away what the manifests no longer have. For apply; diff shows it for a selector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prune: Option<Prune>,
    /// What to wait for. For wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Until>,
    /// For apply: until workloads are rolled out; no if missing. For delete: until all is gone; yes if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait: Option<bool>,
    /// How long to wait, for example `90s` or `10m`; 5 minutes if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{1,5}(s|m|h)$"))]
    pub timeout: Option<String>,
    /// The versions of kubectl that will do, for example `>=1.31, <2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Which cluster.
    pub cluster: Cluster,
}

/// What to do with objects of a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Bring them to what the manifests say.
    Apply,
    /// Take them away. Good if they are not there.
    Delete,
    /// Say what an apply would change.
    Diff,
    /// Read them.
    Get,
    /// Wait until something holds for them.
    Wait,
    /// Wait until workloads are rolled out.
    RolloutStatus,
}

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);

fn yes() -> bool {
    true
}

impl KubectlParams {
    /// Checks what the schema cannot say.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self) -> Result<(), ExecutorError> {
        self.refuse_what_does_not_belong()?;
        self.check_objects()?;
        self.check_prune()?;
        if self.namespace.as_ref().is_some_and(|namespace| !is_label(namespace)) {
            let error = "a namespace has 1 to 63 lower-case letters, digits and '-', and begins and ends with a letter or \
                         a digit";
            return Err(ExecutorError::invalid("/namespace", error));
        }
        match (&self.until, self.action) {
            (None, Action::Wait) => {
                return Err(ExecutorError::invalid("/until", "say what to wait for, for example a condition"));
            }
            (Some(until), _) => {
                until.check().map_err(|(place, why)| ExecutorError::invalid(&format!("/until{place}"), why))?;
            }
            (None, _) => {}
        }
        self.timeout()?;
        self.version.as_deref().map(version::check).transpose()?;
        self.cluster.check("/cluster")
    }

    /// Somebody who writes it expects it to have an effect.
    fn refuse_what_does_not_belong(&self) -> Result<(), ExecutorError> {
        use Action::{Apply, Delete, Diff, Get, RolloutStatus, Wait};
        let fields: [(&str, bool, &[Action]); 7] = [
            ("resources", !self.resources.is_empty(), &[Delete, Get, Wait, RolloutStatus]),
            ("selector", self.selector.is_some(), &[Delete, Get, Wait]),
            ("server_side", !self.server_side, &[Apply, Diff]),
            ("force_conflicts", self.force_conflicts, &[Apply, Diff]),
            ("prune", self.prune.is_some(), &[Apply, Diff]),
            ("until", self.until.is_some(), &[Wait]),
            ("wait", self.wait.is_some(), &[Apply, Delete]),
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

    /// The objects are given once, and in a way that the action can work with.
    fn check_objects(&self) -> Result<(), ExecutorError> {
        let needs_manifests = matches!(self.action, Action::Apply | Action::Diff);
        match (&self.manifests, self.resources.is_empty()) {
            (Some(_), false) => {
                return Err(ExecutorError::invalid("/resources", "there are manifests already; leave one of them out"));
            }
            (Some(_), true) if self.selector.is_some() => {
                return Err(ExecutorError::invalid("/selector", "a selector goes with `resources`; leave it out"));
            }
            (Some(manifests), true) => return manifests.check("/manifests"),
            (None, _) if needs_manifests => {
                return Err(ExecutorError::invalid("/manifests", "say what is to be there: a source or inline text"));
            }
            (None, true) => {
                return Err(ExecutorError::invalid("/resources", "say which objects, for example `deployment/web`"));
            }
            (None, false) if self.resources.len() > 1000 => {
                return Err(ExecutorError::invalid("/resources", "name at most 1000 objects"));
            }
            (None, false) => {}
        }
        let targets = self.named_targets()?;
        match (self.action, &targets) {
            (Action::Delete, Targets::Kinds { selector: None, .. }) => {
                let error = "all objects of a kind are not taken away at once; name them, or give labels";
                Err(ExecutorError::invalid("/selector", error))
            }
            (Action::RolloutStatus, Targets::Kinds { .. }) => {
                Err(ExecutorError::invalid("/resources", "name each workload, for example `deployment/web`"))
            }
            _ => Ok(()),
        }
    }

    /// What `resources` and `selector` say.
    pub(crate) fn named_targets(&self) -> Result<Targets, ExecutorError> {
        Targets::of_words(&self.resources, self.selector.as_deref()).map_err(|(at, why)| match at {
            Some(at) => ExecutorError::invalid(&format!("/resources/{at}"), why),
            None => ExecutorError::invalid("/selector", why),
        })
    }

    /// Kubectl itself would do nothing, or not what is meant.
    fn check_prune(&self) -> Result<(), ExecutorError> {
        if self.force_conflicts && !self.server_side {
            let error = "only server-side apply knows of conflicts; leave it out";
            return Err(ExecutorError::invalid("/force_conflicts", error));
        }
        let Some(prune) = &self.prune else { return Ok(()) };
        prune.check("/prune")?;
        match prune {
            Prune::Applyset(_) if self.namespace.is_none() => {
                Err(ExecutorError::invalid("/namespace", "an apply set needs to know its namespace; name it"))
            }
            Prune::Applyset(_) if self.action == Action::Diff => Err(ExecutorError::invalid(
                "/prune/applyset",
                "kubectl does not show what an apply set would take away",
            )),
            Prune::Selector { .. } if self.server_side => {
                let error = "nothing that server-side apply made is found by labels; use an apply set, or set \
                             `server_side` to false";
                Err(ExecutorError::invalid("/prune/selector", error))
            }
            Prune::Applyset(_) | Prune::Selector { .. } => Ok(()),
        }
    }

    /// How long kubectl waits.
    ///
    /// # Errors
    /// If it is no time, or one that nobody means.
    pub fn timeout(&self) -> Result<Duration, ExecutorError> {
        self.timeout.as_ref().map_or(Ok(DEFAULT_TIMEOUT), |text| waiting_time("/timeout", text))
    }
}
