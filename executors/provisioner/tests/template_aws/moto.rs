//! An account at moto. It checks neither signatures nor policies.

use executor_api::testing::moto;
use reqwest::Client;

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
        let url = moto()?;
        let digits =
            executor_api::JobId::generate().as_str().bytes().fold(7_u64, |n, b| n.wrapping_mul(31) + u64::from(b));
        let id = format!("{:012}", digits % 900_000_000_000 + 1);
        let mut account = Self { url, id, key: "AKIATEST".to_owned(), http: Client::new() };
        let role = format!("arn:aws:iam::{}:role/preparer", account.id);
        let form = [("RoleArn", role.as_str()), ("RoleSessionName", "test")];
        let answer = account.ask("sts", "2011-06-15", "AssumeRole", &form).await;
        account.key = text_of(&answer, "AccessKeyId").unwrap_or_else(|| panic!("{answer}"));
        Some(account)
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

    /// What a secret holds.
    pub(crate) async fn secret(&self, name: &str) -> String {
        let asked = self.http.post(&self.url).body(serde_json::json!({ "SecretId": name }).to_string());
        let asked = asked.header("content-type", "application/x-amz-json-1.1");
        let asked = asked.header("x-amz-target", "secretsmanager.GetSecretValue");
        let answer = asked.header("authorization", self.signed("secretsmanager")).send().await.unwrap();
        let answer = answer.text().await.unwrap();
        let answer: serde_json::Value =
            serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        answer["SecretString"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    fn signed(&self, service: &str) -> String {
        format!(
            "AWS4-HMAC-SHA256 Credential={}/20260101/{REGION}/{service}/aws4_request, SignedHeaders=host, Signature=x",
            self.key
        )
    }

    async fn send(&self, service: &str, path: &str, kind: &str, body: String) -> String {
        let asked = self.http.post(format!("{}{path}", self.url)).body(body).header("content-type", kind);
        asked.header("authorization", self.signed(service)).send().await.unwrap().text().await.unwrap()
    }
}

/// The text of the first element of a name.
pub(crate) fn text_of(xml: &str, name: &str) -> Option<String> {
    let rest = xml.split_once(&format!("<{name}>"))?.1;
    Some(rest.split_once("</")?.0.to_owned())
}
