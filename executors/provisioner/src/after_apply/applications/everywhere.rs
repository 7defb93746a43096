//! What every cloud has, each with values of its own: external-dns and external-secrets.

use serde_json::{Value, json};

use super::chart::Chart;
use super::{Application, Object};
use crate::after_apply::facts::Facts;

const EXTERNAL_DNS: Chart = Chart {
    name: "external-dns",
    repository: "https://kubernetes-sigs.github.io/external-dns/",
    chart: "external-dns",
    version: "1.15.0",
    namespace: "external-dns",
    wave: 1,
};

const EXTERNAL_SECRETS: Chart = Chart {
    name: "external-secrets",
    repository: "https://charts.external-secrets.io",
    chart: "external-secrets",
    version: "0.9.12",
    namespace: "external-secrets",
    wave: 1,
};

/// Names for what the domain is for. `more`: what the provider of them needs.
pub(super) fn external_dns(facts: &Facts<'_>, domain: &str, provider: &str, more: Value) -> Application {
    let values = json!({
        "provider": { "name": provider },
        "policy": "sync",
        "interval": "30m",
        // Not only then: a name goes when what it is for goes.
        "triggerLoopOnEvent": true,
        "registry": "txt",
        "txtOwnerId": facts.record_owner(),
        "domainFilters": [domain],
    });
    EXTERNAL_DNS.with(facts, merged(values, more))
}

/// Secrets of the cloud, with its definitions of kinds.
pub(super) fn external_secrets(facts: &Facts<'_>, more: Value) -> Application {
    EXTERNAL_SECRETS.with(facts, merged(json!({ "installCRDs": true }), more))
}

/// The store in which external-secrets finds them: there when its kind is.
pub(super) fn secret_store(name: &str, provider: &Value) -> Object {
    let manifest = json!({ "apiVersion": "external-secrets.io/v1beta1", "kind": "ClusterSecretStore",
                           "metadata": { "name": name }, "spec": { "provider": provider } });
    Object { after_wave: EXTERNAL_SECRETS.wave, manifest, unless: &[] }
}

/// The service account, named so that roles can trust it, and who it is at the cloud.
pub(super) fn service_account(name: &str, annotation: &str, identity: &str) -> Value {
    json!({ "create": true, "name": name, "annotations": { annotation: identity } })
}

fn merged(mut values: Value, more: Value) -> Value {
    if let (Value::Object(values), Value::Object(more)) = (&mut values, more) {
        values.extend(more);
    }
    values
}
