//! A cluster that a cloud keeps: found by its name as who the job is there, with tokens from our own program.

use executor_api::{CloudCluster, ExecutorError, JobContext, credential_source};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::kubeconfig::{Exec, Kubeconfig, User};

/// A cluster of AWS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Eks {
    /// Its name.
    pub name: String,
    /// Its region, for example `eu-north-1`.
    pub region: String,
}

/// A cluster of GCP, in the project of the job's cloud identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Gke {
    /// Its name.
    pub name: String,
    /// Its region, or its zone if it is in one, for example `europe-north1`.
    pub region: String,
}

/// A cluster of Azure, in the subscription of the job's cloud identity.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Aks {
    /// Its name.
    pub name: String,
    /// Its resource group.
    pub resource_group: String,
}

/// Any of them.
pub(crate) struct Managed<'a> {
    pub(crate) provider: &'static str,
    /// Its word in the payload.
    pub(crate) variant: &'static str,
    pub(crate) name: &'a str,
    pub(crate) place: (&'static str, &'a str),
}

impl Eks {
    pub(crate) fn managed(&self) -> Managed<'_> {
        Managed { provider: "aws", variant: "eks", name: &self.name, place: ("region", &self.region) }
    }
}

impl Gke {
    pub(crate) fn managed(&self) -> Managed<'_> {
        Managed { provider: "gcp", variant: "gke", name: &self.name, place: ("region", &self.region) }
    }
}

impl Aks {
    pub(crate) fn managed(&self) -> Managed<'_> {
        let place = ("resource_group", self.resource_group.as_str());
        Managed { provider: "azure", variant: "aks", name: &self.name, place }
    }
}

impl Managed<'_> {
    /// What every cloud refuses. Each knows more, and says it when it is asked.
    pub(crate) fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        for (field, text) in [("name", self.name), self.place] {
            let fits = (1..=100).contains(&text.len())
                && text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.()".contains(c));
            if !fits {
                let why = "this has 1 to 100 letters, digits, '-' and '_', and begins with a letter or digit";
                return Err(ExecutorError::invalid(&format!("{pointer}/{}/{field}", self.variant), why));
            }
        }
        Ok(())
    }

    /// As [`Self::find`], of a cluster that has to be there.
    pub(crate) async fn kubeconfig(&self, job: &JobContext, pointer: &str) -> Result<Kubeconfig, ExecutorError> {
        self.find(job, pointer).await?.ok_or_else(|| {
            let (field, place) = self.place;
            let why = format!("there is no cluster {} in the {} {place}", self.name, field.replace('_', " "));
            ExecutorError::invalid(&format!("{pointer}/{}/name", self.variant), why)
        })
    }

    /// Asks the cloud for its address. None if the cloud says that there is no such cluster.
    pub(crate) async fn find(&self, job: &JobContext, pointer: &str) -> Result<Option<Kubeconfig>, ExecutorError> {
        self.check(pointer)?;
        let pointer = format!("{pointer}/{}", self.variant);
        let provider = job.credentials().map(|credentials| credentials.identity().provider.as_str());
        if provider != Some(self.provider) {
            let has = provider.map_or("has no cloud identity".to_owned(), |other| format!("is somebody at {other}"));
            let why = format!("the job {has}; submit it with a cloud_identity_id of {}", self.provider);
            return Err(ExecutorError::invalid(&pointer, why));
        }
        let cluster = CloudCluster { name: self.name.to_owned(), place: self.place.1.to_owned(), pointer };
        let Some(found) = credential_source(self.provider)?.cluster(job, &cluster).await? else { return Ok(None) };
        let exec = Exec {
            command: found.program,
            args: found.args,
            env: Vec::new(),
            api_version: "client.authentication.k8s.io/v1".to_owned(),
            provide_cluster_info: false,
            login: None,
        };
        Ok(Some(Kubeconfig {
            server: found.server.trim_end_matches('/').to_owned(),
            certificate_authority_data: Some(found.certificate_authority_data),
            user: User { exec: Some(exec), ..User::default() },
            ..Kubeconfig::default()
        }))
    }
}

#[cfg(test)]
mod tests {
    use executor_api::testing::TestJob;
    use serde_json::json;

    use crate::Cluster;

    #[tokio::test]
    async fn without_an_identity_of_that_cloud_there_is_no_way_to_it() {
        let job = TestJob::builder("kubectl", &json!({})).build().unwrap();
        for (variant, place) in [("eks", "region"), ("gke", "region"), ("aks", "resource_group")] {
            let of = |name: &str, at: &str| -> Cluster {
                serde_json::from_value(json!({ variant: { "name": name, place: at } })).unwrap()
            };
            let refused = of("main", "somewhere").prepare(&job.context, "/cluster").await.unwrap_err().to_string();
            assert!(refused.starts_with(&format!("/cluster/{variant}: the job has no cloud identity")), "{refused}");
            for hostile in ["", "--x", "../x", "a b", "a\nb", "a\0", "$(id)", "@file", "a,b={c}", &"x".repeat(100_000)]
            {
                let refused = of(hostile, "somewhere").check("/cluster").unwrap_err().to_string();
                assert!(refused.starts_with(&format!("/cluster/{variant}/name: ")), "{hostile:?}: {refused}");
                let refused = of("main", hostile).check("/cluster").unwrap_err().to_string();
                assert!(refused.starts_with(&format!("/cluster/{variant}/{place}: ")), "{hostile:?}: {refused}");
            }
        }
    }
}
