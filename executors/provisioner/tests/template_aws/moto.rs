//! An account at moto. It checks neither signatures nor policies.

use reqwest::Client;
use serde_json::json;

use crate::stage::{skipped, variable};

pub(crate) const REGION: &str = "eu-north-1";

pub(crate) struct Account {
    pub(crate) url: String,
    pub(crate) id: String,
    pub(crate) key: String,
    http: Client,
}

impl Account {
    /// An account that nobody else has. None if there is no moto.
    pub(crate) async fn new() -> Option<Self> {
        let Some(url) = variable("ALETHIA_TEST_MOTO") else {
            skipped("no moto; start `python -m moto.server -p PORT` and set ALETHIA_TEST_MOTO=http://127.0.0.1:PORT");
            return None;
        };
        let digits =
            executor_api::JobId::generate().as_str().bytes().fold(7_u64, |n, b| n.wrapping_mul(31) + u64::from(b));
        let id = format!("{:012}", digits % 900_000_000_000 + 1);
        let mut account = Self { url, id, key: "AKIATEST".to_owned(), http: Client::new() };
        let role = format!("arn:aws:iam::{}:role/preparer", account.id);
        let form = [("RoleArn", role.as_str()), ("RoleSessionName", "test")];
        let answer = account.ask("sts", "2011-06-15", "AssumeRole", &form).await;
        account.key = text_of(&answer, "AccessKeyId").unwrap_or_else(|| panic!("{answer}"));
        account.load_managed_policies().await;
        Some(account)
    }

    /// moto has the policies that AWS keeps only if it is told to, before an account is used.
    async fn load_managed_policies(&self) {
        self.loads_managed_policies(true).await;
        self.ask("iam", "2010-05-08", "ListRoles", &[]).await;
        self.loads_managed_policies(false).await;
    }

    async fn loads_managed_policies(&self, is_on: bool) {
        let config = json!({ "iam": { "load_aws_managed_policies": is_on } }).to_string();
        let asked = self.http.post(format!("{}/moto-api/config", self.url)).body(config);
        let answer = asked.header("content-type", "application/json").send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// A call of the kind that has a form.
    pub(crate) async fn ask(&self, service: &str, version: &str, action: &str, form: &[(&str, &str)]) -> String {
        let named = [("Action", action), ("Version", version)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(named).extend_pairs(form).finish();
        self.send(service, "/", "application/x-www-form-urlencoded", body).await
    }

    pub(crate) async fn ec2(&self, action: &str, form: &[(&str, &str)]) -> String {
        self.ask("ec2", "2016-11-15", action, form).await
    }

    /// The id of a zone that is made here.
    pub(crate) async fn make_zone(&self, domain: &str) -> String {
        let body = format!(
            "<CreateHostedZoneRequest xmlns=\"https://route53.amazonaws.com/doc/2013-04-01/\"><Name>{domain}</Name>\
             <CallerReference>{}</CallerReference></CreateHostedZoneRequest>",
            self.id
        );
        let answer = self.send("route53", "/2013-04-01/hostedzone", "text/xml", body).await;
        let id = text_of(&answer, "Id").unwrap_or_else(|| panic!("{answer}"));
        id.trim_start_matches("/hostedzone/").to_owned()
    }

    async fn send(&self, service: &str, path: &str, kind: &str, body: String) -> String {
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=x",
            self.key
        );
        let asked = self.http.post(format!("{}{path}", self.url)).body(body).header("content-type", kind);
        asked.header("authorization", signed).send().await.unwrap().text().await.unwrap()
    }
}

/// The text of the first element of a name.
pub(crate) fn text_of(xml: &str, name: &str) -> Option<String> {
    let rest = xml.split_once(&format!("<{name}>"))?.1;
    Some(rest.split_once("</")?.0.to_owned())
}
