//! Vouches for jobs at clouds that trust the plane: short-lived tokens of OpenID Connect, so that nobody keeps a key.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rsa::{KeyPair, KeySize};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jsonwebtoken::jwk::{Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde::Serialize;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;
use wire::{Federation, IdentityInfo, Job, OidcTokenAnswer, Timestamp, paths};

use crate::access::Refusal;
use crate::error::PlaneError;

/// Long enough to be exchanged, short enough to be worth little.
const LIFE: Duration = Duration::from_secs(15 * 60);
/// Clocks differ.
const SKEW: Duration = Duration::from_secs(60);
/// Azure compares subjects as a whole, so one that names the job would match nothing.
const AZURE: &str = "api://AzureADTokenExchange";
const AWS: &str = "sts.amazonaws.com";

/// Who vouches. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Issuer(Arc<Shared>);

struct Shared {
    origin: String,
    key: EncodingKey,
    key_id: String,
    keys: JwkSet,
}

/// What a token says.
#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: String,
    aud: &'a str,
    iat: u64,
    nbf: u64,
    exp: u64,
    jti: String,
    org: &'a str,
    kind: &'a str,
    job_id: &'a str,
    attempt: u32,
    cloud_identity_id: Option<&'a str>,
}

impl Issuer {
    /// The issuer of a plane that the world knows under `origin`. Its key is in `file`; the first start makes it.
    ///
    /// # Errors
    /// If the address is not one that a cloud can ask, or the key cannot be read or made.
    pub(crate) fn open(origin: &Url, file: &Path) -> anyhow::Result<Self> {
        let is_local = origin.host_str().is_some_and(|host| matches!(host, "127.0.0.1" | "localhost" | "[::1]"));
        anyhow::ensure!(
            origin.scheme() == "https" || is_local,
            "the public address must be https: clouds ask nothing else for keys"
        );
        anyhow::ensure!(
            origin.path() == "/" && origin.query().is_none() && origin.username().is_empty(),
            "the public address is scheme, host and port alone, without path, query and user"
        );
        if !file.exists() {
            make_key(file).with_context(|| format!("cannot make the key {}", file.display()))?;
        }
        let pem = fs::read(file).with_context(|| format!("cannot read the key {}", file.display()))?;
        let wrong = || format!("{} holds no RSA key in PEM; restore it, or remove it for a new one", file.display());
        let key = EncodingKey::from_rsa_pem(&pem).with_context(wrong)?;
        let mut public = Jwk::from_encoding_key(&key, Algorithm::RS256).with_context(wrong)?;
        let key_id = hex::encode(&Sha256::digest(serde_json::to_vec(&public.algorithm)?)[..8]);
        public.common.key_id = Some(key_id.clone());
        public.common.public_key_use = Some(PublicKeyUse::Signature);
        let origin = origin.as_str().trim_end_matches('/').to_owned();
        Ok(Self(Arc::new(Shared { origin, key, key_id, keys: JwkSet { keys: vec![public] } })))
    }

    /// A token that says who a job is, for one audience.
    ///
    /// # Errors
    /// [`PlaneError::Invalid`] if the audience is none.
    pub(crate) fn vouch(&self, job: &Job, audience: &str) -> Result<OidcTokenAnswer, Refusal> {
        if audience.is_empty() || audience.len() > 255 || audience.chars().any(|c| c.is_control() || c.is_whitespace())
        {
            let error = "an audience has 1 to 255 characters and no white space, for example sts.amazonaws.com";
            return Err(PlaneError::invalid("/audience", error).into());
        }
        let now = Timestamp::now().as_micros().max(0).cast_unsigned() / 1_000_000;
        let expires = now + LIFE.as_secs();
        let claims = Claims {
            iss: &self.0.origin,
            sub: subject(job, audience),
            aud: audience,
            iat: now,
            nbf: now - SKEW.as_secs(),
            exp: expires,
            jti: uuid::Uuid::new_v4().to_string(),
            org: job.org_id.as_deref().unwrap_or_default(),
            kind: &job.job_type,
            job_id: job.id.as_str(),
            attempt: job.attempt,
            cloud_identity_id: job.cloud_identity_id.as_deref(),
        };
        let mut header = Header::new(Algorithm::RS256);
        header.kid = Some(self.0.key_id.clone());
        let token = jsonwebtoken::encode(&header, &claims, &self.0.key).map_err(|error| Refusal::internal(&error))?;
        let expires_at = Timestamp::from_micros((expires * 1_000_000).cast_signed());
        Ok(OidcTokenAnswer { token: Some(token), expires_at: Some(expires_at) })
    }

