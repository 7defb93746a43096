//! The cluster of an environment.

use executor_api::ExecutorError;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::field::Field;
use super::flat::FlatParams;
use super::hidden::Hidden;
use super::place::Provider;
use super::words;

const MOST_NODES: u32 = 1000;
const MOST_TYPES: usize = 20;
const MOST_ADMINS: usize = 50;

/// The cluster of an environment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Cluster {
    /// Make one; else `kubeconfig` says where it is, and without one nothing is installed.
    pub provision: bool,
    /// For example `1.32`; the template's default where it is missing.
    #[serde(rename = "cluster_version")]
    pub version: Option<String>,
    /// The template's default where it is empty.
    pub instance_types: Vec<String>,
    /// 2 by default.
    pub node_min_size: u32,
    /// 5 by default.
    pub node_max_size: u32,
    /// 2 by default.
    pub node_desired_size: u32,
    /// Who may do everything in it.
    #[serde(rename = "cluster_admins")]
    pub admins: Vec<ClusterAdmin>,
    /// AWS: nodes by Karpenter.
    pub enable_karpenter: bool,
    /// GCP: nodes by Google.
    pub enable_autopilot: bool,
    /// Nodes by the cluster autoscaler.
    pub enable_cluster_autoscaler: bool,
    /// The way into a cluster that is there already. A secret.
    #[serde(skip)]
    pub kubeconfig: Option<Hidden>,
}

/// Who may do everything in a cluster.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClusterAdmin {
    /// AWS: the name of an IAM user, `role/NAME`, or an ARN. GCP: an address, or a member of IAM. Azure: an object's id.
    pub username: String,
    /// On AWS the path of it, `/` by default.
    pub path: String,
    /// Groups in the cluster.
    pub groups: Vec<String>,
}

/// The cluster, as a payload says it.
#[derive(Clone, Debug, Default, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct ClusterParams {
    /// Make a cluster; true if missing, and false with `kubeconfig`.
    pub provision: Option<bool>,
    /// For example `1.32`.
    pub cluster_version: Option<String>,
    /// Types of machines.
    #[schemars(length(max = 20))]
    pub instance_types: Option<Vec<String>>,
    /// 2 if missing.
    #[schemars(range(min = 0, max = 1000))]
    pub node_min_size: Option<i64>,
    /// 5 if missing.
    #[schemars(range(min = 1, max = 1000))]
    pub node_max_size: Option<i64>,
    /// 2 if missing.
    #[schemars(range(min = 0, max = 1000))]
    pub node_desired_size: Option<i64>,
    /// Who may do everything in it.
    #[schemars(length(max = 50))]
    pub cluster_admins: Option<Vec<AdminParams>>,
    /// What only some clouds have.
    pub provider_config: Option<ClusterProviderParams>,
    /// The way into a cluster that is there already.
    #[schemars(extend("writeOnly" = true, "contentMediaType" = "application/yaml"))]
    pub kubeconfig: Option<String>,
}

/// Who may do everything in a cluster, as a payload says it.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct AdminParams {
    /// AWS: the name of an IAM user, `role/NAME`, or an ARN. GCP: an address, or a member of IAM such as
    /// `group:team@example.com`. Azure: an object's id. Required.
    pub username: Option<String>,
    /// On AWS the path of it; `/` if missing.
    pub path: Option<String>,
    /// Groups in the cluster.
    #[schemars(length(max = 20))]
    pub groups: Option<Vec<String>>,
}

/// What of a cluster only some clouds have.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
pub struct ClusterProviderParams {
    /// AWS: nodes by Karpenter.
    pub enable_karpenter: Option<bool>,
    /// GCP: nodes by Google.
    pub enable_autopilot: Option<bool>,
    /// Nodes by the cluster autoscaler.
    pub enable_cluster_autoscaler: Option<bool>,
}

