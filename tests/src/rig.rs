//! One plane and one runner, each a process of its own on a folder that goes away with them, and their user.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};
use sse_stream::SseStream;

/// Longer than anything here takes.
const TOO_LONG: Duration = Duration::from_secs(90);

/// A process of the test's own, in a group of its own. It dies with this value.
pub struct Process(Child);

impl Process {
    /// Starts one of this package's programs with exactly these variables.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start(name: &str, args: &[&str], env: &[(&str, String)], output: [Stdio; 2]) -> Self {
        use std::os::unix::process::CommandExt;
        let [stdout, stderr] = output;
        #[expect(clippy::disallowed_methods, reason = "the harness starts the programs under test as a shell would")]
        let mut command = Command::new(program(name));
        command.args(args).env_clear().envs(env.iter().map(|(name, value)| (*name, value)));
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
        Self(command.spawn().expect("the program starts"))
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    /// Sends a signal to the process itself.
    ///
    /// # Panics
    /// If it has ended.
    pub fn signal(&self, signal: rustix::process::Signal) {
        rustix::process::kill_process(pid_of(&self.0), signal).expect("it lives");
    }

    /// Waits for its end.
    ///
    /// # Panics
    /// If that takes too long.
    pub async fn ended(mut self) -> ExitStatus {
        let waited = tokio::task::spawn_blocking(move || self.0.wait());
        tokio::time::timeout(TOO_LONG, waited).await.expect("it ends").expect("a thread").expect("it is ours")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.0.try_wait(), Ok(None)) {
            let _ = rustix::process::kill_process_group(pid_of(&self.0), rustix::process::Signal::KILL);
            let _ = self.0.wait();
        }
    }
}

fn pid_of(child: &Child) -> rustix::process::Pid {
    rustix::process::Pid::from_child(child)
}

/// Cargo puts the programs of this package beside the folder of its tests.
fn program(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test is a program");
    test.parent().and_then(Path::parent).expect("a target folder").join(name)
}

/// The variable PATH, for tools of jobs.
#[must_use]
pub fn search_path() -> String {
    #[expect(clippy::disallowed_methods, reason = "a test runs in the environment of whoever started it")]
    std::env::var("PATH").unwrap_or_default()
}

/// The plane, the runner and the user.
pub struct Rig {
    /// Where the plane listens.
    pub origin: String,
    /// The runner's id there.
    pub runner_id: String,
    /// The runner's token there.
    pub runner_token: String,
    http: Client,
    user_token: String,
    // In this order: the runner leaves before its plane, and the folder goes last.
    runner: Option<Process>,
    _plane: Process,
    folder: tempfile::TempDir,
}

