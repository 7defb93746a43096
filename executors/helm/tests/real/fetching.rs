//! Charts from a source with dependencies, from a repository and from a registry.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use executor_api::testing::TestJob;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::charts::{config_only, source};
use crate::cluster::{Namespace, in_namespace, run};
use crate::registry;
use crate::repository::Repository;

const CREDENTIALS: &str = "team:hunter2-hunter2";

/// A folder with the packaged chart and an index.
async fn packaged(namespace: &Namespace) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let chart = folder.path().join("chart");
    write(&chart, config_only());
    let served = folder.path().join("served");
    fs::create_dir(&served).unwrap();
    let (chart, into) = (chart.to_str().unwrap(), format!("--destination={}", served.display()));
    assert!(namespace.tool("helm", &["package", chart, &into]).await.exit.is_success());
    assert!(namespace.tool("helm", &["repo", "index", served.to_str().unwrap()]).await.exit.is_success());
    (folder, served)
}

fn write(folder: &Path, files: impl IntoIterator<Item = (&'static str, String)>) {
    for (name, text) in files {
        let file = folder.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

/// The real helm, behind a script that writes down what it is called with and the environment it gets.
fn recorded(namespace: &Namespace, more: Value) -> (TempDir, TestJob) {
    let folder = tempfile::tempdir().unwrap();
    let real = TestJob::builder("helm", &json!({})).build().unwrap().context.tool("helm").unwrap();
    let (script, here) = (folder.path().join("helm"), folder.path().display());
    let text = format!(
        "#!/bin/sh\nprintf '%s\\n' \"$@\" >> {here}/seen\nenv >> {here}/seen\nexec {} \"$@\"\n",
        real.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    let job = namespace.builder("upgrade", more).settings(|settings| {
        settings.tools.insert("helm".to_owned(), script);
    });
    (folder, job.build().unwrap())
}

async fn installed(namespace: &Namespace, chart: Value) -> TestJob {
    let (seen, job) = recorded(namespace, json!({ "chart": chart }));
    let outcome = run(&job).await.unwrap_or_else(|error| panic!("{error}\n{}", job.log()));
    assert_eq!(
        (&outcome.metadata["chart_version"], &outcome.metadata["status"]),
        (&json!("1.2.3"), &json!("deployed"))
    );
    let seen = fs::read_to_string(seen.path().join("seen")).unwrap();
    assert!(seen.contains("upgrade") && !seen.contains("hunter2") && !seen.contains("aHVudGVy"), "{seen}");
    assert!(!job.log().contains("hunter2"));
    job
}

#[tokio::test]
async fn from_a_repository_with_a_password() {
    in_namespace(async |namespace| {
        let (_folder, served) = packaged(&namespace).await;
        let repository = Repository::serve(&served, Some(CREDENTIALS), 1).await;
        let chart = |password: &str| {
            json!({ "repo": repository.url, "name": "web", "version": "^1.2", "username": "team", "password": password })
        };
        let job = installed(&namespace, chart("hunter2-hunter2")).await;
        assert!(job.log().contains("trying again in 5 s"), "it was busy at first: {}", job.log());
        assert!(repository.requests().contains(&"/web-1.2.3.tgz".to_owned()));

        let wrong = namespace.job("upgrade", json!({ "chart": chart("wrong-wrong") }));
        let text = run(&wrong).await.unwrap_err().to_string();
        assert!(text.contains("401 Unauthorized") && !wrong.log().contains("trying again"), "{text}");
        assert_eq!(wrong.commits(), 0);
        let mut missing = chart("hunter2-hunter2");
        missing["version"] = json!("9.9.9");
        let missing = namespace.job("upgrade", json!({ "chart": missing }));
        let text = run(&missing).await.unwrap_err().to_string();
        assert!(text.contains("9.9.9"), "{text}");
    })
    .await;
}

#[tokio::test]
async fn from_a_registry_with_a_password() {
    in_namespace(async |namespace| {
        let (_folder, served) = packaged(&namespace).await;
        let archive = fs::read(served.join("web-1.2.3.tgz")).unwrap();
        let config = json!({ "apiVersion": "v2", "name": "web", "version": "1.2.3" }).to_string().into_bytes();
        let address = registry::serve(archive, config, "1.2.3", CREDENTIALS).await;
        let reference = format!("oci://{address}/team/web");
        let chart = |version: &str, password: &str| {
            json!({ "oci": reference, "version": version, "username": "team", "password": password, "plain_http": true })
        };
        installed(&namespace, chart("1.2.3", "hunter2-hunter2")).await;
        installed(&namespace, chart("^1.0", "hunter2-hunter2")).await;
        let wrong = namespace.job("upgrade", json!({ "chart": chart("1.2.3", "wrong-wrong") }));
        let text = run(&wrong).await.unwrap_err().to_string();
        assert!(text.contains("401"), "{text}");
        assert_eq!(wrong.commits(), 0);
    })
    .await;
}

#[tokio::test]
async fn what_a_chart_of_the_source_depends_on_is_fetched_where_it_is_missing() {
    in_namespace(async |namespace| {
        let (_folder, served) = packaged(&namespace).await;
        let repository = Repository::serve(&served, None, 0).await;
        let parent = format!(
            "apiVersion: v2\nname: parent\nversion: 0.1.0\ndependencies:\n- name: web\n  version: 1.2.3\n  repository: {}\n\
             - name: lib\n  version: 0.0.1\n  repository: file://../lib\n",
            repository.url
        );
        let lib = "apiVersion: v2\nname: lib\nversion: 0.0.1\n".to_owned();
        let files = json!({ "app/Chart.yaml": parent, "lib/Chart.yaml": lib,
                            "lib/templates/x.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: of-lib }\n" });
        let chart = json!({ "source": { "files": files }, "path": "app" });
        let report = namespace.run("upgrade", json!({ "chart": chart })).await;
        let mut names: Vec<_> = report["resources"].as_array().unwrap().iter().map(|one| one["name"].clone()).collect();
        names.sort_by_key(ToString::to_string);
        assert_eq!(names, ["of-lib", "web"]);

        // As a person would commit it: with a lock.
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files.as_object().unwrap() {
            let file = folder.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text.as_str().unwrap()).unwrap();
        }
        let app = folder.path().join("app");
        let updated = namespace.tool("helm", &["dependency", "update", app.to_str().unwrap()]).await;
        assert!(updated.exit.is_success(), "{}", updated.stderr_tail);
        let lock = fs::read_to_string(app.join("Chart.lock")).unwrap();
        let mut locked = files.clone();
        locked["app/Chart.lock"] = json!(lock);
        let chart = json!({ "source": { "files": locked }, "path": "app" });
        assert_eq!(namespace.run("upgrade", json!({ "chart": chart })).await["revision"], 2);

        // All of it there: nothing is asked for.
        let asked = repository.requests().len();
        let mut whole = files;
        for (name, text) in config_only() {
            whole[format!("app/charts/web/{name}")] = json!(text);
        }
        whole["app/charts/lib/Chart.yaml"] = json!(lib);
        let chart = json!({ "source": { "files": whole }, "path": "app" });
        assert_eq!(namespace.run("upgrade", json!({ "chart": chart })).await["revision"], 3);
        assert_eq!(repository.requests().len(), asked);
    })
    .await;
}

#[tokio::test]
async fn a_source_without_a_chart_is_refused_at_its_place() {
    in_namespace(async |namespace| {
        for (chart, expected) in [
            (
                json!({ "source": { "files": { "a/b": "" } }, "path": "a" }),
                "/chart/path: there is no Chart.yaml in \"a\"",
            ),
            (json!({ "source": { "files": { "a": "" } } }), "/chart/path: there is no Chart.yaml in \".\""),
            (
                source(&[("Chart.yaml", "dependencies: [{ name: a, repository: \"file:///etc\" }]".to_owned())].into()),
                "/chart/source: its Chart.yaml takes \"a\" from a folder outside the source",
            ),
        ] {
            let job = namespace.job("upgrade", json!({ "chart": chart }));
            let text = run(&job).await.unwrap_err().to_string();
            assert!(text.starts_with(expected), "{text}");
            assert_eq!(job.commits(), 0);
        }
    })
    .await;
}
