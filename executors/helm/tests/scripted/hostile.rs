//! Hostile words in every field: passed literally or refused at their place, never an option.

use executor_api::testing::{assert_no_option, hostile_words, is_plain};
use serde_json::{Value, json};

use crate::player::{Player, listed, payload, run, upgrade};

fn set(payload: &Value, pointer: &str, word: &str) -> Value {
    let mut payload = payload.clone();
    *payload.pointer_mut(pointer).unwrap_or_else(|| panic!("{pointer} is in the payload")) = json!(word);
    payload
}

/// Every argument is a word of ours, `--key=value`, or stands behind `--`.
fn check(call: &[String], what: &str) {
    const FLAGS: [&str; 12] = [
        "--install",
        "--reset-values",
        "--wait",
        "--atomic",
        "--create-namespace",
        "--all",
        "--show-resources",
        "--keep-history",
        "--plain-http",
        "--fail-on-repo-update-fail",
        "--no-hooks",
        "--dry-run=server",
    ];
    const KEYS: [&str; 13] = [
        "--kubeconfig=",
        "--namespace=",
        "--timeout=",
        "--labels=",
        "--description=",
        "--values=",
        "--output=",
        "--filter=",
        "--selector=",
        "--revision=",
        "--version=",
        "--destination=",
        "--template=",
    ];
    assert_no_option(call, &FLAGS, &KEYS, what);
}

