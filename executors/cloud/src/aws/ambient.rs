//! Who the runner itself is at AWS: the chain of the official SDK.

use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use executor_api::{Ambient, ExecutorError};

use super::endpoints::{operators, uses_fips};

/// Environment, profile, web identity, ECS, EC2: the first that has credentials. Nothing is asked for yet.
///
/// The chain reads this process's environment; what was taken out of it, so that no tool can read it there, is in
/// `ambient`.
pub(super) async fn sdk_config(ambient: &Ambient, region: &str) -> Result<SdkConfig, ExecutorError> {
    let timeouts = TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(15))
        .operation_timeout(Duration::from_secs(60))
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .region(Region::new(region.to_owned()))
        .retry_config(RetryConfig::standard().with_max_attempts(5))
        .timeout_config(timeouts)
        .use_fips(uses_fips(ambient));
    if let Some(url) = operators(ambient, "AWS_ENDPOINT_URL_STS")? {
        loader = loader.endpoint_url(url);
    }
    if let (Some(id), Some(secret)) = (ambient.get("AWS_ACCESS_KEY_ID"), ambient.get("AWS_SECRET_ACCESS_KEY")) {
        let token = ambient.get("AWS_SESSION_TOKEN").map(str::to_owned);
        loader = loader.credentials_provider(Credentials::new(id, secret, token, None, "environment"));
    }
    Ok(loader.load().await)
}