    /// What a provider has to be told to believe the tokens of an identity's jobs.
    pub(crate) fn federation(&self, org: &str, identity: &IdentityInfo) -> Federation {
        let (subject, audience) = match identity.provider.as_str() {
            "azure" => (subject_of_identity(org, &identity.id), Some(AZURE.to_owned())),
            "aws" => (format!("org:{org}:*"), Some(AWS.to_owned())),
            _ => (format!("org:{org}:*"), None),
        };
        Federation { issuer: self.0.origin.clone(), subject, audience }
    }

    /// What `/.well-known/openid-configuration` says.
    pub(crate) fn configuration(&self) -> Value {
        let origin = &self.0.origin;
        json!({
            "issuer": origin,
            "jwks_uri": format!("{origin}{}", paths::JWKS),
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "claims_supported": ["sub", "aud", "iss", "iat", "nbf", "exp", "jti", "org", "kind", "job_id", "attempt",
                                 "cloud_identity_id"],
        })
    }

    /// The keys to check tokens with.
    pub(crate) fn keys(&self) -> &JwkSet {
        &self.0.keys
    }
}

/// `org:acme:kind:DEPLOY:job:...`, so that a trust policy can end in a `*` after any of the three. For Azure, whose
/// subjects are compared as a whole, `org:acme:identity:...`.
fn subject(job: &Job, audience: &str) -> String {
    let org = job.org_id.as_deref().unwrap_or_default();
    if audience == AZURE {
        return subject_of_identity(org, job.cloud_identity_id.as_deref().unwrap_or("none"));
    }
    format!("org:{org}:kind:{}:job:{}", job.job_type, job.id)
}

fn subject_of_identity(org: &str, identity: &str) -> String {
    format!("org:{org}:identity:{identity}")
}

fn make_key(file: &Path) -> anyhow::Result<()> {
    let pair = KeyPair::generate(KeySize::Rsa2048)?;
    let der: Pkcs8V1Der<'_> = pair.as_der()?;
    let text = STANDARD.encode(der.as_ref());
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----", lines.join("\n"));
    Ok(crate::tokens::write_secret(file, &pem)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(origin: &str, file: &Path) -> anyhow::Result<Issuer> {
        Issuer::open(&origin.parse().unwrap(), file)
    }

    #[test]
    fn the_key_stays_the_same_and_a_damaged_one_is_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        let first = open("https://plane.example", &file).unwrap();
        assert_eq!(first.keys(), open("https://plane.example/", &file).unwrap().keys());
        assert_eq!(first.configuration()["issuer"], "https://plane.example");
        fs::write(&file, "rubbish").unwrap();
        assert!(open("https://plane.example", &file).is_err());
        assert_eq!(fs::read(&file).unwrap(), b"rubbish");
    }

    #[test]
    fn only_an_address_that_a_cloud_can_ask_is_public() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key.pem");
        for wrong in ["http://plane.example", "https://plane.example/x", "https://u@plane.example", "https://a.b/?c"] {
            assert!(open(wrong, &file).is_err(), "{wrong}");
        }
        assert!(open("http://127.0.0.1:7780", &file).is_ok(), "for trying it out");
    }
}
