//! moto, which plays AWS. `ALETHIA_TEST_MOTO` says where it is. Every test has an account of its own in it.

use executor_api::testing::moto;
use reqwest::Client;
use tokio::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

use crate::harness::Runner;

/// Whether moto checks signatures and policies is one setting for the whole server.
static STRICTNESS: RwLock<()> = RwLock::const_new(());

pub(crate) struct Moto {
    pub(crate) url: String,
    http: Client,
    _turn: Turn,
}

#[expect(dead_code, reason = "held, not read")]
enum Turn {
    Lenient(RwLockReadGuard<'static, ()>),
    Strict(RwLockWriteGuard<'static, ()>),
}

impl Moto {
    /// For tests that it lets do anything. None if there is none.
    pub(crate) async fn lenient() -> Option<Self> {
        Self::at(Turn::Lenient(STRICTNESS.read().await))
    }

    /// For a test that makes it strict with [`Self::check_everything`].
    pub(crate) async fn strict() -> Option<Self> {
        Self::at(Turn::Strict(STRICTNESS.write().await))
    }

    fn at(turn: Turn) -> Option<Self> {
        let url = moto()?;
        Some(Self { url, http: Client::new(), _turn: turn })
    }

    /// A runner that reaches it, as nobody in particular.
    pub(crate) fn runner(&self) -> Runner {
        self.runner_as("AKIARUNNER", "runner-secret")
    }

    pub(crate) fn runner_as(&self, key: &str, secret: &str) -> Runner {
        Runner::default()
            .with("AWS_ENDPOINT_URL", &self.url)
            .with("AWS_ACCESS_KEY_ID", key)
            .with("AWS_SECRET_ACCESS_KEY", secret)
            .with("AWS_REGION", "eu-north-1")
    }

    /// An account that nobody else has.
    pub(crate) fn account() -> String {
        let random =
            executor_api::JobId::generate().as_str().bytes().fold(7_u64, |n, b| n.wrapping_mul(31) + u64::from(b));
        format!("{:012}", random % 900_000_000_000 + 1)
    }

    /// A key for an account, to prepare things in it.
    pub(crate) async fn key(&self, account: &str) -> String {
        let role = format!("arn:aws:iam::{account}:role/preparer");
        let form =
            [("Action", "AssumeRole"), ("Version", "2011-06-15"), ("RoleArn", &role), ("RoleSessionName", "test")];
        let answer = self.ask("AKIARUNNER", "us-east-1", "sts", &form).await;
        text_of(&answer, "AccessKeyId").unwrap_or_else(|| panic!("{answer}"))
    }

    /// A call that moto does not check.
    pub(crate) async fn ask(&self, key: &str, region: &str, service: &str, form: &[(&str, &str)]) -> String {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let asked = self.http.post(&self.url).header("content-type", "application/x-www-form-urlencoded").body(body);
        asked.header("authorization", unchecked(key, region, service)).send().await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn ask_json(&self, key: &str, region: &str, service: &str, path: &str, body: String) -> String {
        let asked = self.http.post(format!("{}{path}", self.url)).body(body);
        let kind = if service == "route53" { "text/xml" } else { "application/json" };
        let asked = asked.header("authorization", unchecked(key, region, service)).header("content-type", kind);
        asked.send().await.unwrap().text().await.unwrap()
    }

    /// A bucket or an object.
    pub(crate) async fn s3(&self, method: reqwest::Method, key: &str, path: &str) -> reqwest::Response {
        let asked = self.http.request(method, format!("{}/{path}", self.url));
        asked.header("authorization", unchecked(key, "us-east-1", "s3")).send().await.unwrap()
    }

    pub(crate) async fn make_vpc(&self, key: &str, region: &str, cidr: &str) -> String {
        let form = [("Action", "CreateVpc"), ("Version", "2016-11-15"), ("CidrBlock", cidr)];
        let answer = self.ask(key, region, "ec2", &form).await;
        text_of(&answer, "vpcId").unwrap_or_else(|| panic!("{answer}"))
    }

    /// From now on it checks signatures and policies.
    pub(crate) async fn check_everything(&self) {
        self.checks_after("0").await;
    }

    /// From now on it believes everybody.
    pub(crate) async fn check_nothing(&self) {
        self.checks_after("inf").await;
    }

    async fn checks_after(&self, requests: &str) {
        let answer = self.http.post(format!("{}/moto-api/reset-auth", self.url)).body(requests.to_owned()).send().await;
        assert!(answer.unwrap().status().is_success());
    }
}

fn unchecked(key: &str, region: &str, service: &str) -> String {
    format!(
        "AWS4-HMAC-SHA256 Credential={key}/20260101/{region}/{service}/aws4_request, SignedHeaders=host, Signature=x"
    )
}

/// The text of the first element of a name.
pub(crate) fn text_of(xml: &str, name: &str) -> Option<String> {
    let rest = xml.split_once(&format!("<{name}>"))?.1;
    Some(rest.split_once("</")?.0.to_owned())
}