/// A player whose every answer is a good one.
fn friendly() -> Player {
    let player = Player::new(
        "case $1 in pull) for a in \"$@\"; do case $a in --destination=*) touch \"${a#*=}/c.tgz\" ;; esac; done ;; esac",
    );
    player.says("state", &listed(3, "deployed")).says("history", r#"[{"revision":2,"status":"superseded"}]"#);
    player
}

/// Runs one payload per field and word; a field may take some words, and then the call must show them as they are.
async fn table(payload: Value, pointers: &[&str]) {
    let usual = friendly();
    run(&usual.job(&payload)).await.unwrap();
    let usual = usual.calls().concat();
    for pointer in pointers {
        for word in hostile_words() {
            let player = friendly();
            let job = player.job(&set(&payload, pointer, &word));
            let what = format!("{pointer} = {:?}", word.chars().take(40).collect::<String>());
            let ended = run(&job).await;
            let calls = player.calls();
            for call in &calls {
                check(call, &what);
            }
            match ended {
                Err(error) => {
                    let text = error.to_string();
                    let place = text.strip_prefix(pointer);
                    assert!(place.is_some_and(|rest| rest.starts_with([':', '/'])), "{what}: {text}");
                    assert_eq!(job.commits(), 0, "{what}");
                }
                Ok(_) if pointer.starts_with("/chart/version") => {
                    assert!(calls.iter().flatten().any(|arg| *arg == format!("--version={word}")), "{what}");
                }
                // An address goes into a private file, as a name and a password do.
                Ok(_) if ["/chart/repo", "/chart/username", "/chart/password"].contains(pointer) => {
                    let is_ours = word.len() < 4 || usual.iter().any(|arg| arg.contains(&word));
                    assert!(is_ours || !calls.iter().flatten().any(|arg| arg.contains(&word)), "{what}");
                }
                Ok(_) => {
                    let last_two =
                        |call: &[String]| call.iter().skip_while(|arg| *arg != "--").any(|arg| arg.contains(&word));
                    assert!(
                        calls.iter().any(|call| last_two(call))
                            || calls.iter().flatten().any(|arg| arg.ends_with(&format!("={word}"))),
                        "{what}: {calls:?}"
                    );
                }
            }
        }
    }
}

#[tokio::test]
async fn names_and_times() {
    let rollback = payload("rollback", json!({}), json!({ "timeout": "5m", "helm_version": ">=3" }));
    table(rollback, &["/release", "/namespace", "/timeout"]).await;
}

#[tokio::test]
async fn versions_of_the_program() {
    for word in hostile_words().into_iter().filter(|word| !is_plain(word) && word != "*" && !word.is_empty()) {
        let player = Player::new("");
        let text = run(&player.job(&upgrade(json!({ "helm_version": word })))).await.unwrap_err().to_string();
        assert!(text.starts_with("/helm_version: "), "{text}");
        assert_eq!(player.calls().len(), 0);
    }
}

#[tokio::test]
async fn charts_of_a_source() {
    let chart = json!({ "source": { "files": { "app/Chart.yaml": "name: web\nversion: 1.0.0\n" } }, "path": "app" });
    table(upgrade(json!({ "chart": chart })), &["/chart/path"]).await;
}

#[tokio::test]
async fn charts_of_a_repository() {
    let chart = json!({ "repo": "https://charts.example", "name": "web", "version": "1.0.0", "username": "u", "password": "p" });
    let fields = ["/chart/repo", "/chart/name", "/chart/version", "/chart/username", "/chart/password"];
    table(upgrade(json!({ "chart": chart })), &fields).await;
}

#[tokio::test]
async fn charts_of_a_registry() {
    let chart = json!({ "oci": "oci://registry.example/web", "version": "1.0.0", "username": "u", "password": "p" });
    table(upgrade(json!({ "chart": chart })), &["/chart/oci", "/chart/version", "/chart/username", "/chart/password"])
        .await;
}

#[tokio::test]
async fn clusters() {
    table(upgrade(json!({})), &["/cluster/kubeconfig"]).await;
}

#[tokio::test]
async fn values_reach_helm_literally_and_by_a_private_file_only() {
    let mut values = serde_json::Map::new();
    for word in hostile_words().into_iter().filter(|word| word.len() < 500) {
        values.insert(word.clone(), json!({ "list": [word], "text": word }));
    }
    values.insert("long".to_owned(), json!("x".repeat(100_000)));
    let player = Player::new("");
    let secret = json!({ "password": "hunter2-hunter2", "--set": "-f/etc/passwd" });
    let job = player.job(&upgrade(json!({ "values": values, "secret_values": secret })));
    run(&job).await.unwrap();
    let written = player.read("values");
    let documents: Vec<Value> =
        serde_json::Deserializer::from_str(&written).into_iter().collect::<Result<_, _>>().unwrap();
    assert_eq!(documents, [Value::Object(values), secret]);
    assert_eq!(player.read("modes"), "600\n600\n");
    for call in player.calls() {
        check(&call, "values");
        assert!(!call.iter().any(|arg| arg.contains("hunter2") || arg.contains("/etc/passwd")), "{call:?}");
    }
    let left: Vec<_> = std::fs::read_dir(&job.context.paths().temp).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
    assert!(!job.log().contains("hunter2"));
}

#[tokio::test]
async fn credentials_are_in_private_files_and_gone_afterwards() {
    let files = "HELM_REPOSITORY_CONFIG HELM_REGISTRY_CONFIG";
    let test = format!(
        "case $1 in pull|repo) for v in {files}; do eval f=\\$$v; if [ -f \"$f\" ]; then cat \"$f\" >> $here/config; stat -c %a \"$f\" >> $here/config-modes; fi; done ;; esac
case $1 in pull) for a in \"$@\"; do case $a in --destination=*) touch \"${{a#*=}}/c.tgz\" ;; esac; done ;; esac"
    );
    for (chart, expected) in [
        (json!({ "repo": "https://charts.example", "name": "web" }), "hunter2-hunter2"),
        (json!({ "oci": "oci://registry.example/web" }), "dGVhbTpodW50ZXIyLWh1bnRlcjI="),
    ] {
        let mut chart = chart;
        chart["username"] = json!("team");
        chart["password"] = json!("hunter2-hunter2");
        let player = Player::new(&test);
        let job = player.job(&upgrade(json!({ "chart": chart })));
        run(&job).await.unwrap();
        assert!(player.read("config").contains(expected), "{}", player.read("config"));
        assert!(player.read("config-modes").lines().all(|mode| mode == "600"));
        for call in player.calls() {
            assert!(!call.iter().any(|arg| arg.contains("hunter2") || arg.contains("aHVudGVy")), "{call:?}");
        }
        assert!(!player.read("env").contains("hunter2") && !job.log().contains("hunter2"));
        assert_eq!(std::fs::read_dir(&job.context.paths().temp).unwrap().count(), 0);
    }
}
