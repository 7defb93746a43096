//! Which environment this is, and where: project, stage, region, cloud, account.

use executor_api::{CloudIdentity, ExecutorError};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::{Field, Given};
use super::flat::FlatParams;
use super::words;

/// Which cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Provider {
    /// Amazon Web Services.
    Aws,
    /// Google Cloud.
    Gcp,
    /// Microsoft Azure.
    Azure,
}

impl Provider {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "aws",
            Self::Gcp => "gcp",
            Self::Azure => "azure",
        }
    }
}

/// What an environment is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// `development`
    Development,
    /// `staging`
    Staging,
    /// `production`
    Production,
}

impl Stage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Development, Self::Staging, Self::Production];

    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Development => "development",
            Self::Staging => "staging",
            Self::Production => "production",
        }
    }
}

impl Given for Provider {}
impl Given for Stage {}

/// Which environment.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
pub struct PlaceParams {
    /// Groups environments; `default` if missing. Letters, digits, `.`, `_`, `-`.
    #[schemars(length(max = 48))]
    pub zone_id: Option<String>,
    /// The name of the project. Required.
    #[schemars(length(max = 25), regex(pattern = "^[a-z0-9][a-z0-9-]*$"))]
    pub project_name: Option<String>,
    /// What the environment is for. Required.
    pub environment_stage: Option<Stage>,
    /// For example `eu-central-1`, `europe-west1` or `westeurope`. Required.
    pub region: Option<String>,
    /// Which cloud; that of the job's identity, or `aws`, if missing.
    pub provider: Option<Provider>,
}

/// Which environment, read.
pub(super) struct Place {
    pub(super) zone_id: String,
    pub(super) project_name: String,
    pub(super) environment_stage: Stage,
    pub(super) region: String,
    pub(super) provider: Provider,
    pub(super) account_id: String,
}

impl Place {
    pub(super) fn read(
        params: PlaceParams,
        flat: &FlatParams,
        identity: Option<&CloudIdentity>,
    ) -> Result<Self, ExecutorError> {
        let zone_id = Field::at("/zone_id", params.zone_id).text(words::zone_id)?.or("default".to_owned());
        let project_name = Field::at("/project_name", params.project_name).text(words::project_name)?;
        let project_name = project_name.required("give the project's name, for example shop")?;
        let stage = Field::at("/environment_stage", params.environment_stage);
        let environment_stage = stage.required("say development, staging or production")?;
        let provider = provider(params.provider, flat, identity)?;
        let region = Field::at("/region", params.region).text(|text| region(text, provider))?;
        let region = region.required(&format!("give one of the provider's, for example {}", example_of(provider)))?;
        let account_id = account(provider, flat, identity)?;
        Ok(Self { zone_id, project_name, environment_stage, region, provider, account_id })
    }
}

/// The identity's, else what the snapshot says, else AWS.
fn provider(
    nested: Option<Provider>,
    flat: &FlatParams,
    identity: Option<&CloudIdentity>,
) -> Result<Provider, ExecutorError> {
    let said = Field::at("/provider", nested).or_at("/cloud_provider", flat.cloud_provider)?;
    let Some(identity) = identity.filter(|identity| !identity.provider.is_empty()) else {
        return Ok(said.or(Provider::Aws));
    };
    let known = [Provider::Aws, Provider::Gcp, Provider::Azure];
    let of_identity = known.into_iter().find(|provider| provider.as_str() == identity.provider);
    let unknown = || {
        let why =
            format!("no environment can be made at {:?}; use an identity of aws, gcp or azure", identity.provider);
        ExecutorError::invalid("/cloud_identity/provider", why)
    };
    let of_identity = of_identity.ok_or_else(unknown)?;
    match said.get() {
        Some(said_provider) if *said_provider != of_identity => Err(said.refuse(format!(
            "is not the provider of the job's cloud identity, which is {}; leave it out, or use another identity",
            of_identity.as_str()
        ))),
        _ => Ok(of_identity),
    }
}

fn example_of(provider: Provider) -> &'static str {
    match provider {
        Provider::Aws => "eu-central-1",
        Provider::Gcp => "europe-west1",
        Provider::Azure => "westeurope",
    }
}

