//! Hostile words in every field: passed literally or refused at their place, never an option.

use executor_api::testing::{assert_no_option, hostile_words, is_plain};
use serde_json::{Value, json};

use crate::player::{Player, application, core_payload, payload, run};

fn set(payload: &Value, pointer: &str, word: &str) -> Value {
    let mut payload = payload.clone();
    *payload.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is in the payload")) = json!(word);
    payload
}

/// Every argument is a word of ours, `--key=value`, or stands behind `--`.
fn check(call: &[String], what: &str) {
    const FLAGS: [&str; 13] = [
        "--client",
        "--short",
        "--async",
        "--upsert",
        "--prune",
        "--force",
        "--dry-run",
        "--yes",
        "--refresh",
        "--server-side",
        "--force-conflicts",
        "--grpc-web",
        "--ignore-not-found",
    ];
    const KEYS: [&str; 20] = [
        "--server=",
        "--prompts-enabled=false",
        "--output=json",
        "--info=alethia-job=",
        "--revision=",
        "--resource=",
        "--file=/",
        "--cascade=",
        "--propagation-policy=",
        "--grpc-web-root-path=/",
        "--server-crt=/",
        "--kubeconfig=/",
        "--namespace=",
        "--request-timeout=60s",
        "--cache-dir=/",
        "--field-manager=alethia",
        "--filename=/",
        "--patch-file=/",
        "--type=",
        "--timeout=",
    ];
    assert_no_option(call, &FLAGS, &KEYS, what);
}

/// A player whose every answer is a good one.
fn friendly() -> Player {
    let player = Player::new(
        r#"case "$1 $2" in "app get") [ -e $here/deleted ] && fatal "rpc error: code = PermissionDenied desc = x" ;; "app delete") touch $here/deleted ;; esac"#,
    );
    player.says("hurry", "").says("app", &application("Synced", "Healthy", None, json!({})));
    player.says("after", &application("Synced", "Healthy", Some("Succeeded"), json!({})));
    player
}

/// The error of a payload that is refused.
async fn refusal(payload: &Value) -> String {
    let player = friendly();
    let taken = |_| panic!("it was taken: {:.400}", payload.to_string());
    run(&player.job(payload)).await.map_or_else(|error| error.to_string(), taken)
}

/// Where a word may go.
#[derive(Clone, Copy)]
enum Goes {
    /// Into a document, as it is.
    Document,
    /// Into an argument, as `--key=word` or behind `--`.
    Argument,
    /// Into the environment or a request, but into no argument.
    Hidden,
}

async fn table(payload: Value, pointers: &[(&str, Goes)]) {
    for (pointer, goes) in pointers {
        for word in hostile_words() {
            let player = friendly();
            let job = player.job(&set(&payload, pointer, &word));
            let what = format!("{pointer} = {:?}", word.chars().take(40).collect::<String>());
            let ended = run(&job).await;
            let calls = player.calls();
            for call in &calls {
                check(call, &what);
            }
            if let Err(error) = ended {
                let text = error.to_string();
                // The key of a map is refused with its value, an option of two with both.
                assert!(text.starts_with(&format!("{pointer}: ")), "{what}: {text}");
                assert_eq!(job.commits(), 0, "{what}");
                continue;
            }
            match goes {
                Goes::Document => {
                    let documents = player.read("documents");
                    let documents: Vec<Value> =
                        serde_json::Deserializer::from_str(&documents).into_iter().map(Result::unwrap).collect();
                    assert!(documents.iter().any(|document| holds(document, &word)), "{what}: {documents:?}");
                    assert!(word.len() < 4 || !calls.iter().flatten().any(|arg| arg.contains(&word)), "{what}");
                }
                Goes::Argument => {
                    let is_part = |arg: &str| arg.split(['=', ':', '/']).any(|part| part == word);
                    let is_there = |arg: &String| *arg == word || arg.ends_with(&format!("={word}")) || is_part(arg);
                    assert!(calls.iter().flatten().any(is_there), "{what}: {calls:?}");
                }
                Goes::Hidden => {
                    assert!(word.len() < 4 || !calls.iter().flatten().any(|arg| arg.contains(&word)), "{what}");
                }
            }
        }
    }
}

/// Whether some text of a document is the word, or ends with it (a parameter's name, a list's item).
fn holds(document: &Value, word: &str) -> bool {
    match document {
        Value::String(text) => text == word,
        Value::Array(items) => items.iter().any(|item| holds(item, word)),
        Value::Object(fields) => fields.iter().any(|(key, value)| key == word || holds(value, word)),
        _ => false,
    }
}

