//! Who jobs are at AWS, GCP and Azure, and what there is: credentials, discovery, cluster tokens.
//!
//! A module per provider, each behind a cargo feature and each of the same shape: `credentials` turns the identity of a
//! claim into files and variables for every tool of that job, `discovery` lists what a user interface offers, `cluster`
//! finds a managed Kubernetes cluster and gives tokens for it.
//!
//! # Kinds
//!
//! `CONNECTION_TEST` and `FETCH_RESOURCES` only read. Their metadata:
//!
//! | name | what |
//! |---|---|
//! | `connection` | `{provider, who, account, reads: [{action, allowed}], remedy}`; `remedy` is null if nothing is missing |
//! | `cached_resources` | what was found, in the shape that the provider's user interface knows |
//! | `errors` | `[{service, action, region, code, message}]`: what could not be read, and where |
//!
//! # Endpoints
//!
//! Only the operator says where a service is: AWS by `AWS_ENDPOINT_URL` and `AWS_ENDPOINT_URL_<SERVICE>`, the others by
//! `ALETHIA_CLOUD_ENDPOINTS`: `gcp.sts`, `gcp.iamcredentials`, `gcp.compute`, `gcp.dns`, `gcp.container`,
//! `gcp.metadata`, `gcp.oauth2`, `azure.login`, `azure.management`, `azure.metadata`.

mod cluster_token;
mod connection_test;
mod endpoint;
mod fetch_resources;
mod folder;
mod found;
mod http;
mod identity;
mod params;

#[cfg(feature = "aws")]
mod aws;
#[cfg(feature = "azure")]
mod azure;
#[cfg(feature = "gcp")]
mod gcp;

#[cfg(not(any(feature = "aws", feature = "azure", feature = "gcp")))]
compile_error!("choose a cloud: the features `aws`, `azure`, `gcp`");

use executor_api::{ExecutorPlugin, HiddenVerb, LossPolicy, inventory, minutes};

pub use found::{FetchError, Found, Read};
pub use params::CloudParams;

inventory::submit! {
    ExecutorPlugin::new::<CloudParams>("CONNECTION_TEST", &connection_test::ConnectionTest)
        .summary("Says who a cloud identity is and what it may read")
        .loss(LossPolicy::Requeue)
        .timeout(minutes(15))
}

inventory::submit! {
    ExecutorPlugin::new::<CloudParams>("FETCH_RESOURCES", &fetch_resources::FetchResources)
        .summary("Lists regions, networks, subnets and DNS zones of a cloud identity")
        .loss(LossPolicy::Requeue)
        .timeout(minutes(30))
}

inventory::submit! {
    HiddenVerb { name: cluster_token::VERB, run: cluster_token::print }
}
