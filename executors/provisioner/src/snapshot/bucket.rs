//! Buckets of an environment.

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::{Field, Given};
use super::naming::{self, Thing};
use super::place::Provider;
use super::words;

const MOST: usize = 100;
const MOST_ORIGINS: usize = 20;

/// A bucket.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StorageBucket {
    /// Unique in the environment.
    pub name: String,
    /// Old versions are kept.
    pub versioning: bool,
    /// Encrypted where it lies: always, whatever the snapshot says.
    pub encryption_enabled: bool,
    /// Everybody may read it.
    pub public_access: bool,
    /// Who may use it from a browser.
    pub cors_origins: Vec<String>,
    /// AWS only.
    pub encryption_algorithm: Option<EncryptionAlgorithm>,
    /// AWS only.
    pub kms_key: Option<String>,
}

/// How a bucket is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum EncryptionAlgorithm {
    /// With a key of the bucket's own service.
    #[serde(rename = "AES256")]
    Aes256,
    /// With a key of KMS.
    #[serde(rename = "aws:kms")]
    Kms,
}

impl Given for EncryptionAlgorithm {}

/// A bucket, as a payload says it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct BucketParams {
    /// Unique in the environment. Required.
    pub name: Option<String>,
    /// Keep old versions; false if missing.
    pub versioning: Option<bool>,
    /// Buckets are encrypted, whatever this says.
    pub encryption_enabled: Option<bool>,
    /// Everybody may read it; false if missing.
    pub public_access: Option<bool>,
    /// Who may use it from a browser.
    #[schemars(length(max = 20))]
    pub cors_origins: Option<Vec<String>>,
    /// What only some clouds have.
    pub provider_config: Option<BucketProviderParams>,
}

/// What of a bucket only some clouds have.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct BucketProviderParams {
    /// AWS: how it is encrypted.
    pub encryption_algorithm: Option<EncryptionAlgorithm>,
    /// AWS: with which key; one of its own if missing.
    pub kms_key: Option<String>,
}

pub(super) fn read(params: Option<Vec<BucketParams>>, provider: Provider) -> Result<Vec<StorageBucket>, ExecutorError> {
    let read = |at: &str, params| read_one(at, params, provider);
    let buckets = Field::at("/storage_buckets", params).at_most(MOST)?.each(read)?;
    naming::refuse_twins(naming::places("/storage_buckets", &buckets, |bucket| &bucket.name))?;
    Ok(buckets)
}

fn read_one(at: &str, params: BucketParams, provider: Provider) -> Result<StorageBucket, ExecutorError> {
    let config = params.provider_config.unwrap_or_default();
    let algorithm = Field::at(format!("{at}/provider_config/encryption_algorithm"), config.encryption_algorithm);
    let kms_key = Field::at(format!("{at}/provider_config/kms_key"), config.kms_key);
    let kms_key = kms_key.text(|text| words::word(text, 256, ":/_-"))?;
    if kms_key.get().is_some() && algorithm.get() == Some(&EncryptionAlgorithm::Aes256) {
        return Err(algorithm.refuse("is not aws:kms, which kms_key needs; give one of the two"));
    }
    let algorithm = algorithm.optional().or(kms_key.get().map(|_| EncryptionAlgorithm::Kms));
    let origins = Field::at(format!("{at}/cors_origins"), params.cors_origins).at_most(MOST_ORIGINS)?;
    Ok(StorageBucket {
        name: naming::name(Thing::Bucket, provider, at, params.name)?,
        versioning: params.versioning.unwrap_or(false),
        encryption_enabled: true,
        public_access: params.public_access.unwrap_or(false),
        cors_origins: origins.texts(words::origin)?,
        encryption_algorithm: algorithm,
        kms_key: kms_key.optional(),
    })
}
