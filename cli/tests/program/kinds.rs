//! The README's worked example of each kind, as it stands there, with the real tools and a real cluster.

use std::fs;
use std::path::Path;

use serde_json::Value;
use system_tests::process::{infracost, missing, variable};

use crate::desk::{Desk, leaves};

/// The commands under the README's table of kinds: kind and words.
fn examples() -> Vec<(String, Vec<String>)> {
    let readme = fs::read_to_string(root().join("README.md")).unwrap();
    let section = readme.split_once("## What else it runs").unwrap().1.split_once("\n## ").unwrap().0.to_owned();
    let commands = section.lines().filter_map(|line| line.strip_prefix("$ alethia "));
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    commands.map(words).map(|words| (words[2].clone(), words)).collect()
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

#[tokio::test]
async fn each_example_of_the_readme_runs_as_it_is_written() {
    let Some(kubeconfig) = variable("ALETHIA_TEST_KUBECONFIG") else {
        return missing("there is no test cluster; `cargo xtask test` starts one");
    };
    let mut desk = Desk::new();
    std::os::unix::fs::symlink(root().join("examples"), desk.path("examples")).unwrap();
    fs::copy(kubeconfig, desk.path("kubeconfig")).unwrap();
    let server = desk.serve().await;
    let runner = desk.hire().await;
    let examples = examples();
    let kinds: Vec<_> = examples.iter().map(|(kind, _)| kind.as_str()).collect();
    assert_eq!(kinds, ["helm", "kubectl", "argocd", "infracost"], "one example per kind");
    for (kind, words) in examples {
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        if kind == "infracost" && infracost().is_none() {
            let why = desk.run(&["runner", "kinds"]).await.expect(0);
            assert!(why.out.contains("infracost"), "{}", why.out);
            continue;
        }
        let said = desk.run(&words).await;
        if kind == "infracost" {
            // There is no key here: what matters is that it says so.
            assert!(said.out.contains("INFRACOST_API_KEY"), "{}", said.out);
            continue;
        }
        let said = said.expect(0);
        let id = said.err.lines().find_map(|line| line.strip_prefix("job ")).unwrap_or_else(|| panic!("{}", said.err));
        let job = desk.document(&["job", "show", id]).await;
        assert_eq!(job["status"], "SUCCESS", "{kind}: {job}");
        check_result(&kind, &job["execution_metadata"]);
        assert_eq!(job["config_snapshot"]["cluster"]["kubeconfig"], "(hidden)", "{kind}");
    }
    leaves(runner).await;
    leaves(server).await;
}

/// What a program finds in the result.
fn check_result(kind: &str, result: &Value) {
    match kind {
        "helm" => {
            assert_eq!((&result["status"], &result["revision"]), (&"deployed".into(), &1.into()), "{result}");
            let resources = result["resources"].as_array().unwrap();
            assert!(resources.iter().any(|one| one["kind"] == "Deployment" && one["ready"] == true), "{result}");
        }
        "kubectl" => {
            assert!(result["objects"].as_array().is_some_and(|objects| !objects.is_empty()), "{result}");
        }
        "argocd" => assert_eq!(result["project"], "hello", "{result}"),
        other => panic!("nobody looks at the result of {other}: {result}"),
    }
}
