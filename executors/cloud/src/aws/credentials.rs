//! The credentials of one job: assumed, written down for `credential_process`, renewed.

use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_credential_types::Credentials;
use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_sts::types::{AssumedRoleUser, Credentials as StsCredentials, Tag};
use executor_api::{CredentialRequest, CredentialSession, Environment, ExecutorError, Input};

use super::ambient::sdk_config;
use super::endpoints::operators_region;
use super::names::{RoleArn, home_region, session_name};
use super::{process, refusal};
use crate::folder;

/// Whom a token of the plane is for.
pub(super) const AUDIENCE: &str = "sts.amazonaws.com";
/// The file that every SDK reads.
const CONFIG: &str = "aws-config";
/// The longest that a role allows which was not set up otherwise, and the longest for a role that was assumed from
/// another.
const SESSION_SECONDS: i32 = 3600;

/// The session of one job.
pub(super) struct Session {
    request: CredentialRequest,
    config: SdkConfig,
    sts: aws_sdk_sts::Client,
    who: Mutex<String>,
}

impl Session {
    /// Asks nobody yet.
    pub(super) async fn open(request: CredentialRequest) -> Result<Self, ExecutorError> {
        let role = &request.identity.role_arn;
        let role = (!role.is_empty()).then(|| RoleArn::parse(role)).transpose()?;
        let partition = role.as_ref().map_or("aws", |role| role.partition);
        let region = operators_region(&request.ambient).unwrap_or_else(|| home_region(partition)).to_owned();
        if let Some(role) = role {
            role.check_partition(&region)?;
        }
        let config = sdk_config(&request.ambient, &region).await?;
        let sts = aws_sdk_sts::Client::new(&config);
        folder::write(&request.folder, CONFIG, process::config_file(&request)?.as_bytes())?;
        Ok(Self { request, config, sts, who: Mutex::default() })
    }

    async fn obtain(&self) -> Result<Credentials, ExecutorError> {
        match (self.request.identity.role_arn.is_empty(), self.token()?) {
            (true, _) => self.own().await,
            (false, Some(token)) if self.request.settings.is_shared => self.assume_by_token(token).await,
            (false, Some(token)) => match self.assume_by_token(token).await {
                // It may trust the runner itself; if not, what the token lacked is the better remedy.
                Err(refused @ ExecutorError::InvalidInput { .. }) => self.assume().await.map_err(|_| refused),
                obtained => obtained,
            },
            (false, None) => {
                self.refuse_to_lend()?;
                self.assume().await
            }
        }
    }

    /// A role that trusts the runner trusts everybody whose jobs it runs, unless it asks for what only one of them has.
    fn refuse_to_lend(&self) -> Result<(), ExecutorError> {
        if !self.request.settings.is_shared || !self.request.identity.external_id.is_empty() {
            return Ok(());
        }
        let why = "is missing, and so is the control plane's token: a runner of many organisations assumes no role by its \
                   own right alone; connect the identity with an external id, or give the plane a public address";
        Err(ExecutorError::invalid("/cloud_identity/external_id", why))
    }