/// The three clouds' regions never look alike, so that a state's key need not name the cloud.
fn region(text: &str, provider: Provider) -> Result<String, String> {
    let letters = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - letters.len();
    let words: Vec<_> = letters.split('-').collect();
    let (last, first) = words.split_last().unwrap_or((&"", &[]));
    let is_word = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_lowercase());
    let fits = match provider {
        Provider::Aws => first.len() >= 2 && first.iter().all(|word| is_word(word)) && last.is_empty() && digits > 0,
        Provider::Gcp => first.len() == 1 && is_word(first[0]) && is_word(last) && digits > 0,
        Provider::Azure => first.is_empty() && is_word(last),
    };
    if !fits || digits > 2 || text.len() > 28 {
        return Err(format!("give a region as {} spells it, for example {}", provider.as_str(), example_of(provider)));
    }
    if let Some(stage) = Stage::ALL.into_iter().find(|stage| words.contains(&stage.as_str())) {
        let stage = stage.as_str();
        return Err(format!("holds the word {stage:?}: two environments could share a state; give another region"));
    }
    Ok(text.to_owned())
}

/// Account, project or subscription: the identity's, and the snapshot may repeat it.
fn account(provider: Provider, flat: &FlatParams, identity: Option<&CloudIdentity>) -> Result<String, ExecutorError> {
    let said = Field::at("/cloud_account_id", flat.cloud_account_id.clone()).text(|id| account_id(id, provider))?;
    let of_identity = identity.map(|identity| account_of(identity, provider)).filter(|id| !id.is_empty());
    match (of_identity, said.get()) {
        (Some(id), Some(other)) if id != *other => Err(said.refuse(format!(
            "is not the account of the job's cloud identity, which is {id}; leave it out, or use another identity"
        ))),
        (Some(id), _) => account_id(&id, provider).map_err(|why| ExecutorError::invalid("/cloud_identity", why)),
        // At AWS whoever signs a request is in an account; elsewhere requests have to name it.
        (None, _) if provider == Provider::Aws => Ok(said.or(String::new())),
        (None, _) => said.required("give the project or subscription, or use an identity that names it"),
    }
}

fn account_of(identity: &CloudIdentity, provider: Provider) -> String {
    match provider {
        Provider::Aws if identity.account_id.is_empty() => {
            identity.role_arn.split(':').nth(4).unwrap_or_default().to_owned()
        }
        Provider::Aws => identity.account_id.clone(),
        Provider::Gcp if identity.project_id.is_empty() => {
            let domain = identity.service_account_email.split_once('@').map(|(_, domain)| domain);
            let project = domain.and_then(|domain| domain.strip_suffix(".iam.gserviceaccount.com"));
            project.unwrap_or_default().to_owned()
        }
        Provider::Gcp => identity.project_id.clone(),
        Provider::Azure => identity.subscription_id.clone(),
    }
}

fn account_id(text: &str, provider: Provider) -> Result<String, String> {
    match provider {
        Provider::Aws if text.len() == 12 => words::spelled(text, 12, |c| c.is_ascii_digit(), "12 digits"),
        Provider::Aws => Err("give an AWS account: 12 digits".to_owned()),
        Provider::Gcp => {
            // The oldest ones begin with a domain: `example.com:shop`.
            let id = text.rsplit_once(':').map_or(text, |(_, id)| id);
            let is_allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '.' | ':');
            let ends = id.starts_with(|c: char| c.is_ascii_lowercase()) && !id.ends_with('-');
            let fits = ends && (6..=30).contains(&id.len()) && text.len() <= 80 && text.chars().all(is_allowed);
            if fits {
                Ok(text.to_owned())
            } else {
                Err("give a GCP project's id, for example shop-staging-1".to_owned())
            }
        }
        Provider::Azure => {
            let why = "give an Azure subscription's id, for example 00000000-0000-0000-0000-000000000000";
            if words::is_uuid(text) { Ok(text.to_owned()) } else { Err(why.to_owned()) }
        }
    }
}
