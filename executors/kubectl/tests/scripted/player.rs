//! A script that plays kubectl, and writes down what it was called with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

use executor_api::testing::TestJob;
use executor_api::{ExecutorError, ExecutorRegistry, Outcome, Stop, StopReason};
use executor_kubectl as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What the executor reads. The rest is the test's: it comes first, and may say `exit`.
const SCRIPT: &str = r#"#!/bin/sh
here=@HERE@
{ printf '%s\0' "$@"; printf '\0'; } >> "$here/calls"
env > "$here/env"
. "$here/test"
case $1 in
version) printf '{"clientVersion":{"gitVersion":"v1.32.4-dispatcher"}}' ;;
get) printf '{"apiVersion":"v1","kind":"List","items":[]}' ;;
apply) echo 'configmap/a serverside-applied' ;;
esac
"#;

const KUBECONFIG: &str = r#"
current-context: a
contexts: [{ name: a, context: { cluster: a, user: a } }]
clusters: [{ name: a, cluster: { server: "https://cluster.example" } }]
users: [{ name: a, user: { token: t0ken-of-the-cluster } }]
"#;

pub(crate) const MANIFEST: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: { name: a }\n";

pub(crate) struct Player {
    folder: TempDir,
}

impl Player {
    /// `test` is shell, run at each call before the usual answers.
    pub(crate) fn new(test: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let program = folder.path().join("kubectl");
        fs::write(&program, SCRIPT.replace("@HERE@", folder.path().to_str().unwrap())).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(folder.path().join("test"), test).unwrap();
        Self { folder }
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.file(name)).unwrap_or_default()
    }

    /// What it was called with, call by call.
    pub(crate) fn calls(&self) -> Vec<Vec<String>> {
        let text = self.read("calls");
        text.split_terminator("\0\0").map(|call| call.split('\0').map(str::to_owned).collect()).collect()
    }

    pub(crate) fn job(&self, payload: &Value) -> TestJob {
        let program = self.file("kubectl");
        let settings = |settings: &mut executor_api::JobSettings| {
            settings.tools.insert("kubectl".to_owned(), program);
            for name in ["KUBECTL_EXTERNAL_DIFF", "KUBECTL_APPLYSET", "KUBERNETES_SERVICE_HOST", "KUBECONFIG"] {
                settings.env.insert(name.to_owned(), "of-the-operator".to_owned());
            }
        };
        let job = TestJob::builder("kubectl", payload).settings(settings).grace(Duration::from_millis(200));
        job.build().unwrap()
    }
}

pub(crate) fn payload(action: &str, more: &Value) -> Value {
    let mut payload = json!({ "action": action, "namespace": "team", "cluster": { "kubeconfig": KUBECONFIG } });
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    payload
}

pub(crate) fn apply(more: &Value) -> Value {
    let mut fields = json!({ "manifests": { "inline": MANIFEST } });
    fields.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    payload("apply", &fields)
}

pub(crate) async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("kubectl").unwrap().executor().execute(&job.context).await
}

/// Stops the job when the script has made the file `ready`.
pub(crate) async fn run_and_stop(player: &Player, job: &TestJob) -> Result<Outcome, ExecutorError> {
    let ready = player.file("ready");
    let stopper = async {
        while !ready.exists() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
    };
    tokio::join!(run(job), stopper).0
}
