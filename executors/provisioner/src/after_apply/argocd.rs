//! Argo CD itself: which chart with which values, on which cloud.

use cluster_access::ClusterAccess;
use executor_api::{ExecutorError, JobContext};
use executor_argocd::{Install, Installed};
use executor_helm::Chart;
use serde_json::{Map, Value, json};

use super::facts::Facts;
use crate::snapshot::Provider;

/// Where Argo CD and its Applications live.
pub(super) const NAMESPACE: &str = "argocd";
/// The artifact that holds the first password of `admin`; nothing else does.
const PASSWORD: &str = "argocd-admin-password";

const REPOSITORY: &str = "https://argoproj.github.io/argo-helm";
const CHART: &str = "argo-cd";
const VERSION: &str = "7.1.3";

/// What is to be installed.
pub(super) fn wanted(facts: &Facts<'_>) -> Result<Install, ExecutorError> {
    let options = &facts.snapshot.argocd;
    let install = match &options.manifest {
        Some(manifest) => Install { manifest: Some(manifest.clone()), ..Install::default() },
        None => Install {
            chart: Some(Chart {
                repo: Some(options.chart_repository.clone().unwrap_or_else(|| REPOSITORY.to_owned())),
                name: Some(CHART.to_owned()),
                version: Some(options.chart_version.clone().unwrap_or_else(|| VERSION.to_owned())),
                ..Chart::default()
            }),
            values: values(facts)?,
            ..Install::default()
        },
    };
    install.check("/argocd")?;
    Ok(install)
}

/// Brings it there and waits until it is ready; what it has to say goes into the metadata.
pub(super) async fn install(
    job: &JobContext,
    cluster: &ClusterAccess,
    facts: &Facts<'_>,
    wanted: &Install,
) -> Result<Map<String, Value>, ExecutorError> {
    let limit = facts.snapshot.applications.deadline;
    let installed = executor_argocd::install(job, cluster, wanted, NAMESPACE, limit).await;
    let installed = installed.map_err(in_the_snapshot)?;
    let mut told = Map::new();
    for (name, value) in [("argocd_version", &installed.version), ("argocd_url", &installed.url)] {
        told.extend(value.as_ref().map(|value| (name.to_owned(), json!(value))));
    }
    if hand_over(job, &installed, facts.snapshot.argocd.keep_password).await? {
        told.insert("argocd_admin_password_artifact".to_owned(), json!(PASSWORD));
    }
    Ok(told)
}

/// What the kind `argocd` calls `install` is `argocd` here.
fn in_the_snapshot(error: ExecutorError) -> ExecutorError {
    match error {
        ExecutorError::InvalidInput { pointer: Some(pointer), message } => {
            ExecutorError::invalid(&pointer.replacen("/install", "/argocd", 1), message)
        }
        other => other,
    }
}

/// Whether the password was there, and was kept.
async fn hand_over(job: &JobContext, installed: &Installed, is_kept: bool) -> Result<bool, ExecutorError> {
    let Some(password) = installed.admin_password().filter(|_| is_kept) else { return Ok(false) };
    job.secret_artifact(PASSWORD, password).await?;
    job.log().system(format!(
        "the first password of `admin` is the secret artifact {PASSWORD}; change it, and delete its Secret"
    ));
    Ok(true)
}

/// Values of the chart.
fn values(facts: &Facts<'_>) -> Result<Map<String, Value>, ExecutorError> {
    let host = facts.domain().map(|domain| format!("argocd.{domain}"));
    let certificate = facts.word("acm_certificate_arn")?;
    let values = match (facts.snapshot.provider, host, certificate) {
        (Provider::Aws, Some(host), Some(certificate)) => on_aws(&host, certificate),
        (Provider::Gcp, Some(host), _) if facts.snapshot.dns.managed_certificate => on_gcp(&host),
        // Nobody reaches it from outside, so it says no address. The chart's own would be an example.
        _ => json!({ "configs": { "cm": { "url": "" } } }),
    };
    match values {
        Value::Object(values) => Ok(values),
        _ => Ok(Map::new()),
    }
}

