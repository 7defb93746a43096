//! A state at the plane, which is asked before each plan whether there is one. The real program; a stand-in plays the
//! plane.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::{Arc, Mutex};

use axum::body::Bytes;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::{Json, Router, routing};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use executor_api::testing::TestJob;
use executor_api::{ExecutorRegistry, PlaneAccess};
use executor_terraform as _;
use serde_json::json;
use tempfile::TempDir;

const STACK: &str = include_str!("forgetful.tf");

/// What the stand-in keeps.
#[derive(Default)]
struct Kept {
    state: Option<Bytes>,
    /// It answers our question with this, and without a word.
    broken: Option<StatusCode>,
    questions: Vec<String>,
}

struct StandIn {
    origin: String,
    kept: Arc<Mutex<Kept>>,
    /// The real program behind a script that writes down what it is called with.
    program: TempDir,
}

impl StandIn {
    async fn start() -> Self {
        let kept = Arc::<Mutex<Kept>>::default();
        let of_states = Arc::clone(&kept);
        let state = move |method: Method, headers: HeaderMap, body: Bytes| {
            let answer = answer(&mut of_states.lock().unwrap(), &method, &headers, body);
            async move { answer }
        };
        let router = Router::new()
            .route("/api/state/net", routing::any(state))
            .route("/api/state/net/lock", routing::any(|| async { StatusCode::OK }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let program = tempfile::tempdir().unwrap();
        let script = program.path().join("terraform");
        let calls = program.path().join("calls");
        fs::write(&script, format!("#!/bin/sh\necho \"$1\" >> {}\nexec terraform \"$@\"\n", calls.display())).unwrap();
        fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
        Self { origin, kept, program }
    }

    /// Runs a job to its end; with it, what the program was called with.
    async fn run(&self, action: &str, password: &str) -> (TestJob, Vec<String>) {
        let payload = json!({ "action": action, "source": { "files": { "main.tf": STACK } },
                              "variables": { "password": password },
                              "backend": { "type": "plane", "name": "net" } });
        let job = TestJob::builder("terraform", &payload).settings(|settings| {
            let state_token = "state-token-canary".to_owned();
            settings.plane = Some(PlaneAccess { origin: self.origin.clone(), state_token });
            settings.tools.insert("terraform".to_owned(), self.program.path().join("terraform"));
        });
        let job = job.build().unwrap();
        let executor = ExecutorRegistry::from_linked().unwrap().get("terraform").unwrap().executor();
        executor.execute(&job.context).await.unwrap_or_else(|error| panic!("{error}\n{}", job.log()));
        let calls = self.program.path().join("calls");
        let called = fs::read_to_string(&calls).unwrap().lines().map(str::to_owned).collect();
        fs::remove_file(calls).unwrap();
        (job, called)
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap()
    }
}

fn answer(kept: &mut Kept, method: &Method, headers: &HeaderMap, body: Bytes) -> Response {
    let is_ours = headers["user-agent"].to_str().unwrap().starts_with("alethia-runner/");
    if is_ours {
        assert_eq!(*method, Method::GET);
        kept.questions.push(headers["authorization"].to_str().unwrap().to_owned());
    }
    match (method, kept.broken.filter(|_| is_ours)) {
        (_, Some(status)) => status.into_response(),
        (&Method::POST, None) => {
            kept.state = Some(body);
            StatusCode::OK.into_response()
        }
        (_, None) => kept.state.clone().map_or_else(no_state, IntoResponse::into_response),
    }
}

fn no_state() -> Response {
    (StatusCode::NOT_FOUND, Json(json!({ "error": "there is no such state" }))).into_response()
}

#[tokio::test]
async fn a_new_stack_costs_one_question_and_an_old_one_is_read_before_its_plan() {
    let plane = StandIn::start().await;
    let (job, called) = plane.run("plan", "the-old-password-1").await;
    assert_eq!(called, ["init", "plan", "show"], "there is nothing to hide");
    let credentials = format!("{}:state-token-canary", job.context.job().id);
    let asked = format!("Basic {}", BASE64_STANDARD.encode(credentials));
    assert_eq!(plane.kept().questions, [asked]);

    plane.run("apply", "the-old-password-1").await;
    let (job, called) = plane.run("plan", "the-new-password-2").await;
    assert_eq!(called, ["init", "output", "plan", "show"]);
    assert!(job.log().contains("~ output = \"***\" -> (known after apply)"), "{}", job.log());
    assert!(!job.log().contains("the-old-password-1"), "{}", job.log());
}

#[tokio::test]
async fn a_plane_that_does_not_say_no_may_have_a_state() {
    let plane = StandIn::start().await;
    // What stands before a plane that restarts has no words of the plane.
    for status in [StatusCode::INTERNAL_SERVER_ERROR, StatusCode::NOT_FOUND] {
        plane.kept().broken = Some(status);
        let (_, called) = plane.run("plan", "the-old-password-1").await;
        assert_eq!(called, ["init", "output", "plan", "show"], "{status}");
    }
}
