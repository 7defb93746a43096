//! The payload of the `infracost` kind: what it may say, and what of it is refused.

use std::path::{Component, Path};

use executor_api::{ExecutorError, Job};
use job_source::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The payload of the `infracost` kind.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InfracostParams {
    /// What to do.
    pub action: Action,
    /// The stack to price. Missing where the job names a plan (`plan_job_id`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// The stack to compare with, for a diff of sources. A plan is compared with what it starts from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compare_to: Option<Source>,
    /// How much resources will be used, where their price depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// The currency by its ISO 4217 code, for example `EUR`; USD if missing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[A-Z]{3}$"))]
    pub currency: Option<String>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Say what it costs.
    Breakdown,
    /// Say how the costs change.
    Diff,
}

/// An infracost usage file. One of these.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Usage {
    /// A file of the source, for example `infracost-usage.yml`.
    Path(String),
    /// Its content: `version` and `resource_usage`, as infracost has them.
    Inline(Map<String, Value>),
}

impl InfracostParams {
    /// Checks what the schema cannot say. Nothing of this becomes an option of the program.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self, job: &Job) -> Result<(), ExecutorError> {
        let refuse = |pointer: &str, why: &str| Err(ExecutorError::invalid(pointer, why));
        match (&job.plan_job_id, &self.source) {
            (Some(_), Some(_)) => return refuse("/source", "the job names a plan; leave this or plan_job_id out"),
            (None, None) => return refuse("/source", "say what to price: give a source, or the job of a plan"),
            (Some(_), None) if self.compare_to.is_some() => {
                return refuse("/compare_to", "a plan is compared with what it starts from; leave this out");
            }
            (None, Some(source)) => source.check("/source")?,
            (Some(_), None) => {}
        }
        match (self.action, &self.compare_to) {
            (Action::Breakdown, Some(_)) => {
                return refuse("/compare_to", "this is for a diff; leave it out, or say diff");
            }
            (Action::Diff, None) if self.source.is_some() => {
                return refuse("/compare_to", "say what to compare the source with, or price a plan");
            }
            (_, Some(base)) => base.check("/compare_to")?,
            (_, None) => {}
        }
        if self.currency.as_ref().is_some_and(|code| code.len() != 3 || !code.bytes().all(|b| b.is_ascii_uppercase())) {
            return refuse("/currency", "give the three capital letters of ISO 4217, for example EUR");
        }
        match &self.usage {
            Some(Usage::Path(_)) if self.source.is_none() => {
                refuse("/usage/path", "there is no source that this could be a file of; give it inline")
            }
            Some(Usage::Path(path)) if !is_plain(path) => {
                refuse("/usage/path", "give a file of the source by its relative path, for example infracost-usage.yml")
            }
            _ => Ok(()),
        }
    }
}

/// A path that stays inside, and that nobody can take for an option or two lines.
fn is_plain(path: &str) -> bool {
    let parts = Path::new(path).components().all(|part| matches!(part, Component::Normal(_)));
    (1..=1024).contains(&path.len()) && parts && !path.starts_with('-') && !path.chars().any(char::is_control)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(payload: &Value, plan: Option<&str>) -> String {
        let params: InfracostParams = serde_json::from_value(payload.clone()).unwrap();
        let job = json!({ "id": "j", "job_type": "infracost", "config_snapshot": payload, "status": "CLAIMED",
                          "plan_job_id": plan });
        let checked = params.check(&serde_json::from_value(job).unwrap());
        checked.err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn a_job_prices_one_thing() {
        let files = json!({ "files": { "main.tf": "" } });
        for (payload, plan, expected) in [
            (json!({ "action": "breakdown" }), None, "/source: say what to price"),
            (json!({ "action": "breakdown", "source": files }), Some("p"), "/source: the job names a plan"),
            (json!({ "action": "diff", "source": files }), None, "/compare_to: say what"),
            (json!({ "action": "breakdown", "source": files, "compare_to": files }), None, "/compare_to: this is for"),
            (json!({ "action": "diff", "compare_to": files }), Some("p"), "/compare_to: a plan is compared"),
            (json!({ "action": "breakdown", "source": { "archive": "x" } }), None, "/source/archive: "),
            (
                json!({ "action": "diff", "source": files, "compare_to": { "archive": "x" } }),
                None,
                "/compare_to/archive",
            ),
            (json!({ "action": "breakdown", "usage": { "path": "u.yml" } }), Some("p"), "/usage/path: there is no"),
        ] {
            let text = refusal(&payload, plan);
            assert!(text.starts_with(expected), "{payload}: {text}");
        }
        for (payload, plan) in [
            (json!({ "action": "breakdown" }), Some("p")),
            (json!({ "action": "diff", "usage": { "inline": {} }, "currency": "EUR" }), Some("p")),
            (json!({ "action": "diff", "source": files, "compare_to": files, "usage": { "path": "a/u.yml" } }), None),
        ] {
            assert_eq!(refusal(&payload, plan), "", "{payload}");
        }
    }

    #[test]
    fn no_text_becomes_an_option_or_leaves_the_source() {
        let long = "x".repeat(100 * 1024);
        let hostile =
            ["", "-x", "--usage-file=x", "a\nb", "a\0b", "../x", "/etc/passwd", "a/../../x", "./-x/..", &long];
        for path in hostile {
            let payload = json!({ "action": "breakdown", "source": { "files": { "main.tf": "" } },
                                  "usage": { "path": path } });
            assert!(refusal(&payload, None).starts_with("/usage/path: give a file"), "{path:?}");
        }
        for code in hostile.into_iter().chain(["eur", "EURO", "E R", "$()", "{x}", "@a", "ÄÖ"]) {
            let payload = json!({ "action": "breakdown", "currency": code });
            assert!(refusal(&payload, Some("p")).starts_with("/currency: give the three"), "{code:?}");
        }
    }
}
