//! Bringing Argo CD into a cluster: by its chart or by a manifest, until all of it is ready.

use std::collections::BTreeMap;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cluster_access::ClusterAccess;
use executor_api::{ExecutorError, Input, JobContext, Outcome};
use executor_helm::{Chart, Helm, Release, UpgradeOptions};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::api::When;
use crate::failure::{Failure, patiently};
use crate::follow::Deadline;
use crate::kube::Kube;
use crate::manifest::Manifest;

const REPOSITORY: &str = "https://argoproj.github.io/argo-helm";
const CHART: &str = "argo-cd";
const CHART_VERSION: &str = "7.1.3";
/// Argo CD's server makes the first password when it starts.
const PASSWORD_LIMIT: Duration = Duration::from_secs(20);
const BETWEEN_LOOKS: Duration = Duration::from_secs(2);

/// What is installed: a chart or a manifest; Argo's own chart `argo-cd` 7.1.3 if neither is given.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Install {
    /// A chart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chart: Option<Chart>,
    /// The name of its release; `argo-cd` if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 53))]
    pub release: Option<String>,
    /// Values of the chart.
    #[serde(skip_serializing_if = "Map::is_empty")]
    pub values: Map<String, Value>,
    /// More values, merged over the others. Each text in them is hidden.
    #[serde(skip_serializing_if = "Map::is_empty")]
    #[schemars(extend("writeOnly" = true))]
    pub secret_values: Map<String, Value>,
    /// A manifest, as Argo CD's releases have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub manifest: Option<Manifest>,
}

/// Argo CD as it is after an install.
pub struct Installed {
    /// Where it lives.
    pub namespace: String,
    /// Its version, as the image of its server says it.
    pub version: Option<String>,
    /// Where its server is reached, if an ingress or a load balancer says so.
    pub url: Option<String>,
    /// What it consists of.
    pub workloads: Vec<Workload>,
    admin_password: Option<String>,
}

/// A part of Argo CD.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Workload {
    /// `Deployment` or `StatefulSet`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Whether as many of it run as are wanted.
    pub ready: bool,
}

impl Installed {
    /// The first password of `admin`. A secret: masked in the log, and nowhere in [`Self::outcome`].
    #[must_use]
    pub fn admin_password(&self) -> Option<&str> {
        self.admin_password.as_deref()
    }

    /// As what a job answers.
    #[must_use]
    pub fn outcome(&self) -> Outcome {
        Outcome::success()
            .with("namespace", self.namespace.as_str())
            .with("argocd_version", self.version.clone())
            .with("argocd_url", self.url.clone())
            .with("workloads", json!(self.workloads))
    }
}

impl Install {
    /// Checks what the schema cannot say. `pointer` is its place in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        let place = |field: &str| format!("{pointer}/{field}");
        if let Some(manifest) = &self.manifest {
            let of_charts = [
                ("chart", self.chart.is_some()),
                ("release", self.release.is_some()),
                ("values", !self.values.is_empty()),
                ("secret_values", !self.secret_values.is_empty()),
            ];
            if let Some((field, _)) = of_charts.into_iter().find(|(_, given)| *given) {
                return Err(ExecutorError::invalid(
                    &place(field),
                    "this goes with a chart, and not with `manifest`; leave it out",
                ));
            }
            return manifest.check(&place("manifest"));
        }
        self.release("default").map_err(|error| at(&place("release"), error))?;
        self.chart.iter().try_for_each(|chart| chart.check(&place("chart")))
    }

    /// What has to be fetched from the control plane before the job starts.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        let chart = self.chart.iter().flat_map(Chart::inputs);
        chart.chain(self.manifest.iter().flat_map(Manifest::inputs)).collect()
    }

    fn release(&self, namespace: &str) -> Result<Release, ExecutorError> {
        Release::new(self.release.as_deref().unwrap_or(CHART), namespace)
    }

    fn chart(&self) -> Chart {
        let text = |text: &str| Some(text.to_owned());
        let usual =
            || Chart { repo: text(REPOSITORY), name: text(CHART), version: text(CHART_VERSION), ..Chart::default() };
        self.chart.clone().unwrap_or_else(usual)
    }
}

