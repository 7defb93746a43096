//! The charts of the tests.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: {{ .Values.replicas }}
  selector: { matchLabels: { app: {{ .Release.Name }} } }
  template:
    metadata: { labels: { app: {{ .Release.Name }} } }
    spec:
      {{- if .Values.unschedulable }}
      nodeSelector: { no-such: node }
      {{- end }}
      containers:
      - name: web
        image: example.invalid/web:{{ .Values.image }}
"#;

const CONFIG: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}
data:
  greeting: {{ .Values.greeting | quote }}
  all: {{ .Values | toJson | quote }}
"#;

const SECRET: &str = r#"
apiVersion: v1
kind: Secret
metadata:
  name: {{ .Release.Name }}
stringData:
  password: {{ .Values.password | quote }}
"#;

const VALUES: &str = "replicas: 1\nimage: '1'\ngreeting: hello\npassword: initial-initial\nunschedulable: false\n";

/// A small application.
pub(crate) fn web() -> BTreeMap<&'static str, String> {
    BTreeMap::from([
        ("Chart.yaml", "apiVersion: v2\nname: web\nversion: 1.2.3\nappVersion: '9.8'\n".to_owned()),
        ("values.yaml", VALUES.to_owned()),
        ("templates/deployment.yaml", DEPLOYMENT.to_owned()),
        ("templates/config.yaml", CONFIG.to_owned()),
        ("templates/secret.yaml", SECRET.to_owned()),
        ("templates/NOTES.txt", "{{ .Release.Name }} says {{ .Values.greeting }}".to_owned()),
    ])
}

/// Only a config map: for tests in which nothing has to become ready.
pub(crate) fn config_only() -> BTreeMap<&'static str, String> {
    let mut files = web();
    for file in ["templates/deployment.yaml", "templates/secret.yaml"] {
        files.remove(file);
    }
    files
}

/// A chart in a payload.
pub(crate) fn source(files: &BTreeMap<&'static str, String>) -> Value {
    json!({ "source": { "files": files } })
}

/// A payload's fields for the small application.
pub(crate) fn with_values(values: Value, more: Value) -> Value {
    let mut fields = Map::new();
    fields.insert("chart".to_owned(), source(&web()));
    fields.insert("values".to_owned(), values);
    merged(fields, more)
}

/// Fields with others over them.
pub(crate) fn merged(mut fields: Map<String, Value>, more: Value) -> Value {
    if let Value::Object(more) = more {
        fields.extend(more);
    }
    Value::Object(fields)
}

/// A job that is a hook.
pub(crate) fn hook(name: &str, event: &str, spec: &str) -> String {
    format!(
        "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: {name}\n  annotations:\n    helm.sh/hook: {event}\nspec:\n  \
         backoffLimit: 0\n{spec}  template:\n    spec:\n      restartPolicy: Never\n      containers:\n      - name: a\n        \
         image: example.invalid/a\n"
    )
}
