//! A repository of charts on this machine: of the names and versions of the real ones, each a Deployment and a ConfigMap that
//! holds the values it was given.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use tempfile::TempDir;

const CHARTS: [(&str, &str); 7] = [
    ("argo-cd", "7.1.3"),
    ("aws-load-balancer-controller", "1.7.1"),
    ("external-dns", "1.15.0"),
    ("external-secrets", "0.9.12"),
    ("metrics-server", "3.12.1"),
    ("karpenter", "0.37.0"),
    ("cluster-autoscaler", "9.37.0"),
];

/// Where the product looks for them.
const REPOSITORIES: [&str; 6] = [
    "https://aws.github.io/eks-charts",
    "https://kubernetes-sigs.github.io/external-dns/",
    "https://charts.external-secrets.io",
    "https://kubernetes-sigs.github.io/metrics-server",
    "oci://public.ecr.aws/karpenter",
    "https://kubernetes.github.io/autoscaler",
];

/// What all objects of the tests have.
pub(crate) const LABEL: &str = "of=after-apply";

const CONFIG: &str = r#"
apiVersion: v1
kind: ConfigMap
metadata:
  name: values-of-{{ .Chart.Name }}
  labels: { of: after-apply }
data:
  values: {{ .Values | toJson | quote }}
"#;

const DEPLOYMENT: &str = r#"
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Chart.Name }}-of-a-test
  labels: { of: after-apply }
spec:
  DEADLINE
  selector: { matchLabels: { app: {{ .Chart.Name }} } }
  template:
    metadata: { labels: { app: {{ .Chart.Name }} } }
    spec:
      HOPELESS
      containers: [{ name: a, image: "nothing.example/nothing" }]
"#;

/// As Argo CD's own chart makes it.
const INGRESS: &str = r#"
{{- if ((.Values.server).ingress).enabled }}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: argocd-server
  labels: { of: after-apply, app.kubernetes.io/name: argocd-server }
spec:
  ingressClassName: {{ .Values.server.ingress.ingressClassName }}
  rules:
  - host: {{ .Values.server.ingress.hostname }}
    http:
      paths: [{ path: /, pathType: Prefix, backend: { service: { name: argocd-server, port: { number: 80 } } } }]
{{- end }}
"#;

/// As external-secrets brings it.
const STORES: &str = r#"
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata:
  name: clustersecretstores.external-secrets.io
  labels: { of: after-apply }
spec:
  group: external-secrets.io
  scope: Cluster
  names: { kind: ClusterSecretStore, plural: clustersecretstores, singular: clustersecretstore }
  versions:
  - name: v1beta1
    served: true
    storage: true
    schema: { openAPIV3Schema: { type: object, x-kubernetes-preserve-unknown-fields: true } }
"#;

pub(crate) struct Charts {
    pub(crate) url: String,
    _folder: TempDir,
}

impl Charts {
    /// `hopeless`: the one whose pods no node takes.
    pub(crate) async fn serve(hopeless: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let served = folder.path().join("served");
        fs::create_dir(&served).unwrap();
        for (name, version) in CHARTS {
            make(folder.path(), name, version, hopeless == Some(name));
            helm(&["package", name, "--destination=served"], folder.path());
        }
        helm(&["repo", "index", "served"], folder.path());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(answer).with_state(served);
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { url, _folder: folder }
    }

    /// From where the product looks to here.
    pub(crate) fn mirrors(&self) -> BTreeMap<String, String> {
        REPOSITORIES.map(|from| (from.to_owned(), self.url.clone())).into()
    }
}

fn make(folder: &Path, name: &str, version: &str, is_hopeless: bool) {
    let chart = folder.join(name);
    fs::create_dir_all(chart.join("templates")).unwrap();
    let write = |file: &str, text: &str| fs::write(chart.join(file), text).unwrap();
    write("Chart.yaml", &format!("apiVersion: v2\nname: {name}\nversion: {version}\n"));
    write("templates/config.yaml", CONFIG);
    // Only what is hopeless is given up soon: on a busy machine a pod that will be well may take longer than that.
    let (deadline, nowhere) =
        if is_hopeless { ("progressDeadlineSeconds: 1", "nodeSelector: { nowhere: \"true\" }") } else { ("", "") };
    write("templates/deployment.yaml", &DEPLOYMENT.replace("DEADLINE", deadline).replace("HOPELESS", nowhere));
    match name {
        "argo-cd" => write("templates/ingress.yaml", INGRESS),
        "external-secrets" => write("templates/stores.yaml", STORES),
        _ => {}
    }
}

#[expect(clippy::disallowed_methods, reason = "whoever makes a chart is no job")]
fn helm(args: &[&str], folder: &Path) {
    let output = Command::new("helm").args(args).current_dir(folder).output().unwrap();
    assert!(output.status.success(), "helm {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn answer(State(folder): State<std::path::PathBuf>, request: Request) -> Response {
    let file = folder.join(request.uri().path().trim_start_matches('/'));
    fs::read(file).map_or(StatusCode::NOT_FOUND.into_response(), IntoResponse::into_response)
}
