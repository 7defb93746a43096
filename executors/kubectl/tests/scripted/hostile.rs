//! Hostile words in every field: passed literally or refused at their place, never an option.

use executor_api::testing::{assert_no_option, hostile_words};
use serde_json::{Value, json};

use crate::player::{MANIFEST, Player, apply, payload, run};

/// Each field that takes a word, in a payload in which all else is good.
fn fields() -> Vec<(Value, &'static str)> {
    let named = |action: &str, more: &Value| {
        let mut fields = json!({ "resources": ["pod/a"] });
        fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        payload(action, &fields)
    };
    let files = json!({ "source": { "files": { "a.yaml": MANIFEST } }, "path": "a.yaml" });
    let selector = json!({ "server_side": false,
                           "prune": { "selector": { "labels": "a=b", "kinds": ["core/v1/ConfigMap"] } } });
    let jsonpath = json!({ "until": { "jsonpath": { "path": "{.a}", "value": "b" } } });
    vec![
        (apply(&json!({})), "/manifests/inline"),
        (payload("apply", &json!({ "manifests": files })), "/manifests/path"),
        (apply(&json!({})), "/namespace"),
        (apply(&json!({ "wait": true, "timeout": "5s" })), "/timeout"),
        (apply(&json!({ "version": ">=1.2" })), "/version"),
        (apply(&json!({ "prune": { "applyset": "web" } })), "/prune/applyset"),
        (apply(&selector), "/prune/selector/labels"),
        (apply(&selector), "/prune/selector/kinds/0"),
        (apply(&json!({})), "/cluster/kubeconfig"),
        (named("get", &json!({})), "/resources/0"),
        (named("delete", &json!({})), "/resources/0"),
        (named("wait", &json!({ "until": { "condition": "Ready" } })), "/resources/0"),
        (named("rollout_status", &json!({})), "/resources/0"),
        (named("get", &json!({ "resources": ["pods"], "selector": "a=b" })), "/selector"),
        (named("delete", &json!({ "resources": ["pods"], "selector": "a=b" })), "/selector"),
        (named("wait", &json!({ "until": { "condition": "Ready" } })), "/until/condition"),
        (named("wait", &json!({ "until": { "condition_false": "Ready" } })), "/until/condition_false"),
        (named("wait", &jsonpath), "/until/jsonpath/path"),
        (named("wait", &jsonpath), "/until/jsonpath/value"),
    ]
}

/// Every argument is a word of ours, `--key=value` with a key of ours, or stands behind `--`.
fn check(call: &[String], what: &str) {
    const WORDS: [&str; 7] = ["get", "apply", "delete", "wait", "rollout", "status", "version"];
    const FLAGS: [&str; 11] = [
        "--all",
        "--client",
        "--output=json",
        "--recursive",
        "--server-side",
        "--force-conflicts",
        "--prune",
        "--ignore-not-found",
        "--show-managed-fields",
        "--wait=true",
        "--wait=false",
    ];
    const KEYS: [&str; 12] = [
        "--kubeconfig=",
        "--cache-dir=",
        "--namespace=",
        "--request-timeout=",
        "--filename=./",
        "--field-manager=",
        "--applyset=",
        "--selector=",
        "--prune-allowlist=",
        "--timeout=",
        "--for=condition=",
        "--for=jsonpath=",
    ];
    assert_no_option(call, &FLAGS, &KEYS, what);
    let mut before = call.iter().take_while(|arg| *arg != "--");
    assert!(before.clone().all(|arg| arg.starts_with('-') || WORDS.contains(&arg.as_str())), "{what}: {call:?}");
    assert!(call[0] == "wait" || before.all(|arg| arg != "--all"), "{what}: {call:?}");
    assert!(call.iter().skip_while(|arg| *arg != "--").skip(1).all(|arg| !arg.starts_with('-')), "{what}: {call:?}");
}

#[tokio::test]
async fn no_word_of_a_payload_is_ever_an_option() {
    let player = Player::new("");
    let (mut passed, mut refused) = (0, 0);
    for (payload, field) in fields() {
        for word in hostile_words() {
            let what = format!("{field} = {:?}", word.chars().take(30).collect::<String>());
            let mut payload = payload.clone();
            *payload.pointer_mut(field).unwrap() = json!(word);
            std::fs::write(player.file("calls"), "").unwrap();
            let job = player.job(&payload);
            match run(&job).await {
                Ok(_) => passed += 1,
                Err(error) => {
                    refused += 1;
                    let text = error.to_string();
                    assert!(text.starts_with(field) || is_named(&text, field), "{what}: {text:.300}");
                    assert!(text.len() < 2000, "{what}: the refusal repeats what was given");
                    assert_eq!(job.commits(), 0, "{what}");
                }
            }
            for call in player.calls() {
                check(&call, &what);
            }
        }
    }
    assert!(refused > 500 && passed > 20, "{refused} refused, {passed} passed");
}

