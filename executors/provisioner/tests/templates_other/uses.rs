//! Nothing from elsewhere, and nothing that nobody uses.

use std::collections::BTreeSet;

use hcl::Block;

use crate::template::{Template, attribute, name};

/// What a template may be made with beside the cloud's own provider.
fn allowed_providers(cloud: &str) -> &'static [&'static str] {
    match cloud {
        "gcp" => &["google", "random"],
        "azure" => &["azurerm", "random"],
        _ => &["aws"],
    }
}

#[test]
fn nothing_is_downloaded_but_the_clouds_own_provider() {
    for template in Template::all() {
        let cloud = template.cloud;
        assert_eq!(template.of_kind("module").count(), 0, "{cloud}: a module is downloaded by whoever runs it");
        let allowed = allowed_providers(cloud);
        let required = required_providers(&template);
        assert!(required.iter().all(|name| allowed.contains(&name.as_str())), "{cloud}: {required:?}");
        for block in template.of_kind("resource").chain(template.of_kind("data")) {
            let kind = block.labels()[0].as_str();
            let provider = kind.split('_').next().unwrap();
            // `terraform_data` is terraform's own.
            assert!(
                provider == "terraform" || required.contains(provider),
                "{cloud}: {kind} is of a provider that versions.tf does not require"
            );
        }
    }
}

/// The names, each from `hashicorp/` and of one major version.
fn required_providers(template: &Template) -> BTreeSet<String> {
    let settings = template.of_kind("terraform").flat_map(|block| block.body().blocks());
    let required = settings.filter(|block| block.identifier() == "required_providers");
    let providers = required.flat_map(|block| block.body().attributes());
    providers
        .map(|provider| {
            let said = hcl::format::to_string(provider.expr()).unwrap();
            assert!(said.contains(&format!("\"hashicorp/{}\"", provider.key())), "{said}");
            assert!(said.contains("< "), "{}: {} has no upper bound", template.cloud, provider.key());
            provider.key().to_owned()
        })
        .collect()
}

#[test]
fn the_backend_is_the_executors_to_say() {
    for template in Template::all() {
        let mut settings = template.of_kind("terraform").flat_map(|block| block.body().blocks());
        assert!(settings.all(|block| !["backend", "cloud"].contains(&block.identifier())), "{}", template.cloud);
    }
}

#[test]
fn every_variable_and_every_local_is_used() {
    for template in Template::all() {
        // A variable's own validation is no use of it.
        let users = template.blocks.iter().filter(|block| block.identifier() != "variable");
        let text: Vec<_> = users.map(|block| hcl::format::to_string(block).unwrap()).collect();
        let text = text.join("\n");
        let variables = template.of_kind("variable").map(|block| format!("var.{}", name(block)));
        let locals = template.of_kind("locals").flat_map(locals);
        let unused: Vec<_> = variables.chain(locals).filter(|word| !mentions(&text, word)).collect();
        assert!(unused.is_empty(), "{}: nobody uses {unused:?}", template.cloud);
    }
}

fn locals(block: &Block) -> Vec<String> {
    block.body().attributes().map(|local| format!("local.{}", local.key())).collect()
}

/// Not as the beginning of a longer name.
fn mentions(text: &str, word: &str) -> bool {
    let ends =
        |at: usize| !text[at + word.len()..].starts_with(|c: char| c.is_ascii_alphanumeric() || "_-".contains(c));
    text.match_indices(word).any(|(at, _)| ends(at))
}

#[test]
fn every_output_of_the_contract_is_there() {
    let wanted: [(&str, &[&str]); 3] = [
        ("aws", &["vpc_id", "eks_cluster_name", "eks_cluster_endpoint", "databases", "caches", "custom_secret_arns"]),
        (
            "gcp",
            &[
                "gke_cluster_name",
                "gke_cluster_endpoint",
                "gke_cluster_ca_certificate",
                "cloud_sql_connection_name",
                "cloud_sql_ip",
                "cloud_sql_database",
                "artifact_registry_urls",
                "custom_secret_ids",
                "custom_secret_names",
                "memorystore_host",
                "memorystore_port",
                "cloud_dns_name_servers",
                "cloud_dns_zone_name",
                "network_self_link",
                "private_subnet_self_link",
                "region_short",
                "project_id",
                "databases",
                "caches",
                "external_dns_service_account",
                "external_secrets_service_account",
            ],
        ),
        (
            "azure",
            &[
                "aks_cluster_name",
                "aks_cluster_endpoint",
                "resource_group_name",
                "azure_db_fqdn",
                "acr_login_server",
                "custom_secret_ids",
                "azure_cache_hostname",
                "azure_dns_name_servers",
                "location_short",
                "databases",
                "caches",
                "external_dns_client_id",
                "external_secrets_client_id",
                "tenant_id",
            ],
        ),
    ];
    for (cloud, outputs) in wanted {
        let template = Template::read(cloud);
        for wanted in outputs {
            let found = template.of_kind("output").find(|output| name(output) == *wanted);
            let found = found.unwrap_or_else(|| panic!("{cloud} has no output {wanted}"));
            assert!(attribute(found, "value").is_some());
        }
    }
}
