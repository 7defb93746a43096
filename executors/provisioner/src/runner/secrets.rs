//! The secrets of a new runner: where they come from, and the numbers by which terraform sees that one was replaced.

use executor_api::{ExecutorError, JobContext};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::wanted::WantedRunner;

/// The secrets that this job can give.
#[derive(Default)]
pub(super) struct Secrets {
    token: Option<String>,
    storage: Option<Storage>,
    infracost: Option<(Giver, String)>,
}

/// Whose a secret is. What is a runner's own is given to one that is new, and moves none that there is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Giver {
    Payload,
    Runner,
}

struct Storage {
    giver: Giver,
    /// Where it is, and which bucket: as `storage` of the template's outputs has it.
    place: Value,
    key_id: String,
    secret_key: String,
}

impl Secrets {
    /// What the payload brings, else, for a new runner, what the one that has this job uses itself. But never from a
    /// runner that works for all organisations: its storage holds the states of all of them.
    pub(super) fn gather(job: &JobContext, wanted: &WantedRunner) -> Self {
        let settings = job.settings();
        let own = !settings.cloud.is_shared;
        let of_payload = wanted.storage.as_ref().map(|storage| Storage {
            giver: Giver::Payload,
            place: place(&storage.endpoint, &storage.region, storage.bucket.as_ref(), storage.create_buckets),
            key_id: storage.key_id.clone(),
            secret_key: storage.secret_key.clone(),
        });
        // With the same bucket: in another, the new runner would find no environment of this one.
        let bucket = settings.state_bucket.as_ref();
        let of_runner = settings.storage.as_ref().filter(|_| own).map(|storage| Storage {
            giver: Giver::Runner,
            place: place(&storage.endpoint, &storage.region, bucket, Some(storage.create_buckets)),
            key_id: storage.key_id.clone(),
            secret_key: storage.secret_key.clone(),
        });
        let infracost = wanted.infracost_api_key.clone().map(|key| (Giver::Payload, key));
        let infracost_of_runner = settings.infracost_api_key.clone().filter(|_| own).map(|key| (Giver::Runner, key));
        Self {
            token: wanted.token.clone(),
            storage: of_payload.or(of_runner),
            infracost: infracost.or(infracost_of_runner),
        }
    }