/// A load balancer of AWS ends TLS.
fn on_aws(host: &str, certificate: &str) -> Value {
    let annotations = json!({
        "alb.ingress.kubernetes.io/scheme": "internet-facing",
        "alb.ingress.kubernetes.io/target-type": "ip",
        "alb.ingress.kubernetes.io/listen-ports": "[{\"HTTPS\":443}]",
        "alb.ingress.kubernetes.io/certificate-arn": certificate,
        "alb.ingress.kubernetes.io/healthcheck-path": "/healthz",
    });
    with_ingress(
        host,
        &json!({ "ingress": { "enabled": true, "hostname": host, "ingressClassName": "alb", "annotations": annotations } }),
    )
}

/// A load balancer of Google ends TLS, with a certificate that Google keeps.
fn on_gcp(host: &str) -> Value {
    let ingress = json!({ "enabled": true, "controller": "gke", "hostname": host,
                          "gke": { "managedCertificate": { "create": true } } });
    let service = json!({ "annotations": { "cloud.google.com/neg": "{\"ingress\": true}" } });
    with_ingress(host, &json!({ "ingress": ingress, "service": service }))
}

fn with_ingress(host: &str, server: &Value) -> Value {
    // The load balancer speaks TLS to the outside, and plain HTTP to Argo CD.
    json!({ "global": { "domain": host }, "configs": { "params": { "server.insecure": true } }, "server": server })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::after_apply::example::snapshot;

    fn values_of(fields: Value, outputs: &Value) -> String {
        let snapshot = snapshot(fields);
        Value::Object(values(&Facts::new(&snapshot, outputs.as_object().unwrap())).unwrap()).to_string()
    }

    #[test]
    fn an_ingress_is_only_where_name_and_certificate_are() {
        let dns = json!({ "enabled": true, "domain_name": "shop.example.com", "provider_config": { "managed_certificate": true } });
        let certificate = json!({ "acm_certificate_arn": "arn:aws:acm:eu-west-1:1:certificate/a" });
        let none = json!({ "configs": { "cm": { "url": "" } } }).to_string();
        let aws = values_of(json!({ "provider": "aws", "dns": dns }), &certificate);
        assert!(aws.contains("argocd.shop.example.com") && aws.contains("certificate/a"), "{aws}");
        assert_eq!(values_of(json!({ "provider": "aws", "dns": dns }), &json!({})), none);
        assert_eq!(values_of(json!({ "provider": "aws" }), &certificate), none);
        assert_eq!(values_of(json!({ "provider": "azure", "dns": dns }), &certificate), none);
        let gcp = values_of(json!({ "provider": "gcp", "dns": dns }), &certificate);
        assert!(gcp.contains("argocd.shop.example.com") && gcp.contains("\"controller\":\"gke\""), "{gcp}");
        assert!(!gcp.contains("alb") && !gcp.contains("arn:"), "nothing of AWS on another cloud: {gcp}");
    }

    #[test]
    fn a_chart_or_a_manifest() {
        let snapshot = snapshot(json!({ "provider": "aws" }));
        let outputs = Map::new();
        let chart = wanted(&Facts::new(&snapshot, &outputs)).unwrap().chart.unwrap();
        assert_eq!((chart.name.as_deref(), chart.version.as_deref()), (Some("argo-cd"), Some("7.1.3")));
        let mut other = snapshot.clone();
        other.argocd.chart_version = Some("7.9.1".to_owned());
        other.argocd.chart_repository = Some("https://charts.example".to_owned());
        let chart = wanted(&Facts::new(&other, &outputs)).unwrap().chart.unwrap();
        assert_eq!((chart.repo.as_deref(), chart.version.as_deref()), (Some("https://charts.example"), Some("7.9.1")));
    }
}