/// A kind that is none, or a selector without names, is refused at the other of the two fields.
fn is_named(text: &str, field: &str) -> bool {
    match field {
        "/resources/0" => text.starts_with("/selector: ") || text.starts_with("/resources: "),
        "/version" => text.starts_with("the job wants kubectl"),
        _ => false,
    }
}

#[tokio::test]
async fn words_that_are_taken_arrive_as_they_were_given() {
    let player = Player::new("");
    let until = json!({ "jsonpath": { "path": "{.metadata.labels.a\\.b/c}", "value": "--x=$(id),@y {z}" } });
    run(&player.job(&payload("wait", &json!({ "resources": ["pod/a", "svc/b"], "until": until })))).await.unwrap();
    let call = player.calls().pop().unwrap();
    assert!(call.contains(&"--for=jsonpath={.metadata.labels.a\\.b/c}=--x=$(id),@y {z}".to_owned()), "{call:?}");
    assert_eq!(call[call.len() - 3..], ["--", "pod/a", "svc/b"]);
}

#[tokio::test]
async fn a_field_without_effect_is_refused_by_name() {
    let player = Player::new("");
    let manifests = json!({ "inline": MANIFEST });
    for (action, more, place) in [
        ("apply", json!({}), "/manifests"),
        ("get", json!({}), "/resources"),
        ("get", json!({ "manifests": manifests, "resources": ["pods"] }), "/resources"),
        ("get", json!({ "manifests": manifests, "selector": "a=b" }), "/selector"),
        ("apply", json!({ "manifests": manifests, "resources": ["pod/a"] }), "/resources"),
        ("apply", json!({ "manifests": manifests, "until": { "deleted": {} } }), "/until"),
        ("apply", json!({ "manifests": {} }), "/manifests"),
        ("apply", json!({ "manifests": { "inline": MANIFEST, "path": "a" } }), "/manifests/path"),
        ("apply", json!({ "manifests": manifests, "force_conflicts": true, "server_side": false }), "/force_conflicts"),
        ("apply", json!({ "manifests": manifests, "prune": { "applyset": "a" }, "namespace": null }), "/namespace"),
        ("diff", json!({ "manifests": manifests, "prune": { "applyset": "a" } }), "/prune/applyset"),
        (
            "apply",
            json!({ "manifests": manifests, "prune": { "selector": { "labels": "a", "kinds": ["core/v1/Pod"] } } }),
            "/prune/selector",
        ),
        (
            "apply",
            json!({ "manifests": manifests, "server_side": false, "prune": { "selector": { "labels": "a", "kinds": [] } } }),
            "/prune/selector/kinds",
        ),
        ("delete", json!({ "resources": ["pods"] }), "/selector"),
        ("delete", json!({ "resources": ["pod/a"], "server_side": false }), "/server_side"),
        ("rollout_status", json!({ "resources": ["deployments"] }), "/resources"),
        ("wait", json!({ "resources": ["pods"] }), "/until"),
        ("wait", json!({ "resources": ["pods"], "until": { "deleted": {} }, "wait": true }), "/wait"),
        ("get", json!({ "resources": ["pod/a"], "timeout": "0s" }), "/timeout"),
    ] {
        let text = run(&player.job(&payload(action, &more))).await.unwrap_err().to_string();
        assert!(text.starts_with(&format!("{place}: ")), "{action} {more}: {text}");
    }
    assert!(player.calls().is_empty());
}

#[tokio::test]
async fn a_file_that_leads_out_of_the_source_is_refused() {
    let player = Player::new("");
    let job = player.job(&json!({}));
    let folder = job.context.work_dir();
    std::fs::write(folder.join("a.yaml"), MANIFEST).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", folder.join("b.yaml")).unwrap();
    let read = |path: &str| executor_kubectl::ManifestFiles::read(&job.context, folder, path, "/path");
    for path in [".", "b.yaml", "..", "/etc", "nowhere"] {
        assert!(read(path).unwrap_err().to_string().starts_with("/path: "), "{path}");
    }
    read("a.yaml").unwrap();
    std::fs::remove_file(folder.join("b.yaml")).unwrap();
    std::os::unix::fs::symlink("a.yaml", folder.join("b.yaml")).unwrap();
    read(".").unwrap();
}

#[test]
fn the_schema_says_which_fields_are_secret() {
    let registry = executor_api::ExecutorRegistry::from_linked().unwrap();
    let schema = registry.get("kubectl").unwrap().info().schema;
    for place in ["/$defs/Manifests/properties/inline", "/$defs/Cluster/oneOf/0/properties/kubeconfig"] {
        assert_eq!(schema.pointer(place).unwrap()["writeOnly"], true, "{place}");
    }
}
