//! The shape of infracost's document, and whether it is one of a run that priced something.

use executor_api::ExecutorError;
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::cost_error::CostError;

/// How much of a text of the stack's author or of infracost is kept.
const MOST_CHARS: usize = 256;

/// The parts of the document that we read (infracost 0.10, format 0.2).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Document {
    pub(crate) currency: String,
    pub(crate) projects: Vec<Project>,
    pub(crate) total_monthly_cost: Option<Box<RawValue>>,
    pub(crate) total_hourly_cost: Option<Box<RawValue>>,
    pub(crate) diff_total_monthly_cost: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) summary: Option<Summary>,
}

#[derive(Deserialize)]
pub(crate) struct Project {
    #[serde(default)]
    pub(crate) metadata: ProjectMetadata,
    #[serde(default)]
    pub(crate) breakdown: Option<Breakdown>,
    #[serde(default)]
    pub(crate) diff: Option<Breakdown>,
}

#[derive(Default, Deserialize)]
pub(crate) struct ProjectMetadata {
    #[serde(default, rename = "type")]
    pub(crate) kind: String,
    #[serde(default)]
    pub(crate) errors: Vec<ProjectError>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProjectError {
    #[serde(default)]
    pub(crate) message: String,
    #[serde(default)]
    pub(crate) is_error: bool,
}

#[derive(Default, Deserialize)]
pub(crate) struct Breakdown {
    #[serde(default)]
    pub(crate) resources: Vec<Resource>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Resource {
    pub(crate) name: String,
    #[serde(default)]
    pub(crate) resource_type: String,
    #[serde(default)]
    pub(crate) monthly_cost: Option<Box<RawValue>>,
    #[serde(default)]
    pub(crate) hourly_cost: Option<Box<RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Summary {
    pub(crate) total_no_price_resources: u64,
    pub(crate) total_unsupported_resources: u64,
}

impl Document {
    /// Infracost ends with 0 also where it could price nothing. The warnings that are left, if it could.
    pub(crate) fn judge(&self) -> Result<Vec<String>, CostError> {
        let mut warnings = Vec::new();
        for project in &self.projects {
            let failed = project.metadata.kind == "error";
            for error in &project.metadata.errors {
                let message = shortened(&error.message);
                if let Some(of_the_service) = CostError::of_message(&message) {
                    return Err(of_the_service);
                }
                if failed || error.is_error {
                    return Err(ExecutorError::Other(format!("infracost could not price it: {message}")).into());
                }
                warnings.push(message);
            }
            if failed {
                return Err(
                    ExecutorError::Other("infracost could not price it, and does not say why".to_owned()).into()
                );
            }
        }
        Ok(warnings)
    }
}

pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(MOST_CHARS).collect()
}
