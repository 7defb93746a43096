//! How identities are shown to people.

use anstream::println;
use owo_colors::OwoColorize;
use serde_json::Value;
use wire::{CloudIdentity, IdentityInfo, Job};

use crate::output;
use crate::trust::{self, Facts, Trust};

pub(super) fn list(identities: &[IdentityInfo]) {
    if identities.is_empty() {
        return output::note("no cloud identity yet: `alethia identity init aws`, or gcp, or azure");
    }
    let rows = identities.iter().map(|one| {
        let who = one.identity.as_ref().map(who).unwrap_or_default();
        vec![one.id.clone(), one.provider.clone(), one.label.clone(), state(one).to_owned(), who]
    });
    output::table(&["ID", "PROVIDER", "LABEL", "STATE", "WHO"], rows);
}

pub(super) fn one(identity: &IdentityInfo, facts: &Facts) -> anyhow::Result<()> {
    println!("{}  {}  {}  {}", identity.id, identity.provider, identity.label, state(identity));
    for (name, value) in identity.identity.iter().flat_map(fields) {
        println!("{name:<16} {value}");
    }
    if let Some(test) = &identity.test_job_id {
        println!("{:<16} {test}", "test");
    }
    trust(identity, facts)
}

/// What its provider has to be told, for a person to paste.
pub(super) fn trust(identity: &IdentityInfo, facts: &Facts) -> anyhow::Result<()> {
    if !identity.external_id.is_empty() {
        println!("{:<16} {}", "external id", identity.external_id);
    }
    let Some(Trust { what, document, open, .. }) = trust::of(identity, facts) else {
        output::note("this control plane vouches for nobody, since it was started without --public-url");
        return Ok(());
    };
    println!("\n{}\n{}", format!("{what}:").bold(), serde_json::to_string_pretty(&document)?);
    if let Some(open) = open {
        output::note(&open);
    }
    Ok(())
}

fn state(identity: &IdentityInfo) -> &'static str {
    match (&identity.identity, identity.is_verified) {
        (None, _) => "not connected",
        (Some(_), false) => "not verified",
        (Some(_), true) => "verified",
    }
}

fn who(identity: &CloudIdentity) -> String {
    let project = || audience(identity).or_else(|| Some(identity.project_id.clone())).unwrap_or_default();
    match identity.provider.as_str() {
        "aws" => identity.role_arn.clone(),
        "gcp" if identity.service_account_email.is_empty() => project(),
        "gcp" => identity.service_account_email.clone(),
        _ => identity.client_id.clone(),
    }
}

/// The pool's provider, in the document of a GCP identity.
fn audience(identity: &CloudIdentity) -> Option<String> {
    let document: Value = serde_json::from_str(&identity.wif_config).ok()?;
    document["audience"].as_str().map(str::to_owned)
}

fn fields(identity: &CloudIdentity) -> Vec<(&'static str, String)> {
    let fields = [
        ("role", identity.role_arn.clone()),
        ("account", identity.account_id.clone()),
        ("project", identity.project_id.clone()),
        ("service account", identity.service_account_email.clone()),
        ("pool provider", audience(identity).unwrap_or_default()),
        ("tenant", identity.tenant_id.clone()),
        ("client", identity.client_id.clone()),
        ("subscription", identity.subscription_id.clone()),
    ];
    fields.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

/// What a connection test has found: who it is there, and what it may read.
pub(super) fn found(identity: &IdentityInfo, test: &Job) {
    println!("{} {} is {}", identity.provider, identity.label, "verified".green());
    let connection = test.execution_metadata.as_ref().map(|metadata| &metadata["connection"]);
    let Some(connection) = connection.filter(|connection| connection.is_object()) else { return };
    println!("{:<16} {}", "who", text(&connection["who"]));
    println!("{:<16} {}", "account", text(&connection["account"]));
    for read in connection["reads"].as_array().into_iter().flatten() {
        let may = if read["allowed"] == true { "allowed".green().to_string() } else { "denied".red().to_string() };
        println!("{may:<16} {}", text(&read["action"]));
    }
    if let Some(remedy) = connection["remedy"].as_str() {
        output::note(&format!("to mend what is denied:\n{remedy}"));
    }
}

/// What has ended, and what waits for it to begin again.
pub(super) fn disconnected(identity: &IdentityInfo, answer: &Value) {
    println!("{} {} is nobody there any more", identity.provider, identity.label);
    let runners: Vec<_> = answer["boundRunners"].as_array().into_iter().flatten().map(text).collect();
    if !runners.is_empty() {
        let again = format!("alethia identity connect {} --id {}", identity.provider, identity.id);
        output::note(&format!(
            "made for it, and without work until it is connected again: {}\n{again}",
            runners.join(", ")
        ));
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or("-")
}
