//! Providers from the operator's mirror, with the real program and a real provider: no registry is asked.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use executor_api::testing::{TestJob, aws_provider};
use executor_api::{ExecutorError, ExecutorRegistry, Outcome};
use executor_terraform as _;
use serde_json::json;

const STACK: &str = r#"
terraform {
  required_providers { aws = { source = "hashicorp/aws" } }
}
"#;

/// A proxy that hangs up, and counts who called.
struct Proxy {
    address: String,
    calls: Arc<AtomicUsize>,
}

impl Proxy {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&calls);
        std::thread::spawn(move || {
            for _call in listener.incoming() {
                counted.fetch_add(1, Ordering::SeqCst);
            }
        });
        Self { address, calls }
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn job(proxy: &Proxy, mirror: Option<PathBuf>) -> TestJob {
    let state = std::env::temp_dir().join("there-is-no-state-of-this-name");
    let payload = json!({ "action": "output", "source": { "files": { "main.tf": STACK } },
                          "backend": { "type": "local", "path": state } });
    let builder = TestJob::builder("terraform", &payload).settings(|settings| {
        for name in ["HTTP_PROXY", "HTTPS_PROXY"] {
            settings.env.insert(name.to_owned(), proxy.address.clone());
        }
        settings.provider_mirror = mirror;
    });
    builder.build().unwrap()
}

async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("terraform").unwrap().executor().execute(&job.context).await
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_inits_at_once_from_a_mirror_succeed_and_ask_no_registry() {
    let Some(mirror) = aws_provider() else { return };
    let proxy = Proxy::start();
    let jobs: Vec<_> = (0..8).map(|_| job(&proxy, Some(mirror.clone()))).collect();
    let running: Vec<_> = jobs
        .into_iter()
        .map(|job| {
            tokio::spawn(async move {
                let ended = run(&job).await;
                ended.map(drop).map_err(|error| format!("{error}\n{}", job.log()))
            })
        })
        .collect();
    for ended in running {
        ended.await.unwrap().unwrap_or_else(|error| panic!("{error}"));
    }
    assert_eq!(proxy.calls(), 0, "a registry was asked");

    // Without the mirror it is asked: the count above is worth something.
    run(&job(&proxy, None)).await.unwrap_err();
    assert!(proxy.calls() > 0);
}

#[tokio::test]
async fn a_provider_that_the_mirror_lacks_is_not_fetched_from_elsewhere() {
    let proxy = Proxy::start();
    let empty = tempfile::tempdir().unwrap();
    let error = run(&job(&proxy, Some(empty.path().to_owned()))).await.unwrap_err().to_string();
    assert!(error.contains("hashicorp/aws"), "{error}");
    assert_eq!(proxy.calls(), 0, "a registry was asked");
}

#[tokio::test]
async fn a_mirror_that_is_no_folder_is_named() {
    let proxy = Proxy::start();
    let error = run(&job(&proxy, Some(PathBuf::from("/nonexistent")))).await.unwrap_err().to_string();
    assert!(error.contains("the provider mirror /nonexistent is no folder"), "{error}");
    assert!(error.contains("ALETHIA_PROVIDER_MIRROR"), "{error}");
}
