//! Secrets: kept encrypted, and those of payloads apart, given to nobody but the runner that claims the job.
//!
//! Which fields are secrets the kind's schema says (`writeOnly`). Where a job is shown, [`wire::HIDDEN`] stands in
//! their place.

use std::sync::Arc;

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value};
use wire::{HIDDEN, Job, secret_places};

use crate::error::PlaneError;
use crate::tokens::Deriver;

/// Seals and opens. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Vault(Arc<RandomizedNonceKey>);

impl Vault {
    /// The vault of a plane: its key comes from the plane's one secret.
    ///
    /// # Errors
    /// If the cipher cannot be had.
    pub(crate) fn new(deriver: &Deriver) -> Result<Self, VaultError> {
        let key = RandomizedNonceKey::new(&AES_256_GCM, &deriver.key("vault")).map_err(|_| VaultError)?;
        Ok(Self(Arc::new(key)))
    }

    /// Takes the secrets out of a job's payload. What is returned is bound to the job: it opens for no other.
    ///
    /// # Errors
    /// [`PlaneError::Invalid`] if a secret is the placeholder of one.
    pub(crate) fn hide(&self, job: &mut Job, schema: &Value) -> Result<Option<String>, PlaneError> {
        let mut secrets = Map::new();
        for place in secret_places(schema, &job.config_snapshot) {
            let Some(value) = job.config_snapshot.pointer_mut(&place.pointer) else { continue };
            if *value == HIDDEN {
                let error = format!("{HIDDEN} stands for a secret that is not shown; give the secret itself");
                return Err(PlaneError::invalid(&format!("/config_snapshot{}", place.pointer), error));
            }
            secrets.insert(place.pointer, std::mem::replace(value, HIDDEN.into()));
        }
        if secrets.is_empty() {
            return Ok(None);
        }
        Ok(Some(self.seal(job.id.as_str(), Value::Object(secrets).to_string().into_bytes())?))
    }

    /// Puts the secrets back.
    ///
    /// # Errors
    /// If they are not this job's, or the plane's secret is not the one that they were sealed with.
    pub(crate) fn reveal(&self, job: &mut Job, sealed: &str) -> Result<(), PlaneError> {
        let opened = self.open(job.id.as_str(), sealed)?;
        let secrets: Map<String, Value> = serde_json::from_slice(&opened).map_err(|_| VaultError)?;
        for (pointer, value) in secrets {
            if let Some(place) = job.config_snapshot.pointer_mut(&pointer) {
                *place = value;
            }
        }
        Ok(())
    }

    /// Encrypts. What is returned opens only with the same context.
    pub(crate) fn seal(&self, context: &str, mut text: Vec<u8>) -> Result<String, VaultError> {
        let nonce = self.0.seal_in_place_append_tag(Aad::from(context), &mut text).map_err(|_| VaultError)?;
        Ok(STANDARD.encode([nonce.as_ref().as_slice(), &text].concat()))
    }

    pub(crate) fn open(&self, context: &str, sealed: &str) -> Result<Vec<u8>, VaultError> {
        let sealed = STANDARD.decode(sealed).map_err(|_| VaultError)?;
        let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(VaultError)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError)?;
        let mut text = text.to_vec();
        let opened = self.0.open_in_place(nonce, Aad::from(context), &mut text).map_err(|_| VaultError)?;
        Ok(opened.to_vec())
    }
}

/// The vault cannot be used. Deliberately says nothing more.
#[derive(Debug, thiserror::Error)]
#[error("the secrets of a job cannot be read; was the plane's file `secret` replaced?")]
pub struct VaultError;

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn vault(secret: u8) -> Vault {
        Vault::new(&Deriver::of([secret; 32])).unwrap()
    }

    fn job(payload: &Value) -> Job {
        let job =
            json!({ "id": wire::JobId::generate(), "job_type": "t", "status": "QUEUED", "config_snapshot": payload });
        serde_json::from_value(job).unwrap()
    }

    fn schema() -> Value {
        json!({ "properties": { "token": { "writeOnly": true }, "auth": { "properties": { "key": { "writeOnly": true } } } } })
    }

    #[test]
    fn secrets_are_out_of_the_payload_until_they_are_put_back() {
        let payload = json!({ "token": "hunter2-hunter2", "auth": { "key": [1, 2] }, "name": "n" });
        let mut job = job(&payload);
        let sealed = vault(1).hide(&mut job, &schema()).unwrap().unwrap();
        assert_eq!(job.config_snapshot, json!({ "token": HIDDEN, "auth": { "key": HIDDEN }, "name": "n" }));
        assert!(!sealed.contains("hunter2"));
        vault(1).reveal(&mut job, &sealed).unwrap();
        assert_eq!(job.config_snapshot, payload);
    }

    #[test]
    fn secrets_open_for_their_own_job_and_with_the_same_key_only() {
        let mut own = job(&json!({ "token": "hunter2-hunter2" }));
        let sealed = vault(1).hide(&mut own, &schema()).unwrap().unwrap();
        let mut other = job(&own.config_snapshot);
        assert!(vault(1).reveal(&mut other, &sealed).is_err());
        assert!(vault(2).reveal(&mut own, &sealed).is_err());
        assert!(vault(1).reveal(&mut own, &sealed[4..]).is_err());
        assert!(vault(1).reveal(&mut own, "").is_err());
    }

    #[test]
    fn a_placeholder_is_no_secret() {
        let error = vault(1).hide(&mut job(&json!({ "token": HIDDEN })), &schema()).unwrap_err();
        assert!(matches!(error, PlaneError::Invalid { pointer: Some(at), .. } if at == "/config_snapshot/token"));
        assert_eq!(vault(1).hide(&mut job(&json!({ "name": "n" })), &schema()).unwrap(), None);
    }
}
