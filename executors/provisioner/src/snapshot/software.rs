//! What is installed into the cluster, and what a DEPLOY may cost: nothing of it is terraform's.

use std::collections::BTreeMap;

use executor_api::{ExecutorError, pointer_to};
use executor_argocd::Manifest;
use rust_decimal::Decimal;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::field::Field;
use super::flat::FlatParams;
use super::hidden::Hidden;
use super::params::NestedParams;
use super::read::typed;
use super::words;
use crate::after_apply::{ApplicationsOptions, ArgoCdOptions};

const MOST_MIRRORS: usize = 50;

/// What is installed into the cluster: all that a payload says of it whoever the job is.
pub struct Software {
    /// How Argo CD comes there.
    pub argocd: ArgoCdOptions,
    /// What Argo CD brings there.
    pub applications: ApplicationsOptions,
    /// The git repository with the applications of the environment's owner.
    pub apps_destination_repo: Option<String>,
    /// The token for that repository, where the payload brings one.
    pub git_access_token: Option<Hidden>,
}

impl Software {
    /// Reads it alone, where nobody knows yet who the job is.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn read(payload: &Value) -> Result<Self, ExecutorError> {
        Self::of(&mut typed(payload)?, &typed(payload)?)
    }

    pub(super) fn of(nested: &mut NestedParams, flat: &FlatParams) -> Result<Self, ExecutorError> {
        let repository = nested.repositories.take().and_then(|repositories| repositories.apps_destination_repo);
        let repository = Field::at("/repositories/apps_destination_repo", repository)
            .or_at("/apps_destination_repo", flat.apps_destination_repo.clone())?
            .text(words::repository)?;
        Ok(Self {
            argocd: read_argocd(nested.argocd.take().unwrap_or_default())?,
            applications: read_applications(nested.applications.take().unwrap_or_default())?,
            apps_destination_repo: repository.optional(),
            git_access_token: Hidden::new(nested.git_access_token.take()),
        })
    }
}

/// Argo CD, as a payload says it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct ArgocdParams {
    /// Install it; true if missing.
    pub enabled: Option<bool>,
    /// Another chart than Argo's own. Either this or `manifest`.
    pub chart: Option<ArgocdChartParams>,
    /// A manifest instead of a chart.
    pub manifest: Option<Manifest>,
    /// Hand over the first password of `admin`, as a secret artifact; true if missing.
    pub keep_password: Option<bool>,
}

/// A chart of Argo CD.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct ArgocdChartParams {
    /// Its repository; Argo's own if missing.
    pub repository: Option<String>,
    /// Its version; the tested one if missing.
    pub version: Option<String>,
}

/// The applications, as a payload says them.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct ApplicationsParams {
    /// Install them; true if missing.
    pub enabled: Option<bool>,
    /// A mirror for the address of a chart repository.
    pub repositories: Option<BTreeMap<String, String>>,
    /// How long they may take to be healthy; `15m` if missing.
    pub deadline: Option<String>,
}

/// An amount of money: exact as text, and as a number where that is exact enough.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(untagged, expecting = "give an amount a month, for example 250.00")]
pub enum Money {
    /// For example `"250.00"`.
    Text(String),
    /// For example `250`.
    Number(serde_json::Number),
}

fn read_argocd(params: ArgocdParams) -> Result<ArgoCdOptions, ExecutorError> {
    let chart = params.chart.unwrap_or_default();
    let repository = Field::at("/argocd/chart/repository", chart.repository).text(words::chart_repository)?;
    let version = Field::at("/argocd/chart/version", chart.version).text(|text| words::word(text, 64, ".-+"))?;
    if params.manifest.is_some() && (repository.get().is_some() || version.get().is_some()) {
        let why = "cannot be together with /argocd/chart; give one of the two";
        return Err(ExecutorError::invalid("/argocd/manifest", why));
    }
    Ok(ArgoCdOptions {
        enabled: params.enabled.unwrap_or(true),
        chart_repository: repository.optional(),
        chart_version: version.optional(),
        manifest: params.manifest,
        keep_password: params.keep_password.unwrap_or(true),
    })
}

fn read_applications(params: ApplicationsParams) -> Result<ApplicationsOptions, ExecutorError> {
    let repositories = params.repositories.unwrap_or_default();
    if repositories.len() > MOST_MIRRORS {
        return Err(ExecutorError::invalid("/applications/repositories", format!("give at most {MOST_MIRRORS}")));
    }
    for (from, to) in &repositories {
        let at = pointer_to("/applications/repositories", from);
        for url in [from, to] {
            words::chart_repository(url).map_err(|why| ExecutorError::invalid(&at, why))?;
        }
    }
    let deadline = Field::at("/applications/deadline", params.deadline).text(words::duration)?;
    Ok(ApplicationsOptions {
        enabled: params.enabled.unwrap_or(true),
        repositories,
        deadline: deadline.or(ApplicationsOptions::default().deadline),
    })
}

/// A decimal that is not negative.
pub(super) fn read_ceiling(params: Option<Money>) -> Result<Option<Decimal>, ExecutorError> {
    let text = match params {
        Some(Money::Text(text)) => text,
        Some(Money::Number(number)) => number.to_string(),
        None => return Ok(None),
    };
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = text.parse::<Decimal>().or_else(|_| Decimal::from_scientific(&text)).ok();
    let refused = || ExecutorError::invalid("/cost_ceiling_monthly", "give an amount a month, for example 250.00");
    parsed.filter(|amount| !amount.is_sign_negative()).map(Some).ok_or_else(refused)
}
