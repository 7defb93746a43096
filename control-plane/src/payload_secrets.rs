//! The secrets of payloads: kept apart and encrypted, and given to nobody but the runner that claims the job.
//!
//! Which fields are secrets the kind's schema says (`writeOnly`), and what is one to any of its schemas that the plane
//! knows is one. Where a job is shown, [`wire::HIDDEN`] stands in their place.

use serde_json::{Map, Value};
use wire::{HIDDEN, Job, secret_places};

use crate::error::PlaneError;
use crate::vault::{Vault, VaultError};

impl Vault {
    /// Takes the secrets out of a job's payload. What is returned is bound to the job: it opens for no other.
    ///
    /// # Errors
    /// [`PlaneError::Invalid`] if a secret is the placeholder of one, or nobody can tell the secrets from the rest.
    pub(crate) fn hide<'s>(
        &self,
        job: &mut Job,
        schemas: impl IntoIterator<Item = &'s Value>,
    ) -> Result<Option<String>, PlaneError> {
        let mut secrets = Map::new();
        let places = schemas.into_iter().flat_map(|schema| secret_places(schema, &job.config_snapshot));
        let mut places: Vec<_> = places.collect();
        // What lies within another comes after it, and is not there any more by then.
        places.sort();
        places.dedup_by(|one, two| one.pointer == two.pointer);
        for place in places {
            if place.is_whole_payload() {
                let error = "it has too many parts to tell its secrets from the rest; put large data into the source";
                return Err(PlaneError::invalid("/config_snapshot", error));
            }
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
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::Deriver;
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
        let sealed = vault(1).hide(&mut job, [&schema()]).unwrap().unwrap();
        assert_eq!(job.config_snapshot, json!({ "token": HIDDEN, "auth": { "key": HIDDEN }, "name": "n" }));
        assert!(!sealed.contains("hunter2"));
        vault(1).reveal(&mut job, &sealed).unwrap();
        assert_eq!(job.config_snapshot, payload);
    }

    #[test]
    fn what_is_a_secret_to_one_schema_is_one() {
        let payload = json!({ "token": "hunter2-hunter2", "auth": { "key": [1, 2] }, "name": "n" });
        let token = json!({ "writeOnly": true, "contentMediaType": "application/yaml" });
        let other = json!({ "properties": { "auth": { "writeOnly": true }, "token": token } });
        for schemas in [[&schema(), &other], [&other, &schema()]] {
            let mut job = job(&payload);
            let sealed = vault(1).hide(&mut job, schemas).unwrap().unwrap();
            assert_eq!(job.config_snapshot, json!({ "token": HIDDEN, "auth": HIDDEN, "name": "n" }));
            vault(1).reveal(&mut job, &sealed).unwrap();
            assert_eq!(job.config_snapshot, payload);
        }
    }

    #[test]
    fn secrets_open_for_their_own_job_and_with_the_same_key_only() {
        let mut own = job(&json!({ "token": "hunter2-hunter2" }));
        let sealed = vault(1).hide(&mut own, [&schema()]).unwrap().unwrap();
        let mut other = job(&own.config_snapshot);
        assert!(vault(1).reveal(&mut other, &sealed).is_err());
        assert!(vault(2).reveal(&mut own, &sealed).is_err());
        assert!(vault(1).reveal(&mut own, &sealed[4..]).is_err());
        assert!(vault(1).reveal(&mut own, "").is_err());
    }

    #[test]
    fn a_payload_that_cannot_be_looked_through_is_refused() {
        let schema =
            json!({ "properties": { "list": { "items": { "properties": { "token": { "writeOnly": true } } } } } });
        let long: Value = (0..100_001).map(|_| json!({ "token": "hunter2-hunter2" })).collect();
        let error = vault(1).hide(&mut job(&json!({ "list": long })), [&schema]).unwrap_err();
        assert!(matches!(error, PlaneError::Invalid { pointer: Some(at), .. } if at == "/config_snapshot"));
    }

    #[test]
    fn a_placeholder_is_no_secret() {
        let error = vault(1).hide(&mut job(&json!({ "token": HIDDEN })), [&schema()]).unwrap_err();
        assert!(matches!(error, PlaneError::Invalid { pointer: Some(at), .. } if at == "/config_snapshot/token"));
        assert_eq!(vault(1).hide(&mut job(&json!({ "name": "n" })), [&schema()]).unwrap(), None);
    }
}
