//! How the template is written: formatted, documented, and without what nobody uses. No provider is needed.

use std::collections::BTreeSet;

use hcl::{Block, Body};

use crate::stage::{command, template, template_files, terraform};

#[test]
fn it_is_formatted() {
    let Some(terraform) = terraform() else { return };
    let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/template_aws");
    for folder in [template(), here] {
        let output = command(&terraform).args(["fmt", "-check", "-diff"]).arg(folder).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn every_variable_and_output_says_what_it_is() {
    for block in blocks().iter().filter(|block| ["variable", "output"].contains(&block.identifier())) {
        let has = |name: &str| block.body().attributes().any(|attribute| attribute.key() == name);
        let name = block.labels()[0].as_str();
        assert!(has("description"), "{name} has no description");
        assert!(block.identifier() == "output" || has("type"), "{name} has no type");
    }
}

#[test]
fn nothing_is_declared_in_vain() {
    let text =
        template_files().iter().map(|file| std::fs::read_to_string(file).unwrap()).collect::<Vec<_>>().join("\n");
    let words = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || "_.".contains(letter)));
    let words = words.collect::<BTreeSet<_>>();
    let is_used = |name: &str| words.iter().any(|word| *word == name || word.starts_with(&format!("{name}.")));
    for name in declared(&blocks()) {
        assert!(is_used(&name), "nobody uses {name}");
    }
}

#[test]
fn nothing_comes_from_elsewhere() {
    for block in blocks() {
        let name = block.identifier();
        assert!(!["module", "backend"].contains(&name), "{name}");
        assert!(
            name != "resource"
                || ["aws_", "terraform_data"].iter().any(|own| block.labels()[0].as_str().starts_with(own))
        );
        assert!(block.body().blocks().all(|inner| !["backend", "provisioner"].contains(&inner.identifier())));
    }
}

/// Karpenter tags what it starts with the cluster's name since version 1: of an older one that would be asked in vain.
#[test]
fn karpenter_may_start_what_its_installed_version_starts() {
    let source = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/after_apply/applications/aws.rs");
    let source = std::fs::read_to_string(source).unwrap();
    let version = source.split_once("repository: \"public.ecr.aws/karpenter\"").unwrap().1;
    let version = version.split_once("version: \"").unwrap().1;
    let is_old = version.starts_with("0.");
    let policy = std::fs::read_to_string(template().join("policy_karpenter.tf")).unwrap();
    let (before, _) = policy.split_once("variable = \"aws:RequestTag/eks:eks-cluster-name\"").unwrap();
    let test = before.rsplit_once("test     = ").unwrap().1.trim();
    assert_eq!(test == "\"StringEqualsIfExists\"", is_old, "{test}");
}

/// Variables, locals and lookups, as others refer to them.
fn declared(blocks: &[Block]) -> Vec<String> {
    let of = |block: &Block| match (block.identifier(), block.labels()) {
        ("variable", [name]) => vec![format!("var.{}", name.as_str())],
        ("data", [kind, name]) => vec![format!("data.{}.{}", kind.as_str(), name.as_str())],
        ("locals", _) => block.body().attributes().map(|local| format!("local.{}", local.key())).collect(),
        _ => Vec::new(),
    };
    blocks.iter().flat_map(of).collect()
}

fn blocks() -> Vec<Block> {
    let read = |file| hcl::parse(&std::fs::read_to_string(file).unwrap()).unwrap();
    template_files().iter().flat_map(|file| Body::into_blocks(read(file)).collect::<Vec<_>>()).collect()
}
