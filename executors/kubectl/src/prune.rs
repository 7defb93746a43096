//! What of a cluster is taken away because the manifests no longer have it.

use executor_api::{Command, ExecutorError, is_subdomain};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::names::is_selector;

/// How objects that an earlier apply made, and that the manifests no longer have, are found to be taken away. Exactly
/// one of these.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Prune {
    /// By an apply set of this name: a Secret in the job's namespace that remembers what belongs to it. An object of
    /// another set changes over to this one.
    Applyset(String),
    /// By labels, among the kinds that are listed. Only what client-side apply made is found, and only manifests with
    /// these labels are applied.
    Selector {
        /// For example `app=web`.
        labels: String,
        /// Each as `group/version/Kind`, for example `core/v1/ConfigMap`.
        #[schemars(length(min = 1, max = 100))]
        kinds: Vec<String>,
    },
}

impl Prune {
    /// `pointer` is its place in the payload.
    pub(crate) fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        let wrong = |place: &str, why: &str| Err(ExecutorError::invalid(&format!("{pointer}{place}"), why));
        match self {
            Self::Applyset(name) if !is_subdomain(name) => {
                wrong("/applyset", "give the name of an object: lower-case letters, digits, '-' and '.'")
            }
            Self::Selector { labels, .. } if !is_selector(labels) => {
                wrong("/selector/labels", "give a selector of labels, for example `app=web`")
            }
            Self::Selector { kinds, .. } if kinds.is_empty() || kinds.len() > 100 => wrong(
                "/selector/kinds",
                "say which kinds may be taken away: left alone kubectl would take Namespaces too",
            ),
            Self::Selector { kinds, .. } => match kinds.iter().position(|kind| !is_full_kind(kind)) {
                Some(at) => wrong(
                    &format!("/selector/kinds/{at}"),
                    "give `group/version/Kind`, for example `apps/v1/Deployment` or `core/v1/ConfigMap`",
                ),
                None => Ok(()),
            },
            Self::Applyset(_) => Ok(()),
        }
    }

    pub(crate) fn add_to(&self, command: Command) -> Command {
        match self {
            // Without the variable kubectl does not know the option: it calls it alpha.
            Self::Applyset(name) => {
                command.env("KUBECTL_APPLYSET", "true").arg("--prune").arg(format!("--applyset={name}"))
            }
            Self::Selector { labels, kinds } => command
                .arg("--prune")
                .arg(format!("--selector={labels}"))
                .args(kinds.iter().map(|kind| format!("--prune-allowlist={kind}"))),
        }
    }
}

fn is_full_kind(text: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'.' || b == b'-';
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(inside) && !part.starts_with('-');
    text.len() <= 512 && text.split('/').count() == 3 && text.split('/').all(is_part)
}
