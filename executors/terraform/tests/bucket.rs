//! The bucket for states: made where it is missing, and left alone where it is there. Moto plays S3, and a stand-in what
//! moto never says.

use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::Response;
use executor_api::testing::{TestJob, moto};
use executor_api::{ExecutorError, ExecutorRegistry, JobId, Outcome, Stop, StopReason, StorageSettings};
use executor_terraform as _;
use reqwest::Method;
use serde_json::{Value, json};

const KEY_ID: &str = "AKIASTORAGE";
const SECRET: &str = "storage-secret-canary";
const NO_BUCKET: (u16, &str) = (404, "<Error><Code>NoSuchBucket</Code><Message>no</Message></Error>");
const HTML: &str = "<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>";

/// A bucket that nobody else has, in a storage.
struct Place {
    endpoint: String,
    region: &'static str,
    bucket: String,
}

impl Place {
    fn at(endpoint: &str, region: &'static str) -> Self {
        let bucket = format!("states-{}", JobId::generate());
        Self { endpoint: endpoint.to_owned(), region, bucket }
    }

    fn job(&self, key: &str, create_buckets: bool) -> TestJob {
        self.job_of(&self.payload(key), create_buckets)
    }

    fn payload(&self, key: &str) -> Value {
        let stack = "resource \"terraform_data\" \"a\" {}\n";
        json!({ "action": "apply", "source": { "files": { "main.tf": stack } },
                "backend": { "type": "s3", "bucket": self.bucket, "key": key } })
    }

    fn job_of(&self, payload: &Value, create_buckets: bool) -> TestJob {
        let storage = StorageSettings {
            endpoint: self.endpoint.clone(),
            region: self.region.to_owned(),
            key_id: KEY_ID.to_owned(),
            secret_key: SECRET.to_owned(),
            create_buckets,
        };
        TestJob::builder("terraform", payload).settings(|settings| settings.storage = Some(storage)).build().unwrap()
    }

    /// Asks a moto that checks no signature.
    async fn ask(&self, method: Method, rest: &str) -> (u16, String) {
        let region = self.region;
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={KEY_ID}/20260101/{region}/s3/aws4_request, SignedHeaders=host, Signature=x"
        );
        let url = format!("{}/{}{rest}", self.endpoint, self.bucket);
        let answer = reqwest::Client::new().request(method, url).header("authorization", signed).send().await.unwrap();
        (answer.status().as_u16(), answer.text().await.unwrap())
    }
}

async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("terraform").unwrap().executor().execute(&job.context).await
}

async fn done(job: &TestJob) {
    run(job).await.unwrap_or_else(|error| panic!("{error}\n{}", job.log()));
}

/// Runs a job that must fail, and says how.
async fn refused(job: &TestJob) -> String {
    let error = run(job).await.expect_err(&job.log()).to_string();
    for secret in [KEY_ID, SECRET, "Signature", "AWS4-HMAC"] {
        assert!(!error.contains(secret) && !job.log().contains(secret), "{error}\n{}", job.log());
    }
    error
}

#[tokio::test]
async fn a_missing_bucket_is_made_private_and_with_versioning() {
    let Some(moto) = moto() else { return };
    for region in ["us-east-1", "eu-north-1"] {
        let place = Place::at(&moto, region);
        let job = place.job("a", true);
        done(&job).await;
        assert!(job.log().contains(&format!("made the bucket {} for states at ", place.bucket)), "{}", job.log());
        assert!(!job.log().contains("canary") && !job.log().contains("Signature"), "{}", job.log());

        let (_, versioning) = place.ask(Method::GET, "?versioning").await;
        assert!(versioning.contains("<Status>Enabled</Status>"), "{versioning}");
        let (_, owners) = place.ask(Method::GET, "?acl").await;
        assert_eq!((owners.matches("<Grant>").count(), owners.matches("FULL_CONTROL").count()), (1, 1), "{owners}");
        assert!(!owners.contains("AllUsers") && !owners.contains("AuthenticatedUsers"), "{owners}");
        let (_, location) = place.ask(Method::GET, "?location").await;
        assert_eq!(location.contains(region), region != "us-east-1", "{location}");
        assert_eq!(place.ask(Method::GET, "/a").await.0, 200, "the state is there");

        let second = place.job("b", true);
        done(&second).await;
        assert!(!second.log().contains("made the bucket"), "{}", second.log());
    }
}

