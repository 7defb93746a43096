//! A stand-in for AWS that knows one cluster: the test cluster. The real one cannot be had here.

use std::path::PathBuf;
use std::time::SystemTime;

use async_trait::async_trait;
use executor_api::{
    Ambient, CloudCluster, CloudIdentity, CloudSettings, ClusterEndpoint, CredentialPlugin, CredentialRequest,
    CredentialSession, CredentialSource, Environment, ExecutorError, Input, JobContext, RunAs, inventory,
};
use serde_json::json;

use crate::world::kubectl;

/// The name of the one cluster.
pub(crate) const CLUSTER: &str = "eks-euw1-dev-shop";

struct OneCluster;

inventory::submit! { CredentialPlugin { provider: "aws", source: &OneCluster } }

/// Runs as somebody of that cloud.
pub(crate) async fn run_as<T>(
    job: &JobContext,
    work: impl Future<Output = Result<T, ExecutorError>>,
) -> Result<T, ExecutorError> {
    let identity = CloudIdentity { provider: "aws".to_owned(), ..CloudIdentity::default() };
    let run_as = RunAs { identity: Some(identity), ambient: Ambient::default(), program: PathBuf::from("/bin/cat") };
    executor_api::run_as(job, run_as, work).await
}

#[async_trait]
impl CredentialSource for OneCluster {
    fn check(&self, _: &CloudIdentity, _: &CloudSettings) -> Result<(), ExecutorError> {
        Ok(())
    }

    fn inputs(&self, _: &CloudIdentity) -> Vec<Input> {
        Vec::new()
    }

    async fn open(&self, _: CredentialRequest) -> Result<Box<dyn CredentialSession>, ExecutorError> {
        Ok(Box::new(Nobody))
    }

    async fn cluster(
        &self,
        job: &JobContext,
        cluster: &CloudCluster,
    ) -> Result<Option<ClusterEndpoint>, ExecutorError> {
        if cluster.name != CLUSTER {
            return Ok(None);
        }
        let config = kubectl(&["config", "view", "--raw", "--output=json"]);
        let config: serde_json::Value = serde_json::from_str(&config).unwrap();
        let credential = json!({ "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
                                 "status": { "token": config["users"][0]["user"]["token"] } });
        let file = job.credentials().unwrap().folder().join("token.json");
        std::fs::write(&file, credential.to_string()).unwrap();
        let text = |name: &str| config["clusters"][0]["cluster"][name].as_str().unwrap().to_owned();
        Ok(Some(ClusterEndpoint {
            server: text("server"),
            certificate_authority_data: text("certificate-authority-data"),
            program: PathBuf::from("/bin/cat"),
            args: vec![file.display().to_string()],
        }))
    }
}

struct Nobody;

#[async_trait]
impl CredentialSession for Nobody {
    fn environment(&self) -> Environment {
        Environment::default()
    }

    fn who(&self) -> String {
        "nobody".to_owned()
    }

    async fn renew(&self) -> Result<Option<SystemTime>, ExecutorError> {
        Ok(None)
    }
}
