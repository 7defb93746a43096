//! The payload of both kinds.

use executor_api::{CloudIdentity, ExecutorError, Job, params_of};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Whom to ask as, and for what. A control plane decides who a job is, and then these fields may only repeat it; without
/// one they decide. Unknown fields are ignored: the original sends whatever it knows of an identity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct CloudParams {
    /// `aws`, `gcp` or `azure`.
    pub provider: Option<String>,
    /// AWS: the role to assume; whoever the runner is if missing.
    pub role_arn: Option<String>,
    /// AWS: the external id that the role's trust asks for.
    pub external_id: Option<String>,
    /// AWS: the account.
    pub account_id: Option<String>,
    /// GCP: the project.
    pub project_id: Option<String>,
    /// GCP: the service account to impersonate.
    pub service_account_email: Option<String>,
    /// GCP: an external-account document, as a string or as it is.
    pub wif_config: Value,
    /// Azure: the tenant.
    pub tenant_id: Option<String>,
    /// Azure: the application.
    pub client_id: Option<String>,
    /// Azure: the subscription.
    pub subscription_id: Option<String>,
    /// Look only into these regions; into all if missing.
    #[schemars(length(max = 100))]
    pub regions: Option<Vec<String>>,
}

impl CloudParams {
    /// Of a job.
    pub(crate) fn of(job: &Job) -> Result<Self, ExecutorError> {
        if job.config_snapshot.is_null() {
            return Ok(Self::default());
        }
        let params: Self = params_of(job)?;
        for (at, region) in params.regions.iter().flatten().enumerate() {
            let fits = (1..=64).contains(&region.len())
                && region.starts_with(|c: char| c.is_ascii_lowercase())
                && region.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !fits {
                let why = "a region has lower-case letters, digits and '-', for example eu-north-1";
                return Err(ExecutorError::invalid(&format!("/regions/{at}"), why));
            }
        }
        Ok(params)
    }

    /// The identity that it names, if it names one.
    pub(crate) fn identity(&self) -> Result<Option<CloudIdentity>, ExecutorError> {
        let text = |field: &Option<String>| field.clone().unwrap_or_default();
        let identity = CloudIdentity {
            provider: self.provider(),
            role_arn: text(&self.role_arn),
            external_id: text(&self.external_id),
            account_id: text(&self.account_id),
            project_id: text(&self.project_id),
            service_account_email: text(&self.service_account_email),
            wif_config: self.wif_config(),
            tenant_id: text(&self.tenant_id),
            client_id: text(&self.client_id),
            subscription_id: text(&self.subscription_id),
        };
        if identity == CloudIdentity::default() {
            return Ok(None);
        }
        if identity.provider.is_empty() {
            return Err(ExecutorError::invalid("/provider", "say whose identity this is: aws, gcp or azure"));
        }
        Ok(Some(identity))
    }

    fn wif_config(&self) -> String {
        match &self.wif_config {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            document => document.to_string(),
        }
    }

    /// What is said, or what follows from the one field that only one provider has.
    fn provider(&self) -> String {
        let implied = || match (&self.role_arn, self.wif_config.is_null(), &self.tenant_id) {
            (Some(_), true, None) => Some("aws".to_owned()),
            (None, false, None) => Some("gcp".to_owned()),
            (None, true, Some(_)) => Some("azure".to_owned()),
            _ => None,
        };
        self.provider.clone().or_else(implied).unwrap_or_default()
    }

    /// Refuses a payload that names somebody else than the plane does.
    pub(crate) fn check_repeats(&self, identity: &CloudIdentity) -> Result<(), ExecutorError> {
        let pairs = [
            ("provider", &self.provider, &identity.provider),
            ("role_arn", &self.role_arn, &identity.role_arn),
            ("external_id", &self.external_id, &identity.external_id),
            ("account_id", &self.account_id, &identity.account_id),
            ("project_id", &self.project_id, &identity.project_id),
            ("service_account_email", &self.service_account_email, &identity.service_account_email),
            ("tenant_id", &self.tenant_id, &identity.tenant_id),
            ("client_id", &self.client_id, &identity.client_id),
            ("subscription_id", &self.subscription_id, &identity.subscription_id),
        ];
        for (field, said, is) in pairs {
            // What the plane leaves open follows from the rest.
            if said.as_ref().is_some_and(|said| !said.is_empty() && !is.is_empty() && said != is) {
                let why = "is not what the job's cloud identity says; leave it out, or name that identity";
                return Err(ExecutorError::invalid(&format!("/{field}"), why));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(payload: Value) -> Option<CloudIdentity> {
        serde_json::from_value::<CloudParams>(payload).unwrap().identity().unwrap()
    }

    #[test]
    fn a_payload_names_an_identity_or_nobody() {
        assert_eq!(named(json!({})), None);
        assert_eq!(named(json!({ "regions": ["eu-north-1"], "label": "ignored" })), None);
        assert_eq!(named(json!({ "role_arn": "r" })).unwrap().provider, "aws");
        assert_eq!(named(json!({ "tenant_id": "t" })).unwrap().provider, "azure");
        let document = json!({ "type": "external_account" });
        let as_it_is = named(json!({ "wif_config": document })).unwrap();
        assert_eq!(
            (as_it_is.provider.as_str(), as_it_is.wif_config.as_str()),
            ("gcp", "{\"type\":\"external_account\"}")
        );
        assert_eq!(named(json!({ "wif_config": document.to_string() })), Some(as_it_is));
        let both: CloudParams = serde_json::from_value(json!({ "role_arn": "r", "tenant_id": "t" })).unwrap();
        assert!(both.identity().unwrap_err().to_string().starts_with("/provider: "));
    }
}
