//! A script that plays helm, and writes down what it was called with and what it was given.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use executor_api::testing::{TestJob, TestJobBuilder};
use executor_api::{ExecutorError, ExecutorRegistry, Outcome};
use executor_helm as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What the executor reads. The rest is the test's: it comes first, and may say `exit`.
const SCRIPT: &str = r#"#!/bin/sh
here=@HERE@
{ printf '%s\0' "$@"; printf '\0'; } >> "$here/calls"
env > "$here/env"
for arg in "$@"; do
    case $arg in --values=*) cat "${arg#--values=}" >> "$here/values"; stat -c %a "${arg#--values=}" >> "$here/modes" ;; esac
done
answer() { if [ -e "$here/$1" ]; then cat "$here/$1"; else printf '%s' "$2"; fi; }
. "$here/test"
case $1 in
version) printf v3.22.0 ;;
list) case "$*" in *--selector=*) answer marked '[]' ;; *) answer state '[]' ;; esac ;;
history) answer history '[]' ;;
status) answer status '{"version":1,"info":{"status":"deployed"}}' ;;
get) printf '{"chart":"web","version":"1.0.0","appVersion":"9"}' ;;
esac
"#;

const KUBECONFIG: &str = r#"
apiVersion: v1
kind: Config
current-context: a
contexts: [{ name: a, context: { cluster: a, user: a } }]
clusters: [{ name: a, cluster: { server: "https://cluster.example" } }]
users: [{ name: a, user: { token: t0ken-of-the-cluster } }]
"#;

pub(crate) struct Player {
    folder: TempDir,
}

impl Player {
    /// `test` is shell, run at each call before the usual answers.
    pub(crate) fn new(test: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("helm");
        fs::write(&program, SCRIPT.replace("@HERE@", folder.path().to_str().unwrap())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let player = Self { folder };
        player.says("test", test);
        player
    }

    /// Writes a file that the script reads.
    pub(crate) fn says(&self, file: &str, text: &str) -> &Self {
        fs::write(self.file(file), text).unwrap();
        self
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What it was called with, call by call.
    pub(crate) fn calls(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.file("calls")).unwrap_or_default();
        let calls = text.split_terminator("\0\0");
        calls.map(|call| call.split('\0').map(str::to_owned).collect()).collect()
    }

    /// The first words of all calls but `version`.
    pub(crate) fn verbs(&self) -> Vec<String> {
        self.calls().into_iter().map(|call| call[0].clone()).filter(|verb| verb != "version").collect()
    }

    /// The only call of that verb.
    pub(crate) fn call(&self, verb: &str) -> Vec<String> {
        let mut calls: Vec<_> = self.calls().into_iter().filter(|call| call[0] == verb).collect();
        assert_eq!(calls.len(), 1, "{:?}", self.verbs());
        calls.remove(0)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.file(file)).unwrap_or_default()
    }

    pub(crate) fn builder(&self, payload: &Value) -> TestJobBuilder {
        let program = self.file("helm");
        TestJob::builder("helm", payload).settings(|settings| {
            settings.tools.insert("helm".to_owned(), program);
        })
    }

    pub(crate) fn job(&self, payload: &Value) -> TestJob {
        self.builder(payload).build().unwrap()
    }
}

/// One line of `helm list`.
pub(crate) fn listed(revision: u32, status: &str) -> String {
    json!([{ "name": "web", "namespace": "team", "revision": revision.to_string(), "updated": "2026-11-24 15:00:00 +0000 UTC",
             "status": status, "chart": "web-1.0.0", "app_version": "9" }])
    .to_string()
}

pub(crate) fn history(revisions: &[(u32, &str)]) -> String {
    let one = |(revision, status): &(u32, &str)| json!({ "revision": revision, "status": status });
    Value::Array(revisions.iter().map(one).collect()).to_string()
}

/// An upgrade of a chart that is in the payload.
pub(crate) fn upgrade(more: Value) -> Value {
    let chart = json!({ "source": { "files": { "Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n" } } });
    payload("upgrade", json!({ "chart": chart }), more)
}

pub(crate) fn payload(action: &str, base: Value, more: Value) -> Value {
    let mut payload = json!({ "action": action, "release": "web", "namespace": "team",
                              "cluster": { "kubeconfig": KUBECONFIG } });
    for fields in [base, more] {
        payload.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    }
    payload
}

pub(crate) async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("helm").unwrap().executor().execute(&job.context).await
}
