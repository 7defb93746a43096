//! The real kubectl at a cluster that is found by its name: a stand-in for EKS says where it is, and a stand-in for its
//! API server sees who asks.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use cluster_access::Cluster;
use executor_api::testing::tool;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::harness::{Runner, role};
use crate::stand_in::{Answer, StandIn, sts};

/// An API server with a certificate of its own authority, which is PEM in base64 here.
struct ApiServer {
    url: String,
    authority: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl ApiServer {
    async fn start() -> Self {
        let mut ca = CertificateParams::new(Vec::<String>::new()).unwrap();
        ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let (ca_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let authority = STANDARD.encode(ca.self_signed(&ca_key).unwrap().pem());
        let issuer = Issuer::new(ca, ca_key);
        let certificate =
            CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
        let chain = vec![CertificateDer::from(certificate.der().to_vec())];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        tokio::spawn(answer_all(listener, TlsAcceptor::from(Arc::new(config)), Arc::clone(&asked)));
        Self { url, authority, asked }
    }
}

async fn answer_all(listener: TcpListener, tls: TlsAcceptor, asked: Arc<Mutex<Vec<String>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let Ok(mut stream) = tls.accept(stream).await else { continue };
        let mut head = vec![0; 16 * 1024];
        let length = stream.read(&mut head).await.unwrap_or_default();
        asked.lock().unwrap().push(String::from_utf8_lossy(&head[..length]).into_owned());
        let body = "{\"major\":\"1\",\"minor\":\"31\",\"gitVersion\":\"v1.31.0\"}";
        let length = body.len();
        let answer = format!(
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
        );
        let _ = stream.write_all(answer.as_bytes()).await;
        let _ = stream.shutdown().await;
    }
}

#[tokio::test]
async fn kubectl_gets_a_fresh_token_from_our_program() {
    let api = ApiServer::start().await;
    let cluster = json!({ "cluster": { "status": "ACTIVE", "endpoint": api.url, "certificateAuthority": { "data": api.authority } } });
    let aws = StandIn::start(move |asked| {
        if asked.path == "/clusters/main" {
            return Answer::json(&cluster);
        }
        sts(asked, 3600).unwrap()
    })
    .await;
    let runner = Runner::default()
        .with("AWS_ENDPOINT_URL", &aws.url)
        .with("AWS_ACCESS_KEY_ID", "AKIARUNNER")
        .with("AWS_SECRET_ACCESS_KEY", "runner-secret")
        .with("AWS_REGION", "eu-north-1");
    let job = runner.job("kubectl", &json!({})).build().unwrap();
    let Some(kubectl) = tool("kubectl") else { return };
    let cluster: Cluster = serde_json::from_value(json!({ "eks": { "name": "main", "region": "eu-west-1" } })).unwrap();
    let finished = runner
        .run_under(&job, role("arn:aws:iam::111122223333:role/deployer", ""), async |job| {
            let access = cluster.prepare(job, "/cluster").await?;
            let kubeconfig = std::fs::read_to_string(access.kubeconfig()).unwrap();
            assert!(!kubeconfig.contains("-of-ASIA"), "no credential in the kubeconfig: {kubeconfig}");
            job.capture(access.point(job.command(&kubectl)).args(["get", "--raw=/version"])).await
        })
        .await
        .unwrap();
    assert!(finished.exit.is_success(), "{}", job.log());
    let asked = api.asked.lock().unwrap().join("\n");
    assert!(asked.contains("GET /version"), "{asked}");
    assert!(asked.contains("Authorization: Bearer k8s-aws-v1."), "{asked}");
    assert!(!job.log().contains("k8s-aws-v1."), "{}", job.log());
}
