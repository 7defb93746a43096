//! Scripts that play argocd and kubectl, and write down what they were called with and what they were given.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use executor_api::testing::{TestJob, TestJobBuilder};
use executor_api::{ExecutorError, ExecutorRegistry, Outcome, Stop, StopReason};
use executor_argocd as _;
use serde_json::{Value, json};
use tempfile::TempDir;

/// What the executor reads. The rest is the test's: it comes first, and may say `exit`.
const SCRIPT: &str = r#"#!/bin/sh
here=@HERE@
tool=@TOOL@
{ printf '%s\0' "$tool" "$@"; printf '\0'; } >> "$here/calls"
# A table of hundreds of jobs looks at neither environment nor modes.
[ -e "$here/hurry" ] || env > "$here/env"
for arg in "$@"; do
    case $arg in
    --file=*|--filename=*|--patch-file=*)
        # What is only looked at is no document of a change.
        [ "$1" = get ] && continue
        cat "${arg#*=}" >> "$here/documents"
        [ -e "$here/hurry" ] || stat -c %a "${arg#*=}" >> "$here/modes"
        ;;
    --info=alethia-job=*) printf %s "${arg#--info=alethia-job=}" > "$here/tag" ;;
    esac
done
answer() { if [ -e "$here/$1" ]; then cat "$here/$1"; else printf '%s' "$2"; fi; }
# The application becomes what a file says, with the tag of the job's operation.
become() { sed "s/@TAG@/$(cat "$here/tag" 2>/dev/null)/" "$here/$1" > "$here/app.new" && mv "$here/app.new" "$here/app"; }
# How often this was asked.
count() { printf x >> "$here/count-$1"; wc -c < "$here/count-$1" | tr -d ' '; }
fatal() { printf '{"level":"fatal","msg":"%s"}\n' "$1" >&2; exit 20; }
. "$here/test"
case "$tool $1 $2" in
"argocd version --client") echo 'argocd: v3.2.5+unknown' ;;
"argocd app get") answer app '{"metadata":{"name":"web","namespace":"argocd"}}' ;;
"argocd app create") echo "application 'web' updated" ;;
"argocd app sync") become after ;;
"kubectl get "*) case "$*" in *configmaps*) echo '{}' ;; *--filename=*) ;; *) answer app '{"metadata":{"name":"web","namespace":"argocd"}}' ;; esac ;;
esac
"#;

/// Never valid anywhere, and looked for wherever it must not be.
pub(crate) const TOKEN: &str = "t0ken-of-a-test-for-argocd";

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
        for tool in ["argocd", "kubectl"] {
            let program = folder.path().join(tool);
            let script = SCRIPT.replace("@HERE@", folder.path().to_str().unwrap()).replace("@TOOL@", tool);
            fs::write(&program, script).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let player = Self { folder };
        player.says("test", test);
        player
    }

    /// Writes a file that the scripts read.
    pub(crate) fn says(&self, file: &str, text: &str) -> &Self {
        fs::write(self.file(file), text).unwrap();
        self
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What they were called with, call by call, the tool's name first.
    pub(crate) fn calls(&self) -> Vec<Vec<String>> {
        let text = fs::read_to_string(self.file("calls")).unwrap_or_default();
        let calls = text.split_terminator("\0\0");
        calls.map(|call| call.split('\0').map(str::to_owned).collect()).collect()
    }

    /// The verbs of all calls that change something, in order.
    pub(crate) fn changes(&self) -> Vec<String> {
        let verb = |call: Vec<String>| if call[0] == "argocd" { call[1..3].join(" ") } else { call[1].clone() };
        let verbs = self.calls().into_iter().map(verb);
        verbs.filter(|verb| !["version --client", "app get", "get"].contains(&verb.as_str())).collect()
    }

    /// The only call of that verb.
    pub(crate) fn call(&self, verb: &str) -> Vec<String> {
        let mut calls: Vec<_> = self.calls().into_iter().filter(|call| call[1..].join(" ").starts_with(verb)).collect();
        assert_eq!(calls.len(), 1, "{verb}: {:?}", self.calls());
        calls.remove(0)
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.file(file)).unwrap_or_default()
    }

    pub(crate) fn builder(&self, payload: &Value) -> TestJobBuilder {
        TestJob::builder("argocd", payload).settings(|settings| {
            for tool in ["argocd", "kubectl"] {
                settings.tools.insert(tool.to_owned(), self.file(tool));
            }
        })
    }

    pub(crate) fn job(&self, payload: &Value) -> TestJob {
        self.builder(payload).build().unwrap()
    }
}

/// Through a server, with a token.
pub(crate) fn payload(action: &str, more: Value) -> Value {
    merged(
        json!({ "action": action, "server": "argocd.example.com", "auth": { "token": TOKEN }, "application": "web" }),
        more,
    )
}

/// Through the cluster.
pub(crate) fn core_payload(action: &str, more: Value) -> Value {
    merged(json!({ "action": action, "cluster": { "kubeconfig": KUBECONFIG }, "application": "web" }), more)
}

/// Null takes a field away.
fn merged(mut base: Value, more: Value) -> Value {
    let (Value::Object(fields), Value::Object(more)) = (&mut base, more) else { panic!("both are objects") };
    for (name, value) in more {
        if value.is_null() {
            fields.remove(&name);
        } else {
            fields.insert(name, value);
        }
    }
    base
}

/// An application whose operation is ours. `operation`: its phase, and what more is in its state.
pub(crate) fn application(sync: &str, health: &str, phase: Option<&str>, more: Value) -> String {
    let info = json!([{ "name": "alethia-job", "value": "@TAG@" }]);
    let mut status = json!({ "sync": { "status": sync, "revision": "r1" }, "health": { "status": health } });
    let mut value = json!({ "metadata": { "name": "web", "namespace": "argocd", "uid": "1", "resourceVersion": "7" } });
    if let Some(phase) = phase {
        status["operationState"] =
            json!({ "operation": { "info": info }, "phase": phase, "message": format!("it is {phase}") });
        if phase == "Running" {
            value["operation"] = json!({ "info": info });
        }
    }
    value["status"] = merged(status, more);
    value.to_string()
}

pub(crate) async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("argocd").unwrap().executor().execute(&job.context).await
}

/// Stops the job when the script has made the file `ready`.
pub(crate) async fn run_and_stop(player: &Player, job: &TestJob, force: bool) -> Result<Outcome, ExecutorError> {
    let ready = player.file("ready");
    let stopper = async {
        while !ready.exists() {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        job.stop.stop(Stop { reason: StopReason::CancelledByUser, force });
    };
    tokio::join!(run(job), stopper).0
}
