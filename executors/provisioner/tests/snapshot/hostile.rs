//! Whatever stands in a field: it is refused at its place, or carried as plain JSON, and never becomes anything else.

use executor_api::ExecutorError;
use executor_provisioner::Snapshot;
use executor_provisioner::tfvars::tfvars;
use serde_json::{Value, json};

use crate::environments::{PROVIDERS, full, read};
use crate::leaves::{leaves, with};
use crate::strategies::flat;

fn texts() -> Vec<String> {
    let mut texts: Vec<_> = [
        "-rf",
        "--var=x",
        "../../etc/passwd",
        "a b",
        "a\nb",
        "a\0b",
        "$(id)",
        "`id`",
        "${file(\"/etc/passwd\")}",
        "%{ if true }x%{ endif }",
        "{{ .Values.x }}",
        "'; drop table jobs; --",
        "\"quoted\"",
        "back\\slash",
        "über",
        "\u{202e}gnp.exe",
        "a,b={c}",
        "@file",
        "|sh",
        "<!--",
        "\u{1b}[31mred",
    ]
    .map(str::to_owned)
    .into();
    texts.push("a".repeat(5_000));
    texts
}

/// Texts that are no names: hidden from all, or any line that somebody may type.
fn may_be_anything(at: &str, provider: &str) -> bool {
    let is_secret = matches!(at, "/git_access_token" | "/cluster/kubeconfig");
    is_secret || (provider != "aws" && at.starts_with("/topics/") && at.ends_with("/endpoint"))
}

#[test]
fn a_hostile_text_is_refused_at_its_place() {
    for provider in PROVIDERS {
        for payload in [full(provider), flat(&full(provider))] {
            let before = tfvars(&read(&payload));
            for (at, _) in leaves(&payload).into_iter().filter(|(_, value)| value.is_string()) {
                for text in texts() {
                    match Snapshot::read(&with(&payload, &at, json!(text)), None) {
                        Err(ExecutorError::InvalidInput { pointer: Some(pointer), message }) => {
                            assert_eq!(pointer, at, "{text:?}: {message}");
                            assert!(
                                (1..1000).contains(&message.len()) && !message.contains(char::is_control),
                                "{at}: {message}"
                            );
                        }
                        Err(error) => panic!("{at}: {error:?}"),
                        Ok(snapshot) => {
                            assert!(may_be_anything(&at, provider), "{at} took {text:?}");
                            assert_eq!(tfvars(&snapshot).keys().collect::<Vec<_>>(), before.keys().collect::<Vec<_>>());
                            assert!(!json!(tfvars(&snapshot)).to_string().contains(&text), "{at}: {text:?}");
                        }
                    }
                }
            }
        }
    }
}

#[test]
fn a_value_of_another_type_is_refused_at_its_place() {
    let wrong = [json!([{}]), json!({ "a": 1 }), json!(-1), json!(1e300), json!(u64::MAX), json!("\u{7f}")];
    for provider in PROVIDERS {
        for payload in [full(provider), flat(&full(provider))] {
            for (at, right) in leaves(&payload) {
                for wrong in &wrong {
                    let is_text = wrong.is_string() && right.is_string();
                    // Which amount is too much only its submitter knows.
                    let is_amount = at == "/cost_ceiling_monthly";
                    match Snapshot::read(&with(&payload, &at, wrong.clone()), None) {
                        Err(ExecutorError::InvalidInput { pointer: Some(pointer), .. }) => {
                            assert!(pointer.starts_with(&at), "{pointer} instead of {at}: {wrong}");
                        }
                        Err(error) => panic!("{at}: {error:?}"),
                        Ok(_) => assert!(is_amount || (is_text && may_be_anything(&at, provider)), "{at} took {wrong}"),
                    }
                }
            }
        }
    }
}

#[test]
fn what_is_no_object_is_refused() {
    for payload in [Value::Null, json!([]), json!("x"), json!(1)] {
        assert!(Snapshot::read(&payload, None).is_err());
    }
}

#[test]
fn a_secret_is_in_no_variable_no_debug_text_and_no_json() {
    for provider in PROVIDERS {
        let mut payload = full(provider);
        payload["git_access_token"] = json!("hunter2-token");
        payload["cluster"]["kubeconfig"] = json!("hunter2-kubeconfig");
        let snapshot = read(&payload);
        assert_eq!(snapshot.git_access_token.as_deref(), Some("hunter2-token"));
        assert_eq!(snapshot.cluster.kubeconfig.as_deref(), Some("hunter2-kubeconfig"));
        for shown in [format!("{snapshot:?}"), json!(snapshot).to_string(), json!(tfvars(&snapshot)).to_string()] {
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }
}