#[tokio::test]
async fn where_and_who() {
    use Goes::{Argument, Hidden};
    let base = payload("status", json!({ "namespace": "argocd", "argocd_version": ">=3" }));
    table(base.clone(), &[("/namespace", Argument), ("/application", Argument), ("/auth/token", Hidden)]).await;
    for word in hostile_words() {
        let player = friendly();
        match run(&player.job(&set(&base, "/server", &word))).await {
            Err(error) => assert!(error.to_string().starts_with("/server: "), "{word:?}: {error}"),
            // A number is an address in other words.
            Ok(_) if is_plain(&word) => {}
            // It may have a path.
            Ok(_) => {
                let host = word.trim_start_matches("https://").split('/').next().unwrap().trim_end_matches(':');
                let addresses = [format!("--server={host}"), format!("--server={host}:443")];
                assert!(player.calls().iter().flatten().any(|arg| addresses.contains(arg)), "{word:?}");
            }
        }
    }
    for word in hostile_words().into_iter().filter(|word| !is_plain(word) && word != "*") {
        let text = refusal(&set(&base, "/argocd_version", &word)).await;
        assert!(text.starts_with("/argocd_version: "), "{word:?}: {text}");
    }
}

#[tokio::test]
async fn what_to_sync() {
    use Goes::Argument;
    let resource = json!({ "group": "apps", "kind": "Deployment", "name": "web", "namespace": "x" });
    let base = payload("sync", json!({ "revision": "main", "resources": [resource], "timeout": "5m" }));
    let resources = ["/resources/0/group", "/resources/0/kind", "/resources/0/name", "/resources/0/namespace"];
    for pointer in resources.into_iter().chain(["/revision"]) {
        table(base.clone(), &[(pointer, Argument)]).await;
    }
    for word in hostile_words() {
        let text = refusal(&set(&base, "/timeout", &word)).await;
        assert!(text.starts_with("/timeout: "), "{word:?}: {text}");
    }
}

fn spec() -> Value {
    json!({
        "source": { "repo": "https://git.example/a", "path": "web", "revision": "main",
                    "helm": { "release_name": "web", "values": { "a": "b" }, "value_files": ["values.yaml"], "parameters": { "a": "b" } },
                    "kustomize": { "name_prefix": "a-", "name_suffix": "-b", "images": ["web=web:1"] },
                    "directory": { "include": "*.yaml", "exclude": "x" } },
        "destination": { "server": "https://cluster.example", "namespace": "x" },
        "project": "default",
        "sync_policy": { "sync_options": ["CreateNamespace=true"], "retry": { "limit": 1, "delay": "5s", "longest_delay": "1m" } },
        "ignore_differences": [{ "group": "apps", "kind": "Deployment", "name": "a", "namespace": "x",
                                 "json_pointers": ["/spec/replicas"], "jq_path_expressions": [".a"] }],
        "labels": { "a": "b" }, "annotations": { "a": "b" },
    })
}

#[tokio::test]
async fn what_an_application_is() {
    let pointers = [
        "/spec/source/repo",
        "/spec/source/path",
        "/spec/source/revision",
        "/spec/source/helm/release_name",
        "/spec/source/helm/values/a",
        "/spec/source/helm/value_files/0",
        "/spec/source/helm/parameters/a",
        "/spec/source/kustomize/name_prefix",
        "/spec/source/kustomize/name_suffix",
        "/spec/source/kustomize/images/0",
        "/spec/source/directory/include",
        "/spec/source/directory/exclude",
        "/spec/destination/server",
        "/spec/destination/namespace",
        "/spec/project",
        "/spec/sync_policy/sync_options/0",
        "/spec/sync_policy/retry/delay",
        "/spec/sync_policy/retry/longest_delay",
        "/spec/ignore_differences/0/group",
        "/spec/ignore_differences/0/kind",
        "/spec/ignore_differences/0/name",
        "/spec/ignore_differences/0/namespace",
        "/spec/ignore_differences/0/json_pointers/0",
        "/spec/ignore_differences/0/jq_path_expressions/0",
        "/spec/labels/a",
        "/spec/annotations/a",
    ];
    for pointer in pointers {
        // An empty group is the core group.
        if pointer.ends_with("/group") {
            continue;
        }
        table(payload("app", json!({ "spec": spec() })), &[(pointer, Goes::Document)]).await;
    }
    let named = json!({ "source": { "repo": "https://charts.example", "chart": "web", "revision": "1.0.0" }, "destination": { "name": "prod" } });
    for pointer in ["/spec/source/chart", "/spec/source/revision", "/spec/destination/name"] {
        table(core_payload("app", json!({ "spec": named })), &[(pointer, Goes::Document)]).await;
    }
}

