//! What an environment costs a month, and the ceiling that a DEPLOY stops at.

use executor_api::{Artifact, ArtifactBody, ExecutorError, JobContext};
use executor_infracost::{CostError, Estimate, Infracost};
use executor_terraform::{Planned, SavedPlan};
use rust_decimal::Decimal;
use serde_json::{Map, Value, json};

/// Infracost's whole document.
const DOCUMENT: &str = "infracost.json";

/// What an environment costs a month, or why nobody knows.
pub(crate) struct Cost {
    monthly: Result<Amount, String>,
    /// For the job's metadata.
    pub(crate) told: Map<String, Value>,
}

struct Amount {
    digits: Decimal,
    currency: String,
}

impl Cost {
    /// Asks for the cost of a plan. A plan can do without: why there is none is a warning.
    ///
    /// # Errors
    /// If the job is to stop, or an artifact cannot be kept.
    pub(crate) async fn estimate(job: &JobContext, planned: &Planned) -> Result<Self, ExecutorError> {
        let estimate = match price(job, planned).await {
            Ok(estimate) => estimate,
            Err(error) => {
                let warning = job.log().masked(&error.into_warning()?);
                job.log().system(&warning);
                let told = Map::from_iter([("cost_warning".to_owned(), json!(warning))]);
                return Ok(Self { monthly: Err(warning), told });
            }
        };
        let body = ArtifactBody::File(estimate.document.clone());
        let media_type = "application/json".to_owned();
        job.artifact(Artifact { name: DOCUMENT.to_owned(), media_type, body }).await?;
        Ok(Self::of_estimate(job, &estimate))
    }

    fn of_estimate(job: &JobContext, estimate: &Estimate) -> Self {
        let summary = estimate.summary();
        for warning in &estimate.warnings {
            job.log().system(format!("warning: {}", warning.escape_debug()));
        }
        let cost = Self::of_summary(&summary);
        match &cost.monthly {
            Ok(amount) => job.log().system(format!("costs {amount} a month")),
            Err(why) => job.log().system(why),
        }
        let breakdown = json!({
            "summary": summary,
            "resources": estimate.shown_resources(),
            "resource_changes": estimate.shown_changes(),
            "warnings": estimate.warnings,
            "file_key": format!("{}/{DOCUMENT}", job.job().id),
        });
        let told = [("cost_summary".to_owned(), summary), ("cost_breakdown".to_owned(), breakdown)];
        Self { told: told.into_iter().collect(), ..cost }
    }

    /// What was estimated when a plan was made; none if nothing was.
    pub(crate) fn of_plan(saved: &SavedPlan) -> Option<Self> {
        Some(Self::of_summary(saved.metadata("cost_summary")?)).filter(|cost| cost.monthly.is_ok())
    }

    fn of_summary(summary: &Value) -> Self {
        let digits = summary["total_monthly"].as_str().and_then(|digits| digits.parse().ok());
        let currency = summary["currency"].as_str().unwrap_or("USD").escape_debug().to_string();
        let unknown = || "no cost estimate: infracost gave no monthly total".to_owned();
        let monthly = digits.map(|digits| Amount { digits, currency }).ok_or_else(unknown);
        Self { monthly, told: Map::new() }
    }

    /// Refuses what is dearer than the ceiling, and what nobody knows the cost of where there is one.
    pub(crate) fn check(&self, ceiling: Option<Decimal>) -> Result<(), ExecutorError> {
        let Some(ceiling) = ceiling else { return Ok(()) };
        let refuse = |why: String| Err(ExecutorError::invalid("/cost_ceiling_monthly", why));
        match &self.monthly {
            Ok(amount) if amount.digits <= ceiling => Ok(()),
            Ok(amount) => refuse(format!(
                "the environment would cost {amount} a month, and the ceiling is {ceiling}; nothing was changed: make \
                 it smaller, or raise the ceiling"
            )),
            Err(why) => refuse(format!(
                "the ceiling is {ceiling} a month, and nobody knows the cost ({why}); nothing was changed: see to the \
                 estimate, or take the ceiling out"
            )),
        }
    }
}

impl std::fmt::Display for Amount {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.digits, self.currency)
    }
}

async fn price(job: &JobContext, planned: &Planned) -> Result<Estimate, CostError> {
    let infracost = Infracost::find(job)?;
    // Without its secrets: whoever reads it sends parts of it away.
    let file = job.paths().temp.join("plan-to-price.json");
    let written = std::fs::write(&file, planned.redacted().to_string());
    written.map_err(ExecutorError::io("cannot write the plan for infracost"))?;
    infracost.breakdown(&infracost.plan_file(&file)?).await
}