pub(super) fn read(nested: ClusterParams, flat: &FlatParams, provider: Provider) -> Result<Cluster, ExecutorError> {
    let kubeconfig = Hidden::new(nested.kubeconfig);
    let version = Field::at("/cluster/cluster_version", nested.cluster_version)
        .or_at("/cluster_version", flat.cluster_version.clone())?
        .text(|text| words::cluster_version(text, provider))?;
    let instance_types = Field::at("/cluster/instance_types", nested.instance_types)
        .or_at("/instance_types", flat.instance_types.clone())?
        .at_most(MOST_TYPES)?
        .texts(|text| words::word(text, 64, "._-"))?;
    let admins = Field::at("/cluster/cluster_admins", nested.cluster_admins)
        .or_at("/cluster_admins", flat.cluster_admins.clone())?
        .at_most(MOST_ADMINS)?
        .each(|at, params| read_admin(at, params, provider))?;
    let min = Field::at("/cluster/node_min_size", nested.node_min_size).or_at("/node_min_size", flat.node_min_size)?;
    let max = Field::at("/cluster/node_max_size", nested.node_max_size).or_at("/node_max_size", flat.node_max_size)?;
    let desired = Field::at("/cluster/node_desired_size", nested.node_desired_size)
        .or_at("/node_desired_size", flat.node_desired_size)?;
    let (least, least_desired) = fewest_nodes(provider);
    let sizes = Sizes {
        min: min.within(least..=MOST_NODES)?,
        max: max.within(1..=MOST_NODES)?,
        desired: desired.within(least_desired..=MOST_NODES)?,
    };
    let (node_min_size, node_desired_size, node_max_size) = sizes.settle()?;
    let switch = |name: &str, get: fn(&ClusterProviderParams) -> Option<bool>| {
        let flag = Field::at(format!("/cluster/provider_config/{name}"), nested.provider_config.as_ref().and_then(get));
        let other = flat.cluster_provider_config.as_ref().and_then(get);
        Ok::<_, ExecutorError>(flag.or_at(format!("/cluster_provider_config/{name}"), other)?.or(false))
    };
    Ok(Cluster {
        provision: provision(nested.provision, kubeconfig.is_some())?,
        version: version.optional(),
        instance_types,
        node_min_size,
        node_max_size,
        node_desired_size,
        admins,
        enable_karpenter: switch("enable_karpenter", |params| params.enable_karpenter)?,
        enable_autopilot: switch("enable_autopilot", |params| params.enable_autopilot)?,
        enable_cluster_autoscaler: switch("enable_cluster_autoscaler", |params| params.enable_cluster_autoscaler)?,
        kubeconfig,
    })
}

/// Whoever brings a cluster does not want another one, of which nobody would know which is meant.
fn provision(said: Option<bool>, is_there: bool) -> Result<bool, ExecutorError> {
    if said == Some(true) && is_there {
        let why = "cannot be true with /cluster/kubeconfig, which is the way into a cluster that is there; give one of the two";
        return Err(ExecutorError::invalid("/cluster/provision", why));
    }
    Ok(said.unwrap_or(!is_there))
}

/// The fewest at least, and the fewest to begin with: only AWS has groups without any.
fn fewest_nodes(provider: Provider) -> (u32, u32) {
    match provider {
        Provider::Aws => (0, 0),
        Provider::Gcp => (0, 1),
        Provider::Azure => (1, 1),
    }
}

struct Sizes {
    min: Field<u32>,
    max: Field<u32>,
    desired: Field<u32>,
}

impl Sizes {
    /// Minimum, desired, maximum: a default gives way to what is said.
    fn settle(self) -> Result<(u32, u32, u32), ExecutorError> {
        self.refuse_disorder()?;
        let (min, max, desired) = (self.min.optional(), self.max.optional(), self.desired.optional());
        let settled_min = min.unwrap_or(2).min(max.unwrap_or(MOST_NODES)).min(desired.unwrap_or(MOST_NODES));
        let settled_min = min.unwrap_or(settled_min);
        let settled_max = max.unwrap_or(5.max(settled_min).max(desired.unwrap_or(0)));
        let settled_desired = desired.unwrap_or(2.clamp(settled_min, settled_max));
        Ok((settled_min, settled_desired, settled_max))
    }

    fn refuse_disorder(&self) -> Result<(), ExecutorError> {
        for (low, high) in [(&self.min, &self.desired), (&self.desired, &self.max), (&self.min, &self.max)] {
            if let (Some(less), Some(more)) = (low.get(), high.get())
                && less > more
            {
                return Err(low.refuse(format!("is {less}, more than {} ({more}); give no more", high.pointer())));
            }
        }
        Ok(())
    }
}

fn check_admin(text: &str, provider: Provider) -> Result<String, String> {
    match provider {
        Provider::Aws => words::word(text, 256, "+=,.@_-:/"),
        Provider::Gcp => {
            let is_member = ["user:", "group:", "serviceAccount:", "principal:", "principalSet:"]
                .iter()
                .any(|kind| text.len() > kind.len() && text.starts_with(kind));
            let is_address = text.split_once('@').is_some_and(|(who, host)| !who.is_empty() && !host.is_empty());
            if !is_member && (!is_address || text.matches('@').count() != 1 || text.contains(':')) {
                return Err("give an address or a member of IAM, for example group:team@example.com".to_owned());
            }
            words::word(text, 256, "+=,.@_-:/")
        }
        Provider::Azure if words::is_uuid(text) => Ok(text.to_owned()),
        Provider::Azure => Err("give the object id of a user, a group or an application: a UUID".to_owned()),
    }
}

fn read_admin(at: &str, params: AdminParams, provider: Provider) -> Result<ClusterAdmin, ExecutorError> {
    let username = Field::at(format!("{at}/username"), params.username).text(|text| check_admin(text, provider))?;
    let path = Field::at(format!("{at}/path"), params.path).text(|text| {
        let fits = text.starts_with('/') && text.ends_with('/');
        if fits { words::word(text, 512, "/+=,.@_-") } else { Err("give a path of IAM, for example /team/".to_owned()) }
    })?;
    let groups = Field::at(format!("{at}/groups"), params.groups).at_most(20)?;
    Ok(ClusterAdmin {
        username: username.required("name a user or a role")?,
        path: path.or("/".to_owned()),
        groups: groups.texts(|text| words::word(text, 128, ":._-"))?,
    })
}