    /// Variables of terraform's environment: values for write-only arguments, in no file. A secret whose number stays is
    /// not written; but one of a deployment that failed before it was written is.
    pub(super) fn environment(&self) -> Vec<(&'static str, &str)> {
        let storage = self.storage.as_ref();
        [
            ("TF_VAR_runner_token", self.token.as_deref()),
            ("TF_VAR_storage_key_id", storage.map(|storage| storage.key_id.as_str())),
            ("TF_VAR_storage_secret_key", storage.map(|storage| storage.secret_key.as_str())),
            ("TF_VAR_infracost_api_key", self.infracost.as_ref().map(|(_, key)| key.as_str())),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// What the template's variables say of them. What the payload does not bring stays as the stack's outputs say
    /// that it is: in another storage, the runner would find no environment of its own.
    ///
    /// # Errors
    /// If there is no token, now or before.
    pub(super) fn variables(&self, id: &str, before: &Map<String, Value>) -> Result<Map<String, Value>, ExecutorError> {
        let known = &before.get("secret_versions").cloned().unwrap_or_default();
        let number = |name: &str, value: Option<&String>| match value {
            Some(value) => json!(number(id, name, value)),
            None => known[name].clone(),
        };
        let token = number("runner_token", self.token.as_ref());
        if token.is_null() {
            let error =
                "is missing, and this runner has none yet; `POST /api/runners/{id}/rotate-token` gives a new one";
            return Err(ExecutorError::invalid("/runner_token", error));
        }
        let is_new = known.is_null();
        let place_before = before.get("storage").cloned().unwrap_or_default();
        let gives = |giver: Giver| is_new || giver == Giver::Payload;
        let storage = self.storage.as_ref().filter(|one| gives(one.giver));
        let place = storage.map_or(place_before, |one| one.place.clone());
        let storage_key = storage.map(|storage| format!("{} {}", storage.key_id, storage.secret_key));
        let storage = number("storage", storage_key.as_ref());
        let infracost = self.infracost.as_ref().filter(|(giver, _)| gives(*giver)).map(|(_, key)| key);
        let infracost = number("infracost", infracost);
        let or = |value: &Value, default: Value| if value.is_null() { default } else { value.clone() };
        let variables = json!({
            "infracost": !infracost.is_null(),
            "storage_endpoint": or(&place["endpoint"], json!("")),
            "storage_region": or(&place["region"], json!("")),
            "storage_bucket": or(&place["bucket"], json!("")),
            "storage_create_buckets": or(&place["create_buckets"], json!(true)),
            "secret_versions": { "runner_token": token, "storage": storage, "infracost": infracost },
        });
        Ok(variables.as_object().cloned().unwrap_or_default())
    }
}

fn place(endpoint: &str, region: &str, bucket: Option<&String>, create_buckets: Option<bool>) -> Value {
    json!({ "endpoint": endpoint, "region": region, "bucket": bucket, "create_buckets": create_buckets })
}

/// Another number for another value. Of its digest just enough to tell two of them apart: the number is in the state.
fn number(id: &str, name: &str, value: &str) -> u32 {
    let digest = Sha256::digest(format!("{name} of {id}: {value}"));
    u32::from_be_bytes([0, digest[0], digest[1], digest[2]]) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_is_not_given_stays_as_it_was() {
        let before = json!({ "secret_versions": { "runner_token": 7, "storage": 8, "infracost": null },
                             "storage": { "endpoint": "https://s", "region": "r" } });
        let variables = Secrets::default().variables("r-1", before.as_object().unwrap()).unwrap();
        assert_eq!(variables["secret_versions"], json!({ "runner_token": 7, "storage": 8, "infracost": null }));
        assert_eq!((&variables["storage_endpoint"], &variables["infracost"]), (&json!("https://s"), &json!(false)));
        // A runner of before these two could be said.
        assert_eq!((&variables["storage_bucket"], &variables["storage_create_buckets"]), (&json!(""), &json!(true)));
        let error = Secrets::default().variables("r-1", &Map::new()).unwrap_err().to_string();
        assert!(error.starts_with("/runner_token: is missing"), "{error}");
    }

    #[test]
    fn what_is_a_runners_own_is_given_to_a_new_one_and_moves_none_that_there_is() {
        let storage = |giver, key: &str| Storage {
            giver,
            place: place("https://own", "r", None, Some(true)),
            key_id: "id".to_owned(),
            secret_key: key.to_owned(),
        };
        let told = |giver, key: &str, before: &Value| {
            let infracost = Some((giver, key.to_owned()));
            let secrets = Secrets { token: Some("t".to_owned()), storage: Some(storage(giver, key)), infracost };
            secrets.variables("r-1", before.as_object().unwrap()).unwrap()
        };
        let fresh = told(Giver::Runner, "a", &json!({}));
        assert_eq!((&fresh["storage_endpoint"], &fresh["infracost"]), (&json!("https://own"), &json!(true)));
        let versions = json!({ "runner_token": 7, "storage": 8, "infracost": 9 });
        let elsewhere = json!({ "secret_versions": versions, "storage": { "endpoint": "https://s", "bucket": "" } });
        let kept = told(Giver::Runner, "a", &elsewhere);
        assert_eq!((&kept["storage_endpoint"], &kept["secret_versions"]["storage"]), (&json!("https://s"), &json!(8)));
        assert_eq!(kept["secret_versions"]["infracost"], 9);
        let brought = told(Giver::Payload, "a", &elsewhere);
        assert_eq!(brought["storage_endpoint"], "https://own");
        assert_ne!(brought["secret_versions"]["infracost"], 9);
        // Its states are at the plane, and stay there.
        let none = json!({ "secret_versions": { "runner_token": 7, "storage": null, "infracost": null } });
        let kept = told(Giver::Runner, "a", &none);
        assert_eq!((&kept["storage_endpoint"], &kept["infracost"]), (&json!(""), &json!(false)));
        // The runner that does this may have another key of the same storage.
        let same = json!({ "endpoint": "https://own", "region": "r", "bucket": "", "create_buckets": false });
        let same = told(Giver::Runner, "b", &json!({ "secret_versions": versions, "storage": same }));
        assert_eq!(same["secret_versions"]["storage"], 8);
        assert_eq!(same["storage_create_buckets"], false);
    }

    #[test]
    fn a_number_tells_values_apart_and_says_little_of_them() {
        let secrets = |token: &str| Secrets { token: Some(token.to_owned()), ..Secrets::default() };
        let number = |token: &str| {
            secrets(token).variables("r-1", &Map::new()).unwrap()["secret_versions"]["runner_token"].clone()
        };
        assert_eq!(number("a"), number("a"));
        assert_ne!(number("a"), number("b"));
        assert!(number("a").as_u64().unwrap() <= 1 << 24);
    }
}
