//! What helm prints as JSON, as far as it is read here. Seen with helm 3.22.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::Value;

/// Where a revision of a release stands, in helm's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// It is what runs.
    Deployed,
    /// It did not come to be.
    Failed,
    /// It was what ran.
    Superseded,
    /// It was taken away; its history was kept.
    Uninstalled,
    /// It is being taken away, or that was cut off.
    Uninstalling,
    /// A first install goes on, or was cut off.
    PendingInstall,
    /// An upgrade goes on, or was cut off.
    PendingUpgrade,
    /// A rollback goes on, or was cut off.
    PendingRollback,
    /// There is no such release. Ours, not helm's.
    Absent,
    /// Anything else.
    #[serde(other)]
    Unknown,
}

impl Status {
    /// Helm does nothing more with a release whose last revision is in one of these.
    #[must_use]
    pub fn is_pending(self) -> bool {
        matches!(self, Self::PendingInstall | Self::PendingUpgrade | Self::PendingRollback)
    }

    /// It runs or ran once: something to go back to.
    pub(crate) fn was_deployed(self) -> bool {
        matches!(self, Self::Deployed | Self::Superseded)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.serialize(f)
    }
}

/// One line of `helm list`: the last revision.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Listed {
    pub(crate) name: String,
    #[serde(deserialize_with = "number")]
    pub(crate) revision: u32,
    pub(crate) status: Status,
    pub(crate) updated: String,
}

/// One revision in `helm history`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Revision {
    pub(crate) revision: u32,
    pub(crate) status: Status,
}

/// A release, as `status` and a dry run print it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Document {
    pub(crate) version: u32,
    pub(crate) info: Info,
    pub(crate) manifest: String,
    pub(crate) hooks: Vec<Hook>,
}

/// How a release is.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Info {
    pub(crate) last_deployed: String,
    pub(crate) description: String,
    pub(crate) notes: String,
    pub(crate) status: Option<Status>,
    /// By version and kind; those that end in `(related)` are pods of the others.
    pub(crate) resources: BTreeMap<String, Vec<Value>>,
}

/// Something that runs beside a release.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Hook {
    pub(crate) name: String,
    pub(crate) path: String,
    pub(crate) manifest: String,
    pub(crate) events: Vec<String>,
    pub(crate) last_run: LastRun,
}

/// When a hook last ran.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct LastRun {
    pub(crate) started_at: String,
    pub(crate) completed_at: String,
    pub(crate) phase: String,
}

/// What `get metadata` says.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Metadata {
    pub(crate) chart: String,
    pub(crate) version: String,
    pub(crate) app_version: String,
}

/// `list` writes numbers as text.
fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u32, D::Error> {
    match Value::deserialize(deserializer)? {
        Value::String(text) => text.parse().map_err(de::Error::custom),
        value => u32::deserialize(value).map_err(de::Error::custom),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn statuses_are_helms_words() {
        for word in ["deployed", "pending-install", "pending-upgrade", "pending-rollback", "uninstalling"] {
            let status: Status = serde_json::from_value(json!(word)).unwrap();
            assert_eq!(status.to_string(), word);
            assert_eq!(status.is_pending(), word.starts_with("pending"));
        }
        assert_eq!(serde_json::from_value::<Status>(json!("new-word")).unwrap(), Status::Unknown);
    }

    #[test]
    fn a_list_has_its_revision_as_text() {
        let listed: Vec<Listed> = serde_json::from_value(json!([{ "name": "web", "namespace": "x", "revision": "12",
            "updated": "2026-11-24 15:04:05.1 +0000 UTC", "status": "failed", "chart": "web-1", "app_version": "" }]))
        .unwrap();
        assert_eq!((listed[0].revision, listed[0].status), (12, Status::Failed));
    }
}