impl Rig {
    /// A plane without a runner.
    ///
    /// # Panics
    /// If anything of it fails, as in all of this: a test wants to end.
    pub async fn plane() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let data = folder.path().join("data").display().to_string();
        let mut plane = Process::start("test-plane", &[&data, "0"], &[], [Stdio::piped(), Stdio::inherit()]);
        let mut origin = String::new();
        let stdout = plane.0.stdout.take().expect("it is piped");
        BufReader::new(stdout).read_line(&mut origin).expect("the plane says its address");
        let user_token = fs::read_to_string(folder.path().join("data/admin-token")).expect("the first start wrote it");
        let http = Client::builder().no_proxy().build().expect("a client");
        let mut rig = Self {
            origin: origin.trim().to_owned(),
            runner_id: String::new(),
            runner_token: String::new(),
            http,
            user_token: user_token.trim().to_owned(),
            runner: None,
            _plane: plane,
            folder,
        };
        let (status, answer) = rig.call(Method::POST, "/runners/register", Some(&json!({ "name": "one" }))).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        rig.runner_id = answer["runner"]["id"].as_str().expect("an id").to_owned();
        rig.runner_token = answer["runner_token"].as_str().expect("a token").to_owned();
        rig
    }

    /// A plane and a runner that has these variables, too.
    pub async fn with_runner(more: &[(&str, String)]) -> Self {
        let mut rig = Self::plane().await;
        rig.start_runner(more).await;
        rig
    }

    /// Starts the runner.
    pub async fn start_runner(&mut self, more: &[(&str, String)]) {
        let id = self.runner_id.clone();
        let token = self.runner_token.clone();
        self.runner = Some(start_runner(&self.origin, [&id, &token], self.folder.path(), more).await);
    }

    /// The folder that holds `data` of the plane, `state` of the runner and the runner's own messages.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The runner's process id.
    #[must_use]
    pub fn runner_pid(&self) -> u32 {
        self.runner.as_ref().expect("it was started").pid()
    }

    /// Asks the runner to leave and waits until it has.
    pub async fn stop_runner(&mut self) -> ExitStatus {
        let runner = self.runner.take().expect("it was started");
        runner.signal(rustix::process::Signal::TERM);
        runner.ended().await
    }

    /// One call of the user API.
    pub async fn call(&self, method: Method, path: &str, body: Option<&Value>) -> (StatusCode, Value) {
        let call = self.http.request(method, format!("{}/api{path}", self.origin)).bearer_auth(&self.user_token);
        let call = if let Some(body) = body { call.json(body) } else { call };
        let answer = call.send().await.expect("the plane answers");
        (answer.status(), serde_json::from_slice(&answer.bytes().await.expect("a body")).unwrap_or_default())
    }

    /// Submits a job; returns its id.
    pub async fn submit(&self, kind: &str, payload: &Value) -> String {
        self.submit_as(&json!({ "job_type": kind, "config_snapshot": payload })).await
    }

    /// The same with all that a submission may say.
    pub async fn submit_as(&self, body: &Value) -> String {
        let (status, answer) = self.call(Method::POST, "/jobs", Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["job"]["id"].as_str().expect("an id").to_owned()
    }

    /// A job.
    pub async fn job(&self, job: &str) -> Value {
        self.call(Method::GET, &format!("/jobs/{job}"), None).await.1
    }

    /// Asks for a job's end.
    pub async fn cancel(&self, job: &str, force: bool) {
        let (status, answer) = self.call(Method::POST, &format!("/jobs/{job}/cancel?force={force}"), None).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
    }

    /// Waits for the job's end, as a viewer of its log sees it.
    pub async fn ended(&self, job: &str) -> Value {
        self.follow(job, |_| false).await;
        let job = self.job(job).await;
        assert!(["SUCCESS", "FAILED", "CANCELLED"].contains(&job["status"].as_str().unwrap_or_default()), "{job}");
        job
    }

    /// Waits for a text in the job's log.
    pub async fn log_has(&self, job: &str, text: &str) {
        let log = self.follow(job, |log| log.contains(text)).await;
        assert!(log.contains(text), "{text:?} is not in the log:\n{log}");
    }

    /// The bytes of the log.
    pub async fn log(&self, job: &str) -> Vec<u8> {
        let call = self.http.get(format!("{}/api/jobs/{job}/log", self.origin)).bearer_auth(&self.user_token);
        call.send().await.expect("the plane answers").bytes().await.expect("the log").to_vec()
    }

    /// The bytes of an artifact.
    pub async fn artifact(&self, job: &str, name: &str) -> Option<Vec<u8>> {
        let call = self.http.get(format!("{}/api/jobs/{job}/artifacts/{name}", self.origin));
        let answer = call.bearer_auth(&self.user_token).send().await.expect("the plane answers");
        let found = answer.status() == StatusCode::OK;
        let bytes = answer.bytes().await.expect("a body");
        found.then(|| bytes.to_vec())
    }

    async fn follow(&self, job: &str, is_enough: impl Fn(&str) -> bool) -> String {
        let mut log = String::new();
        let followed = tokio::time::timeout(TOO_LONG, self.follow_into(job, &mut log, is_enough)).await;
        if followed.is_err() {
            let messages = fs::read_to_string(self.folder.path().join("runner.log")).unwrap_or_default();
            panic!("waited too long for {}; its log:\n{log}\nthe runner:\n{messages}", self.job(job).await);
        }
        log
    }

    async fn follow_into(&self, job: &str, log: &mut String, is_enough: impl Fn(&str) -> bool) {
        let call = self.http.get(format!("{}/api/jobs/{job}/logs/stream", self.origin)).bearer_auth(&self.user_token);
        let answer = call.send().await.expect("the plane answers");
        let mut events = SseStream::from_bytes_stream(answer.bytes_stream());
        while let Some(event) = events.next().await {
            let event = event.expect("the stream is whole");
            if event.event.as_deref() == Some("log") {
                let entry: Value = serde_json::from_str(&event.data.unwrap_or_default()).expect("an entry");
                log.push_str(entry["log_chunk"].as_str().unwrap_or_default());
            }
            if is_enough(log) {
                return;
            }
        }
    }
}

/// Starts a runner on a folder, and waits until it takes jobs. Its state is in `state`, its messages in `runner.log`.
///
/// # Panics
/// If it ends before that.
pub async fn start_runner(origin: &str, [id, token]: [&str; 2], folder: &Path, more: &[(&str, String)]) -> Process {
    let mut env = vec![
        ("PATH", search_path()),
        ("ALETHIA_WEB_ORIGIN", origin.to_owned()),
        ("ALETHIA_WORKER_ID", id.to_owned()),
        ("ALETHIA_WORKER_TOKEN", token.to_owned()),
        ("ALETHIA_STATE_DIR", folder.join("state").display().to_string()),
    ];
    env.extend(more.iter().cloned());
    let mut runner = Process::start("test-runner", &["start"], &env, [Stdio::null(), Stdio::piped()]);
    let said = BufReader::new(runner.0.stderr.take().expect("it is piped"));
    let mut messages = fs::File::create(folder.join("runner.log")).expect("a file");
    let (ready, is_ready) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let mut ready = Some(ready);
        for line in said.lines().map_while(Result::ok) {
            writeln!(messages, "{line}").expect("room for a line");
            if line.contains("ready for jobs")
                && let Some(ready) = ready.take()
            {
                // Nobody waits any more.
                let _ = ready.send(());
            }
        }
    });
    if is_ready.await.is_err() {
        panic!("the runner ended: {}", fs::read_to_string(folder.join("runner.log")).unwrap_or_default());
    }
    runner
}
