//! Nothing is open to everybody unless somebody asks for it in so many words.

use std::collections::BTreeSet;

use hcl::{Attribute, Block, Body, Expression};

use crate::template::{Template, name};

/// What opens something, as terraform says it, on any of the clouds.
const OPENS: [(&str, &str); 21] = [
    ("publicly_accessible", "true"),
    ("map_public_ip_on_launch", "true"),
    ("associate_public_ip_address", "true"),
    ("block_public_acls", "false"),
    ("block_public_policy", "false"),
    ("ignore_public_acls", "false"),
    ("restrict_public_buckets", "false"),
    ("acl", "\"public-read\""),
    ("ipv4_enabled", "true"),
    ("enable_private_nodes", "false"),
    ("public_access_prevention", "\"inherited\""),
    ("member", "\"allUsers\""),
    ("member", "\"allAuthenticatedUsers\""),
    ("public_network_access_enabled", "true"),
    ("public_network_access", "\"Enabled\""),
    ("node_public_ip_enabled", "true"),
    ("allow_nested_items_to_be_public", "true"),
    ("anonymous_pull_enabled", "true"),
    ("admin_enabled", "true"),
    ("local_auth_enabled", "true"),
    ("shared_access_key_enabled", "true"),
];

/// Whom a firewall lets in, where this says everybody.
const LETS_IN: [&str; 6] =
    ["cidr_blocks", "cidr_ipv4", "cidr_ipv6", "ipv6_cidr_blocks", "source_ranges", "source_address_prefix"];

/// What is open all the same: where, and why.
const OPEN: [(&str, &str, &str); 2] = [
    // There only for the buckets that the variables call public.
    ("gcp", "google_storage_bucket_iam_member.everybody", "member"),
    // Whoever runs terraform puts the secrets in from outside; access policies say who that is.
    ("azure", "azurerm_key_vault.this", "public_network_access_enabled"),
];

#[test]
fn nothing_is_public_that_nobody_asked_to_be() {
    let mut found = BTreeSet::new();
    for template in Template::all() {
        for resource in template.of_kind("resource") {
            let open = open_in(&template, resource.body(), resource.labels()[0].as_str());
            found.extend(open.into_iter().map(|key| (template.cloud, name(resource), key)));
        }
    }
    let known: BTreeSet<_> = OPEN.map(|(cloud, address, key)| (cloud, address.to_owned(), key.to_owned())).into();
    assert_eq!(found, known, "left: what is open; right: what is known to be and why");
}

/// The attributes that open this, here or in a block of it. `place` is the block, or the type of the resource.
fn open_in(template: &Template, body: &Body, place: &str) -> Vec<String> {
    let here = body.attributes().filter(|attribute| opens(template, attribute, place));
    let here = here.map(|attribute| attribute.key().to_owned());
    let within = body.blocks().flat_map(|block| open_in(template, block.body(), &place_of(block, place)));
    here.chain(within).collect()
}

/// A dynamic block is the block that it makes.
fn place_of(block: &Block, outer: &str) -> String {
    match (block.identifier(), block.labels().first()) {
        ("dynamic", Some(made)) => made.as_str().to_owned(),
        ("content", _) => outer.to_owned(),
        (other, _) => other.to_owned(),
    }
}

fn opens(template: &Template, attribute: &Attribute, place: &str) -> bool {
    let said = said(template, attribute.expr());
    let everybody = said.contains("\"0.0.0.0/0\"") || said.contains("\"::/0\"") || said == "\"*\"";
    let is_inbound = !place.contains("egress");
    OPENS.contains(&(attribute.key(), said.as_str())) || LETS_IN.contains(&attribute.key()) && everybody && is_inbound
}

/// What an attribute is where nobody says the variable that it comes from.
fn said(template: &Template, expression: &Expression) -> String {
    let text = hcl::format::to_string(expression).unwrap();
    let default = text.strip_prefix("var.").and_then(|variable| template.default_of(variable));
    default.map_or(text, |default| hcl::format::to_string(default).unwrap())
}