#[tokio::test]
async fn what_a_project_is() {
    let kind = json!([{ "group": "apps", "kind": "Deployment" }]);
    let project = json!({ "name": "p", "description": "d", "source_repos": ["*"], "destinations": [{ "server": "*", "namespace": "*" }],
                          "cluster_resources": kind, "namespace_resources": kind, "refused_namespace_resources": kind });
    for pointer in [
        "/project/name",
        "/project/description",
        "/project/source_repos/0",
        "/project/destinations/0/server",
        "/project/destinations/0/namespace",
        "/project/cluster_resources/0/kind",
        "/project/namespace_resources/0/kind",
        "/project/refused_namespace_resources/0/kind",
    ] {
        table(payload("project", json!({ "application": null, "project": project })), &[(pointer, Goes::Document)])
            .await;
    }
}

#[tokio::test]
async fn what_a_repository_is() {
    use base64::Engine;
    let repository = json!({ "url": "https://git.example/a", "name": "n", "username": "u", "password": "p", "project": "x", "secret_name": "s" });
    let base = core_payload("repo", json!({ "application": null, "repository": repository }));
    let usual = friendly();
    run(&usual.job(&base)).await.unwrap();
    let usual = usual.calls().concat();
    table(base.clone(), &[("/repository/secret_name", Goes::Document)]).await;
    for (pointer, field) in
        [("url", "url"), ("name", "name"), ("username", "username"), ("password", "password"), ("project", "project")]
    {
        for word in hostile_words() {
            let player = friendly();
            let job = player.job(&set(&base, &format!("/repository/{pointer}"), &word));
            match run(&job).await {
                Err(error) => {
                    let text = error.to_string();
                    let is_unsafe =
                        pointer == "url" && text.starts_with("/repository/password: credentials go over https");
                    assert!(is_unsafe || text.starts_with(&format!("/repository/{pointer}: ")), "{text}");
                }
                Ok(_) => {
                    let secret: Value = serde_json::from_str(&player.read("documents")).unwrap();
                    let encoded = secret["data"][field].as_str().unwrap();
                    assert_eq!(base64::engine::general_purpose::STANDARD.decode(encoded).unwrap(), word.as_bytes());
                }
            }
            let is_ours = word.len() < 4 || usual.iter().any(|arg| arg.contains(&word));
            let is_shown = player.calls().iter().flatten().any(|arg| arg.contains(&word));
            assert!(is_ours || !is_shown, "{pointer} {word:?}");
        }
    }
}

#[tokio::test]
async fn what_is_installed() {
    let manifest = json!({ "source": { "files": { "a/install.yaml": "x" } }, "path": "a/install.yaml" });
    let base = core_payload(
        "install",
        json!({ "application": null, "namespace": "argocd", "install": { "manifest": manifest } }),
    );
    for word in hostile_words() {
        // A word that is no name is refused; one that is may be one. The source has a root and a folder.
        if !is_plain(&word) {
            let text = refusal(&set(&base, "/namespace", &word)).await;
            assert!(text.starts_with("/namespace: "), "{word:?}: {text}");
        }
        if ![".", "./", "a/"].contains(&word.as_str()) {
            let text = refusal(&set(&base, "/install/manifest/path", &word)).await;
            assert!(text.starts_with("/install/manifest/path: "), "{word:?}: {text}");
        }
        // Nobody is asked.
        if !word.starts_with("https://") {
            let from_web = json!({ "url": word, "sha256": "0".repeat(64) });
            let payload = core_payload("install", json!({ "application": null, "install": { "manifest": from_web } }));
            let text = refusal(&payload).await;
            assert!(text.starts_with("/install/manifest/url: "), "{word:?}: {text}");
        }
        let pinned = json!({ "url": "https://manifests.example/x", "sha256": word });
        let payload = core_payload("install", json!({ "application": null, "install": { "manifest": pinned } }));
        let text = refusal(&payload).await;
        assert!(text.starts_with("/install/manifest/sha256: "), "{word:?}: {text}");
        let payload = core_payload("install", json!({ "application": null, "install": { "release": word } }));
        if !is_plain(&word) {
            let text = refusal(&payload).await;
            assert!(text.starts_with("/install/release: "), "{word:?}: {text}");
        }
    }
}

#[tokio::test]
async fn certificates() {
    for word in hostile_words() {
        let base = payload("status", json!({ "tls": { "ca_certificate": word } }));
        let text = refusal(&base).await;
        assert!(text.starts_with("/tls/ca_certificate: "), "{word:?}: {text}");
    }
}
