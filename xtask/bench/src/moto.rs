//! moto, which plays AWS: STS, S3 and what an environment is made of. It is slow, so what it takes is measured in turns
//! with what is measured against it.

use std::net::TcpListener;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::Client;

use crate::clock;
use crate::programs::{Running, command};

/// The role whose jobs are timed.
pub(crate) const ROLE: &str = "arn:aws:iam::123456789012:role/bench";
const START_LIMIT: Duration = Duration::from_secs(60);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// A running moto.
pub(crate) struct Moto {
    /// Its address as `host:port`.
    pub(crate) host_port: String,
    http: Client,
    /// Ends with us.
    running: Running,
}

impl Moto {
    /// Starts it with a Python that has it.
    pub(crate) async fn start(python: Option<&Path>) -> anyhow::Result<Self> {
        let python = python.context("no moto; `cargo xtask bench` brings one, or give --moto-python FILE")?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut server = command(python);
        server.args(["-m", "moto.server", "--host=127.0.0.1", "--port", &address.port().to_string()]);
        let said = std::process::Stdio::null;
        let running = Running(server.stdout(said()).stderr(said()).spawn().context("moto does not start")?);
        let http = Client::builder().no_proxy().tcp_nodelay(true).build()?;
        let mut moto = Self { host_port: address.to_string(), http, running };
        tokio::time::timeout(START_LIMIT, moto.answers()).await.context("moto does not answer")??;
        Ok(moto)
    }

    async fn answers(&mut self) -> anyhow::Result<()> {
        while self.assume_role().await.is_err() {
            if let Some(status) = self.running.0.try_wait()? {
                bail!("moto ended with {status}");
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// Makes a bucket, whatever account the key is of.
    pub(crate) async fn make_bucket(&self, name: &str) -> anyhow::Result<()> {
        let asked = self
            .http
            .put(format!("http://{}/{name}", self.host_port))
            .header("authorization", signed("s3", "us-east-1"));
        asked.send().await?.error_for_status().map(drop).with_context(|| format!("moto makes no bucket {name}"))
    }

    /// The regions that it knows.
    pub(crate) async fn regions(&self) -> anyhow::Result<Vec<String>> {
        let text = self.ec2("us-east-1", "DescribeRegions").await?;
        let names = text.split("<regionName>").skip(1).filter_map(|rest| rest.split("</regionName>").next());
        let names: Vec<_> = names.map(str::to_owned).collect();
        if names.is_empty() { bail!("moto knows no region: {text}") } else { Ok(names) }
    }

    /// Makes networks in a region.
    pub(crate) async fn make_vpcs(&self, region: &str, count: usize) -> anyhow::Result<()> {
        for number in 0..count {
            self.ec2(region, &format!("CreateVpc&CidrBlock=10.{number}.0.0/16")).await?;
        }
        Ok(())
    }

    async fn ec2(&self, region: &str, action: &str) -> anyhow::Result<String> {
        let asked = self.http.post(format!("http://{}", self.host_port));
        let asked = asked
            .header("authorization", signed("ec2", region))
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = asked.body(format!("Action={action}&Version=2016-11-15")).send().await?.error_for_status();
        Ok(answer.with_context(|| format!("moto refuses {action} in {region}"))?.text().await?)
    }

    /// One bare `AssumeRole` on a connection of its own, as each job makes it, in milliseconds.
    pub(crate) async fn assume_role(&self) -> anyhow::Result<f64> {
        let body = format!("Action=AssumeRole&Version=2011-06-15&RoleArn={ROLE}&RoleSessionName=bench");
        let asked =
            self.http.post(format!("http://{}", self.host_port)).header("authorization", signed("sts", "us-east-1"));
        let asked = asked.header("content-type", "application/x-www-form-urlencoded").header("connection", "close");
        let begun = clock::now_ns();
        asked.body(body).send().await?.error_for_status()?.bytes().await?;
        Ok(clock::ms_since(begun))
    }
}

/// moto looks at the key, the region and the service, not at the signature.
fn signed(service: &str, region: &str) -> String {
    let scope = format!("AKIABENCH/20260101/{region}/{service}/aws4_request");
    format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=x")
}

/// Who a runner is at the AWS that is there.
pub(crate) fn environment(endpoint: &str) -> [(&'static str, &str); 5] {
    [
        ("ALETHIA_SLOTS", "1"),
        ("AWS_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "AKIABENCH"),
        ("AWS_SECRET_ACCESS_KEY", "bench"),
        ("AWS_REGION", "eu-north-1"),
    ]
}