#[tokio::test]
async fn a_bucket_that_is_there_is_left_as_it_is() {
    let Some(moto) = moto() else { return };
    let place = Place::at(&moto, "us-east-1");
    assert_eq!(place.ask(Method::PUT, "").await.0, 200);
    let job = place.job("a", true);
    done(&job).await;
    let (_, versioning) = place.ask(Method::GET, "?versioning").await;
    assert!(!versioning.contains("Status"), "{versioning}");
    assert!(!job.log().contains("made the bucket"), "{}", job.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_jobs_at_once_both_have_their_bucket() {
    let Some(moto) = moto() else { return };
    for region in ["us-east-1", "eu-north-1"] {
        let place = Place::at(&moto, region);
        let (one, other) = (place.job("a", true), place.job("b", true));
        tokio::join!(done(&one), done(&other));
        assert!([&one, &other].iter().any(|job| job.log().contains("made the bucket")), "{}", one.log());
        assert_eq!((place.ask(Method::GET, "/a").await.0, place.ask(Method::GET, "/b").await.0), (200, 200));
        let (_, versioning) = place.ask(Method::GET, "?versioning").await;
        assert!(versioning.contains("<Status>Enabled</Status>"), "{versioning}");
    }
}

#[tokio::test]
async fn where_the_operator_says_so_a_missing_bucket_is_only_named() {
    let Some(moto) = moto() else { return };
    let place = Place::at(&moto, "us-east-1");
    let error = refused(&place.job("a", false)).await;
    for part in ["does not exist", "ALETHIA_STATE_BUCKET", "ALETHIA_STORAGE_AUTO_CREATE_BUCKETS"] {
        assert!(error.contains(part), "{part} is not in {error}");
    }
    assert_eq!(place.ask(Method::HEAD, "").await.0, 404);
}

/// What is answered to method, query, and how many of the same came before.
type Play = fn(&str, &str, usize) -> (u16, &'static str);

/// A server that plays a storage. To terraform itself it says that there is no bucket.
struct StandIn {
    url: String,
    /// What we asked, and not terraform: method and path.
    asked: Arc<Mutex<Vec<String>>>,
}

impl StandIn {
    async fn start(play: Play) -> Self {
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let remembered = Arc::clone(&asked);
        let handler = move |request: Request| {
            let agent = request.headers().get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
            let (status, body) = if agent.starts_with("alethia-runner/") {
                let (method, query) = (request.method().as_str(), request.uri().query().unwrap_or_default());
                let line = format!("{method} {}", request.uri());
                let mut remembered = remembered.lock().unwrap();
                let before = remembered.iter().filter(|before| **before == line).count();
                remembered.push(line);
                play(method, query, before)
            } else {
                NO_BUCKET
            };
            let kind = if body == HTML { "text/html; charset=utf-8" } else { "application/xml" };
            let status = StatusCode::from_u16(status).unwrap();
            let answer =
                Response::builder().status(status).header("content-type", kind).body(Body::from(body)).unwrap();
            async move { answer }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/storage/v1/s3/", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        Self { url, asked }
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn what_cannot_be_made_is_named_with_its_remedy() {
    let cases: [(Play, &[&str]); 8] = [
        (
            |method, _, _| if method == "HEAD" { (404, "") } else { (403, "<Error><Code>AccessDenied</Code></Error>") },
            &["is not there, and the runner's key may not make it", "answered 403 AccessDenied", "s3:CreateBucket"],
        ),
        (
            |method, _, _| {
                if method == "HEAD" { (404, "") } else { (409, "<Error><Code>BucketAlreadyExists</Code></Error>") }
            },
            &["belongs to somebody else", "answered 409 BucketAlreadyExists", "ALETHIA_STATE_BUCKET"],
        ),
        (
            |method, _, _| {
                if method == "HEAD" { (404, "") } else { (409, "<Error><Code>OperationAborted</Code></Error>") }
            },
            &["is not there, and cannot be made", "answered 409 OperationAborted"],
        ),
        (
            |method, _, _| if method == "HEAD" { (404, "") } else { (200, HTML) },
            &["answered 200 with a page of HTML", "SUPABASE_S3_ENDPOINT is wrong"],
        ),
        (|_, _, _| (404, HTML), &["answered 404 with a page of HTML", "SUPABASE_S3_ENDPOINT is wrong"]),
        (
            |method, _, _| {
                if method == "HEAD" { (404, "") } else { (400, "<Error><Code>InvalidBucketName</Code></Error>") }
            },
            &["is not there, and cannot be made", "answered 400 InvalidBucketName"],
        ),
        (|_, _, _| (503, HTML), &["cannot be asked for", "answered 503", "look after the storage"]),
        // Terraform is left to say it.
        (|_, _, _| (403, ""), &["terraform init failed", "does not exist"]),
    ];
    for (play, expected) in cases {
        let stand_in = StandIn::start(play).await;
        let place = Place::at(&stand_in.url, "us-east-1");
        let error = refused(&place.job("a", true)).await;
        for part in expected.iter().copied().chain([place.bucket.as_str()]) {
            assert!(error.contains(part), "{part} is not in {error}");
        }
        assert!(stand_in.asked()[0].starts_with(&format!("HEAD /storage/v1/s3/{}", place.bucket)));
    }
}

#[tokio::test]
async fn a_race_that_was_lost_is_won_and_a_busy_storage_is_asked_again() {
    let stand_in = StandIn::start(|method, query, before| match (method, query, before) {
        ("HEAD", _, 0) => (404, ""),
        ("PUT", "", 0) => (409, "<Error><Code>OperationAborted</Code></Error>"),
        ("PUT", "", _) => (409, "<Error><Code>BucketAlreadyOwnedByYou</Code></Error>"),
        ("PUT", _, 0) => (503, "<Error><Code>SlowDown</Code></Error>"),
        _ => (200, ""),
    })
    .await;
    let place = Place::at(&stand_in.url, "us-east-1");
    let job = place.job("a", true);
    let error = refused(&job).await;
    assert!(error.starts_with("terraform init failed"), "it comes to terraform: {error}");
    assert!(!job.log().contains("made the bucket") && !job.log().contains("versions"), "{}", job.log());
    let path = format!("/storage/v1/s3/{}", place.bucket);
    let versioned = format!("PUT {path}?versioning");
    let (head, put) = (format!("HEAD {path}"), format!("PUT {path}"));
    assert_eq!(stand_in.asked(), [&head, &put, &put, &head, &versioned, &versioned].map(String::as_str));
}

#[tokio::test]
async fn where_there_is_no_program_that_will_do_no_bucket_is_made() {
    let stand_in = StandIn::start(|method, _, _| if method == "HEAD" { (404, "") } else { (200, "") }).await;
    let place = Place::at(&stand_in.url, "us-east-1");
    let mut payload = place.payload("a");
    payload["version"] = json!(">=99");
    let error = refused(&place.job_of(&payload, true)).await;
    assert!(error.contains("needed is terraform >=99"), "{error}");
    assert!(stand_in.asked().iter().all(|asked| asked.starts_with("HEAD ")), "{:?}", stand_in.asked());
}

#[tokio::test]
async fn a_storage_that_knows_no_versions_is_good_enough_and_one_request_is_all_where_a_bucket_is_there() {
    let plays: [Play; 3] = [
        |method, query, _| versions((501, "<Error><Code>NotImplemented</Code></Error>"), method, query),
        |method, query, _| versions((405, "<Error><Code>MethodNotAllowed</Code></Error>"), method, query),
        |method, query, _| versions((400, ""), method, query),
    ];
    for play in plays {
        let stand_in = StandIn::start(play).await;
        let place = Place::at(&stand_in.url, "us-east-1");
        let job = place.job("a", true);
        assert!(refused(&job).await.starts_with("terraform init failed"), "it comes to terraform");
        let told = format!("the bucket {} keeps no old versions of states: ", place.bucket);
        assert!(job.log().contains("made the bucket") && job.log().contains(&told), "{}", job.log());
    }

    let stand_in = StandIn::start(|_, _, _| (200, "")).await;
    let place = Place::at(&stand_in.url, "us-east-1");
    assert!(refused(&place.job("a", true)).await.starts_with("terraform init failed"), "it comes to terraform");
    assert_eq!(stand_in.asked(), [format!("HEAD /storage/v1/s3/{}", place.bucket)]);
}

fn versions(answer: (u16, &'static str), method: &str, query: &str) -> (u16, &'static str) {
    match (method, query) {
        ("HEAD", _) => (404, ""),
        (_, "versioning") => answer,
        _ => (200, ""),
    }
}

/// The clock is ours: what waits for an answer waits no time.
#[tokio::test(start_paused = true)]
async fn a_storage_that_does_not_answer_is_named_and_a_job_that_is_stopped_does_not_wait_for_it() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    for address in [silent.local_addr().unwrap(), gone] {
        let place = Place::at(&format!("http://user:password-canary@{address}"), "us-east-1");
        let error = refused(&place.job("a", true)).await;
        let start = format!("the bucket {} for states cannot be asked for at {address}: it does not", place.bucket);
        assert!(error.starts_with(&start), "{error}");
        assert!(error.contains("check SUPABASE_S3_ENDPOINT and the way there"), "{error}");
        assert!(!error.contains("password-canary"), "{error}");
    }
    let place = Place::at(&format!("http://{}", silent.local_addr().unwrap()), "us-east-1");
    let job = place.job("a", true);
    job.stop.stop(Stop { reason: StopReason::CancelledByUser, force: false });
    assert!(matches!(run(&job).await, Err(ExecutorError::Stopped(StopReason::CancelledByUser))));
}

#[tokio::test]
async fn a_name_that_would_be_another_place_in_the_storage_is_refused() {
    for bucket in ["..", ".", "-x", "a/b", "a?versioning", ""] {
        let place = Place { endpoint: "http://127.0.0.1:1".to_owned(), region: "us-east-1", bucket: bucket.to_owned() };
        let error = run(&place.job("a", true)).await.unwrap_err().to_string();
        assert!(error.starts_with("/backend/bucket: "), "{bucket:?}: {error}");
    }
}