/// The same, where the payload has it.
fn at(pointer: &str, error: ExecutorError) -> ExecutorError {
    match error {
        ExecutorError::InvalidInput { message, .. } => ExecutorError::invalid(pointer, message),
        other => other,
    }
}

/// Installs Argo CD, or brings it to what is said, and waits until all of it is ready, for at most `limit`. Passes the
/// job's commit point before the first change.
///
/// # Errors
/// If it cannot be installed, or is not ready within `limit`.
pub async fn install(
    job: &JobContext,
    cluster: &ClusterAccess,
    install: &Install,
    namespace: &str,
    limit: Duration,
) -> Result<Installed, ExecutorError> {
    install.check("/install")?;
    crate::words::check_namespace("/namespace", namespace)?;
    let deadline = Deadline::after(limit);
    let kube = Kube::find(job, cluster, namespace)?;
    match &install.manifest {
        Some(manifest) => apply(&kube, manifest).await?,
        None => upgrade(job, cluster, install, namespace, deadline).await?,
    }
    wait_for_all(&kube, deadline).await?;
    let workloads = workloads(&kube).await?;
    Ok(Installed {
        namespace: namespace.to_owned(),
        version: workloads.iter().find_map(Object::server_version),
        url: address(&kube).await?,
        workloads: workloads.iter().map(Object::workload).collect(),
        admin_password: admin_password(&kube).await?,
    })
}

async fn upgrade(
    job: &JobContext,
    cluster: &ClusterAccess,
    install: &Install,
    namespace: &str,
    deadline: Deadline,
) -> Result<(), ExecutorError> {
    let helm = Helm::find(job, cluster).await?;
    let chart = helm.fetch(&install.chart(), "/install/chart").await?;
    let values = [&install.values, &install.secret_values].into_iter().filter(|values| !values.is_empty());
    let options = UpgradeOptions {
        values: values.cloned().map(Value::Object).collect(),
        wait: true,
        create_namespace: true,
        timeout: deadline.left().max(Duration::from_secs(1)),
        ..UpgradeOptions::new(install.release(namespace)?, &chart)
    };
    helm.upgrade(&options).await.map(drop)
}

async fn apply(kube: &Kube<'_>, manifest: &Manifest) -> Result<(), ExecutorError> {
    let manifest = manifest.fetch(kube.job, "/install/manifest").await?;
    let namespace = kube.namespace();
    kube.job.commit_point().await?;
    let object = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } });
    patiently(kube.job, async || match kube.get::<Value>(When::Working, "namespaces", Some(namespace)).await {
        Err(Failure::Missing(_)) => kube.create(&object).await,
        other => other.map(drop),
    })
    .await?;
    Ok(patiently(kube.job, async || kube.apply_files(&manifest.files).await).await?)
}

