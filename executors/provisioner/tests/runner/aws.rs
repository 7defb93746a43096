//! moto, which plays AWS (`ALETHIA_TEST_MOTO`), a folder of provider packages (`ALETHIA_TEST_PROVIDERS`), and a job that
//! reaches both. What is missing is a visible skip.

use std::path::PathBuf;

use executor_api::testing::{TestJob, TestJobBuilder, aws_provider, moto};
use executor_api::{ExecutorError, ExecutorRegistry, JobContext, JobId, Outcome};
use executor_provisioner as _;
use serde_json::{Value, json};

pub(crate) const REGION: &str = "eu-north-1";
pub(crate) const URL: &str = "https://alethia.example.com";

pub(crate) struct Aws {
    pub(crate) url: String,
    pub(crate) providers: PathBuf,
    pub(crate) states: tempfile::TempDir,
}

impl Aws {
    pub(crate) fn find() -> Option<Self> {
        let states = tempfile::tempdir().unwrap();
        Some(Self { url: moto()?, providers: aws_provider()?, states })
    }

    /// A job on AWS, its state on this machine.
    pub(crate) fn job(&self, kind: &str, payload: &Value) -> TestJobBuilder {
        let (url, mirror, states) = (self.url.clone(), self.providers.clone(), self.states.path().to_owned());
        TestJob::builder(kind, payload).settings(move |settings| {
            for (name, value) in [
                ("AWS_ENDPOINT_URL", url.as_str()),
                ("AWS_ACCESS_KEY_ID", "AKIARUNNER"),
                ("AWS_SECRET_ACCESS_KEY", "runner-secret"),
            ] {
                settings.env.insert(name.to_owned(), value.to_owned());
            }
            settings.provider_mirror = Some(mirror);
            settings.local_states = Some(states);
        })
    }

    /// A call of an API that speaks JSON, which moto does not check.
    pub(crate) async fn ask(&self, service: &str, target: &str, body: &Value) -> Value {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIARUNNER/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=x"
        );
        let asked = reqwest::Client::new().post(&self.url).header("authorization", authorization);
        let asked = asked.header("x-amz-target", target).header("content-type", "application/x-amz-json-1.1");
        asked.body(body.to_string()).send().await.unwrap().json().await.unwrap()
    }

    /// A bucket or an object of it.
    pub(crate) async fn s3(&self, method: reqwest::Method, path: &str) -> reqwest::Response {
        let authorization = "AWS4-HMAC-SHA256 Credential=AKIASTORAGE/20260101/us-east-1/s3/aws4_request, \
                             SignedHeaders=host, Signature=x";
        let asked = reqwest::Client::new().request(method, format!("{}/{path}", self.url));
        asked.header("authorization", authorization).send().await.unwrap()
    }

    pub(crate) async fn secret(&self, runner: &str, name: &str) -> Value {
        let id = format!("alethia-runner-{runner}/{name}");
        self.ask("secretsmanager", "secretsmanager.GetSecretValue", &json!({ "SecretId": id })).await
    }

    /// What the function that scales a runner is told.
    pub(crate) async fn environment_of_scaler(&self, runner: &str) -> Value {
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential=AKIARUNNER/20260101/{REGION}/lambda/aws4_request, SignedHeaders=host, Signature=x"
        );
        let url = format!("{}/2015-03-31/functions/alethia-runner-{runner}-scaler/configuration", self.url);
        let asked = reqwest::Client::new().get(url).header("authorization", authorization);
        let told: Value = asked.send().await.unwrap().json().await.unwrap();
        told["Environment"]["Variables"].clone()
    }

    /// The service of a runner, and what it runs.
    pub(crate) async fn service(&self, runner: &str) -> (Value, Value) {
        let name = format!("alethia-runner-{runner}");
        let target = "AmazonEC2ContainerServiceV20141113";
        let services = json!({ "cluster": name, "services": [name] });
        let services = self.ask("ecs", &format!("{target}.DescribeServices"), &services).await;
        let service = services["services"][0].clone();
        let wanted = json!({ "taskDefinition": service["taskDefinition"] });
        let task = self.ask("ecs", &format!("{target}.DescribeTaskDefinition"), &wanted).await;
        (service, task["taskDefinition"].clone())
    }
}

pub(crate) async fn run(job: &JobContext) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get(&job.job().job_type).unwrap().executor().execute(job).await
}

/// A runner that nobody else has.
pub(crate) fn fresh_id() -> String {
    JobId::generate().to_string()
}

pub(crate) fn payload(id: &str, more: &Value) -> Value {
    let mut payload = json!({ "runner_id": id, "runner_token": "token-canary-0123456789", "runner_name": "fresh",
                              "region": REGION, "alethia_url": URL, "image_repository": "registry.example.com/alethia",
                              "wait": false });
    payload.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    payload
}
