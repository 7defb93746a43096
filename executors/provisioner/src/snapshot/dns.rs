//! Names and certificates of an environment.

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::Field;
use super::flat::FlatParams;
use super::place::Provider;
use super::words;

/// Names and certificates.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Dns {
    /// Whether any of it is wanted.
    pub enabled: bool,
    /// The existing zone.
    pub zone_id: Option<String>,
    /// For example `shop.example.com`.
    pub domain_name: Option<String>,
    /// AWS: a certificate of ACM.
    pub acm_certificate: bool,
    /// GCP and Azure: a managed certificate.
    pub managed_certificate: bool,
    /// AWS: a web ACL for CloudFront.
    pub cloudfront_waf: bool,
    /// AWS: a web ACL for load balancers.
    pub application_waf: bool,
    /// GCP: Cloud Armor.
    pub cloud_armor: bool,
    /// Azure: Web Application Firewall.
    pub azure_waf: bool,
}

/// Names and certificates, as a payload says them.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct DnsParams {
    /// Whether any of it is wanted; false if missing.
    pub enabled: Option<bool>,
    /// A zone that is there already.
    pub zone_id: Option<String>,
    /// For example `shop.example.com`. Required with `enabled`.
    pub domain_name: Option<String>,
    /// What only some clouds have.
    pub provider_config: Option<DnsProviderParams>,
}

/// What of names and certificates only some clouds have.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct DnsProviderParams {
    /// AWS: a certificate of ACM.
    pub acm_certificate: Option<bool>,
    /// GCP and Azure: a managed certificate.
    pub managed_certificate: Option<bool>,
    /// AWS: a web ACL for CloudFront.
    pub cloudfront_waf: Option<bool>,
    /// AWS: a web ACL for load balancers.
    pub application_waf: Option<bool>,
    /// GCP: Cloud Armor.
    pub cloud_armor: Option<bool>,
    /// Azure: Web Application Firewall.
    pub azure_waf: Option<bool>,
}

pub(super) fn read(nested: DnsParams, flat: &FlatParams, provider: Provider) -> Result<Dns, ExecutorError> {
    let enabled = Field::at("/dns/enabled", nested.enabled).or_at("/dns_enabled", flat.dns_enabled)?;
    let zone_id = Field::at("/dns/zone_id", nested.zone_id).or_at("/dns_zone_id", flat.dns_zone_id.clone())?;
    let domain_name =
        Field::at("/dns/domain_name", nested.domain_name).or_at("/dns_domain_name", flat.dns_domain_name.clone())?;
    let domain_name = domain_name.text(words::domain_name)?;
    let zone_id = zone_id.text(|text| zone(text, provider))?;
    let switch = |name: &str, get: fn(&DnsProviderParams) -> Option<bool>| {
        let flag = Field::at(format!("/dns/provider_config/{name}"), nested.provider_config.as_ref().and_then(get));
        let other = flat.dns_provider_config.as_ref().and_then(get);
        flag.or_at(format!("/dns_provider_config/{name}"), other)
    };
    let enabled = enabled.or(false);
    if enabled && domain_name.get().is_none() {
        return Err(domain_name.refuse("is missing; give the domain of the environment, or disable dns"));
    }
    Ok(Dns {
        enabled,
        zone_id: zone_id.optional(),
        domain_name: domain_name.optional(),
        acm_certificate: switch("acm_certificate", |params| params.acm_certificate)?.or(false),
        managed_certificate: switch("managed_certificate", |params| params.managed_certificate)?.or(false),
        cloudfront_waf: switch("cloudfront_waf", |params| params.cloudfront_waf)?.or(false),
        application_waf: switch("application_waf", |params| params.application_waf)?.or(false),
        cloud_armor: switch("cloud_armor", |params| params.cloud_armor)?.or(false),
        azure_waf: switch("azure_waf", |params| params.azure_waf)?.or(false),
    })
}

fn zone(text: &str, provider: Provider) -> Result<String, String> {
    if provider != Provider::Aws {
        return words::word(text, 512, "._-/()");
    }
    // Route 53 itself puts a path before the id of a zone.
    let id = text.strip_prefix("/hostedzone/").unwrap_or(text);
    let is_allowed = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit();
    words::spelled(id, 32, is_allowed, "the id of a hosted zone, for example Z0123456789ABCDEFGHIJ")
}