/// Objects of the cluster, as far as they are read here.
#[derive(Default, Deserialize)]
#[serde(default)]
struct List {
    items: Vec<Object>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Object {
    kind: String,
    metadata: ObjectMetadata,
    spec: Value,
    status: Value,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ObjectMetadata {
    name: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Secret {
    data: BTreeMap<String, String>,
}

impl Object {
    fn is_server(&self) -> bool {
        self.metadata.labels.get("app.kubernetes.io/name").is_some_and(|name| name == "argocd-server")
    }

    fn workload(&self) -> Workload {
        let wanted = self.spec["replicas"].as_u64().unwrap_or(1);
        let ready = self.status["readyReplicas"].as_u64().unwrap_or(0) >= wanted;
        Workload { kind: self.kind.clone(), name: self.metadata.name.clone(), ready }
    }

    fn server_version(&self) -> Option<String> {
        let image = self.spec.pointer("/template/spec/containers/0/image")?.as_str()?;
        let (_, tag) = image.split('@').next()?.rsplit_once(':')?;
        self.is_server().then(|| tag.trim_start_matches('v').to_owned())
    }
}

async fn workloads(kube: &Kube<'_>) -> Result<Vec<Object>, ExecutorError> {
    let list: List =
        patiently(kube.job, async || kube.get(When::Working, "deployments.apps,statefulsets.apps", None).await).await?;
    Ok(list.items)
}

/// What each of them waits for is in the log while it waits.
async fn wait_for_all(kube: &Kube<'_>, deadline: Deadline) -> Result<(), ExecutorError> {
    for object in workloads(kube).await? {
        let Workload { kind, name, .. } = object.workload();
        kube.rollout(&kind, &name, deadline.left()).await.map_err(|error| match error {
            ExecutorError::ToolFailed { message, .. } => {
                let text = format!("Argo CD is not ready after {deadline}: {kind} {name}: {message}");
                ExecutorError::Unsuccessful(text)
            }
            other => other,
        })?;
    }
    Ok(())
}

/// Where its server is reached from outside. Nothing is said that nobody configured.
async fn address(kube: &Kube<'_>) -> Result<Option<String>, ExecutorError> {
    let list: List =
        patiently(kube.job, async || kube.get(When::Working, "ingresses.networking.k8s.io,services", None).await)
            .await?;
    Ok(list.items.iter().filter(|object| object.is_server()).find_map(url_of))
}

fn url_of(object: &Object) -> Option<String> {
    if object.kind == "Ingress" {
        let host = object.spec.pointer("/rules/0/host")?.as_str()?;
        // These bring their certificates by other ways than `tls`.
        let is_of_aws = object.spec["ingressClassName"] == "alb";
        let is_of_google = object.metadata.annotations.contains_key("networking.gke.io/managed-certificates");
        let is_private = object.spec["tls"].is_array() || is_of_aws || is_of_google;
        let scheme = if is_private { "https" } else { "http" };
        return Some(format!("{scheme}://{host}"));
    }
    let entry = object.status.pointer("/loadBalancer/ingress/0")?;
    let host = entry["hostname"].as_str().or_else(|| entry["ip"].as_str())?;
    Some(format!("https://{host}"))
}

/// None if it was changed and taken away since, or never made.
async fn admin_password(kube: &Kube<'_>) -> Result<Option<String>, ExecutorError> {
    let until = Deadline::after(PASSWORD_LIMIT);
    let mut is_settled = false;
    loop {
        kube.job.check_stop()?;
        let secret = patiently(kube.job, async || {
            kube.get::<Secret>(When::Working, "secrets", Some("argocd-initial-admin-secret")).await
        });
        match secret.await {
            Ok(secret) => return Ok(secret.data.get("password").and_then(|text| decode(kube.job, text))),
            Err(Failure::Missing(_)) if !until.is_over() && !is_settled => {
                // Written after the first password: one more look tells whether that was taken away.
                is_settled = has_password(kube).await?;
                if !is_settled {
                    tokio::time::sleep(BETWEEN_LOOKS).await;
                }
            }
            Err(Failure::Missing(_)) => {
                kube.job.log().system("there is no first password: it was changed before, or `admin` is off");
                return Ok(None);
            }
            Err(failure) => return Err(failure.into()),
        }
    }
}

/// Whether Argo CD's server, or whoever installed it, has given `admin` a password.
async fn has_password(kube: &Kube<'_>) -> Result<bool, ExecutorError> {
    let secret =
        patiently(kube.job, async || kube.get::<Secret>(When::Working, "secrets", Some("argocd-secret")).await);
    match secret.await {
        Ok(secret) => Ok(secret.data.get("admin.password").is_some_and(|hash| !hash.is_empty())),
        Err(Failure::Missing(_)) => Ok(false),
        Err(failure) => Err(failure.into()),
    }
}

/// Masked before anybody can print it.
fn decode(job: &JobContext, text: &str) -> Option<String> {
    job.mask(text);
    let password = STANDARD.decode(text).ok().and_then(|bytes| String::from_utf8(bytes).ok())?;
    job.mask(&password);
    Some(password)
}
