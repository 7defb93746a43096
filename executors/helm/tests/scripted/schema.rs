//! What the control plane knows of a payload: its schema.

use executor_api::ExecutorRegistry;
use executor_api::testing::TestJob;
use serde_json::{Value, json};

use crate::player::{payload, upgrade};

fn schema() -> Value {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("helm").unwrap().info().schema
}

#[test]
fn what_is_refused_in_the_end_is_refused_when_it_is_submitted() {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let place = |payload: &Value| validator.iter_errors(payload).next().map(|error| error.instance_path().to_string());
    let long = "a".repeat(54);
    for (field, value) in [
        ("release", json!("-n")),
        ("release", json!("--post-renderer=/bin/sh")),
        ("release", json!("A_B")),
        ("release", json!("a\n")),
        ("release", json!(long)),
        ("namespace", json!("a.b")),
        ("timeout", json!("5 parsecs")),
        ("timeout", json!("-5m")),
        ("revision", json!(0)),
        ("action", json!("template")),
        ("values", json!("--set=a=b")),
        ("chart", json!({})),
        ("chart", json!({ "repo": "https://charts.example" })),
        ("chart", json!({ "oci": "oci://a.example/b", "repo": "https://charts.example", "name": "b" })),
    ] {
        let found = place(&upgrade(json!({ field: value })));
        assert!(
            found.as_ref().is_some_and(|place| place.starts_with(&format!("/{field}"))),
            "{field} {value}: {found:?}"
        );
    }
    for field in ["post_renderer", "set", "namespaces", "kubeconfig"] {
        assert_eq!(place(&upgrade(json!({ field: "x" }))).as_deref(), Some(""), "{field}");
    }
    for good in [
        upgrade(json!({ "timeout": "90s", "values": { "a": [1] }, "secret_values": { "b": "c" } })),
        upgrade(
            json!({ "chart": { "repo": "https://charts.example", "name": "a", "username": "u", "password": "p" } }),
        ),
        upgrade(json!({ "chart": { "oci": "oci://registry.example/a" } })),
        payload("rollback", json!({}), json!({ "revision": 3 })),
    ] {
        assert_eq!(place(&good), None, "{good}");
    }
}

#[test]
fn secrets_are_marked_in_it_and_hidden_from_the_log() {
    let chart = json!({ "oci": "oci://registry.example/a", "username": "team", "password": "hunter1-hunter1" });
    let payload = upgrade(json!({ "chart": chart, "values": { "a": "not-a-secret" },
                                  "secret_values": { "deep": [{ "word": "hunter2-hunter2" }] } }));
    let job = TestJob::builder("helm", &payload).build().unwrap();
    let masked = |text: &str| job.context.log().masked(text);
    assert_eq!(masked("hunter1-hunter1 hunter2-hunter2 not-a-secret"), "*** *** not-a-secret");
}