    /// The plane's word for who the job is, where there is one.
    fn token(&self) -> Result<Option<String>, ExecutorError> {
        if !self.request.identity.external_id.is_empty() {
            return Ok(None);
        }
        let file = self.request.paths.inputs.join(Input::OidcToken { audience: AUDIENCE.to_owned() }.file_name());
        match std::fs::read_to_string(file) {
            Ok(token) => Ok(Some(token.trim().to_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(ExecutorError::io("cannot read the plane's token for the job")(error)),
        }
    }

    /// Whoever the runner is.
    async fn own(&self) -> Result<Credentials, ExecutorError> {
        let provider = self.config.credentials_provider().ok_or_else(refusal::nobody)?;
        let credentials = provider.provide_credentials().await.map_err(|error| refusal::no_ambient(&error))?;
        self.is(format!("the AWS identity of the runner (key {})", credentials.access_key_id()));
        Ok(credentials)
    }

    async fn assume(&self) -> Result<Credentials, ExecutorError> {
        let identity = &self.request.identity;
        let call = self
            .sts
            .assume_role()
            .role_arn(&identity.role_arn)
            .role_session_name(session_name(&self.request.job.id))
            .duration_seconds(self.seconds())
            .set_external_id(Some(identity.external_id.clone()).filter(|id| !id.is_empty()))
            .set_tags(self.tags());
        match call.send().await {
            Ok(answer) => self.taken(answer.credentials, answer.assumed_role_user),
            Err(error) => Err(refusal::assume(&self.sts, &self.request, &error).await),
        }
    }

    async fn assume_by_token(&self, token: String) -> Result<Credentials, ExecutorError> {
        self.request.log.mask(&token);
        let call = self
            .sts
            .assume_role_with_web_identity()
            .role_arn(&self.request.identity.role_arn)
            .role_session_name(session_name(&self.request.job.id))
            .duration_seconds(self.seconds())
            .web_identity_token(&token);
        match call.send().await {
            Ok(answer) => self.taken(answer.credentials, answer.assumed_role_user),
            Err(error) => Err(refusal::assume_by_token(&self.request, &token, &error)),
        }
    }

    fn seconds(&self) -> i32 {
        self.request.settings.aws_session_s.and_then(|seconds| i32::try_from(seconds).ok()).unwrap_or(SESSION_SECONDS)
    }

    /// Only where the operator wants them: the role's trust must allow `sts:TagSession`.
    fn tags(&self) -> Option<Vec<Tag>> {
        let job = &self.request.job;
        let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build().ok();
        let facts = [
            ("alethia:job", Some(job.id.as_str())),
            ("alethia:kind", Some(job.job_type.as_str())),
            ("alethia:org", job.org_id.as_deref()),
        ];
        self.request
            .settings
            .aws_session_tags
            .then(|| facts.into_iter().filter_map(|(key, value)| tag(key, value?)).collect())
    }

    fn taken(
        &self,
        credentials: Option<StsCredentials>,
        user: Option<AssumedRoleUser>,
    ) -> Result<Credentials, ExecutorError> {
        let credentials = credentials.ok_or_else(refusal::empty_answer)?;
        self.is(user.map(|user| user.arn).unwrap_or_else(|| self.request.identity.role_arn.clone()));
        let until = SystemTime::try_from(credentials.expiration).map_err(|_| refusal::empty_answer())?;
        let StsCredentials { access_key_id, secret_access_key, session_token, .. } = credentials;
        Ok(Credentials::new(access_key_id, secret_access_key, Some(session_token), Some(until), "AssumeRole"))
    }

    fn is(&self, who: String) {
        *self.who.lock().unwrap_or_else(PoisonError::into_inner) = who;
    }
}

#[async_trait]
impl CredentialSession for Session {
    /// Region and endpoints are the operator's; all else leads to the job's own credentials and nowhere else.
    fn environment(&self) -> Environment {
        let config = self.request.folder.join(CONFIG);
        let none = self.request.folder.join("none");
        let mut env = Environment::default();
        env.set("AWS_CONFIG_FILE", config).set("AWS_SHARED_CREDENTIALS_FILE", none);
        env.set("AWS_EC2_METADATA_DISABLED", "true").set("AWS_SDK_LOAD_CONFIG", "1");
        for (name, value) in self.request.ambient.iter().filter(|(name, _)| is_place(name)) {
            env.set(name, value);
        }
        // Some tools know the one name, some the other.
        if let Some(region) = operators_region(&self.request.ambient) {
            env.set("AWS_REGION", region).set("AWS_DEFAULT_REGION", region);
        }
        env
    }

    fn who(&self) -> String {
        self.who.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    async fn renew(&self) -> Result<Option<SystemTime>, ExecutorError> {
        let credentials = self.obtain().await?;
        for secret in [Some(credentials.secret_access_key()), credentials.session_token()].into_iter().flatten() {
            self.request.log.mask(secret);
        }
        process::write(&self.request.folder, &credentials)?;
        Ok(credentials.expiry())
    }
}

/// Where AWS is, as opposed to who somebody is there.
fn is_place(name: &str) -> bool {
    name.starts_with("AWS_ENDPOINT_URL")
        || matches!(
            name,
            "AWS_REGION"
                | "AWS_DEFAULT_REGION"
                | "AWS_USE_FIPS_ENDPOINT"
                | "AWS_USE_DUALSTACK_ENDPOINT"
                | "AWS_CA_BUNDLE"
                | "AWS_STS_REGIONAL_ENDPOINTS"
                | "AWS_RETRY_MODE"
                | "AWS_MAX_ATTEMPTS"
        )
}
