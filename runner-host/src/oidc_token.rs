//! The plane's word for who a job is: written into its inputs, written anew before it runs out, and hidden from its log.
//!
//! The runner fetches and writes it; the job process hides each one from the log as it comes. It is renewed only where
//! the plane gave one at the start.

use std::convert::Infallible;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use backon::Retryable;
use executor_api::{Input, LogSink};
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::client::{ClientError, OidcToken};
use crate::delivery;
use crate::directory_watch::DirectoryWatch;
use crate::inputs;
use crate::job_directory::{Claimed, JobDirectory};
use crate::life::Life;
use crate::runner::Runner;

/// The part of its life after which a token is replaced. What reads it then still has time to use it.
const RENEW_AT: f64 = 0.7;
/// Of a token that does not say how long it is good.
const UNKNOWN_LIFE: Duration = Duration::from_secs(300);
/// The plane has said no: when to ask again.
const AGAIN: Duration = Duration::from_secs(30);
/// A life shorter than this is a mistake, and asking without a pause would not mend it.
const SHORTEST: Duration = Duration::from_millis(200);
/// Behind the events of the file system.
const LOOK_AGAIN: Duration = Duration::from_secs(5);

/// A token that has to be replaced.
pub(crate) struct Renewal {
    audience: String,
    due: Instant,
}

impl Renewal {
    /// Of what was just fetched, if it is such a token.
    pub(crate) fn of(input: &Input, life: Option<Duration>) -> Option<Self> {
        let Input::OidcToken { audience } = input else { return None };
        Some(Self { audience: audience.clone(), due: due(life) })
    }

    /// Of a job that an earlier start of the runner began: now, because nobody knows how old its token is.
    pub(crate) fn of_adopted(runner: &Runner, claimed: &Claimed, directory: &JobDirectory) -> Option<Self> {
        let inputs = inputs::needed(runner, claimed).unwrap_or_default();
        let input = inputs.iter().find(|input| matches!(input, Input::OidcToken { .. }))?;
        let was_given = file(&directory.paths().inputs).symlink_metadata().is_ok();
        was_given.then(|| Self::of(input, Some(Duration::ZERO))).flatten()
    }
}

fn due(life: Option<Duration>) -> Instant {
    Instant::now() + life.unwrap_or(UNKNOWN_LIFE).mul_f64(RENEW_AT).max(SHORTEST)
}

fn file(inputs: &Path) -> PathBuf {
    inputs.join(Input::OidcToken { audience: String::new() }.file_name())
}

/// Renews a job's token for as long as it is polled; takes it away once the job has ended.
pub(crate) async fn keep_fresh(
    runner: &Runner,
    claimed: &Claimed,
    directory: &JobDirectory,
    renewal: Option<Renewal>,
    mut life: watch::Receiver<Life>,
) -> Infallible {
    if let Some(renewal) = renewal {
        let file = file(&directory.paths().inputs);
        tokio::select! {
            biased;
            _ = life.wait_for(|life| life.has_ended()) => {}
            () = renew_in_time(runner, claimed, &file, renewal) => {}
        }
        // Nobody needs it any more; not there is as good.
        let _ = std::fs::remove_file(file);
    }
    std::future::pending().await
}

async fn renew_in_time(runner: &Runner, claimed: &Claimed, file: &Path, renewal: Renewal) {
    let Renewal { audience, mut due } = renewal;
    let mut is_failing = false;
    loop {
        tokio::time::sleep_until(due).await;
        due = match renew(runner, claimed, file, &audience).await {
            Ok(life) => {
                is_failing = false;
                self::due(life)
            }
            Err(why) => {
                if !is_failing {
                    tracing::warn!(job.id = %claimed.job.id, why, "cannot renew a job's OIDC token; trying again");
                }
                is_failing = true;
                Instant::now() + AGAIN
            }
        };
    }
}

/// Returns the life of the new token. The old one stays where there is no new one.
async fn renew(runner: &Runner, claimed: &Claimed, file: &Path, audience: &str) -> Result<Option<Duration>, String> {
    let (job, attempt) = (&claimed.job.id, claimed.job.attempt_no());
    let fetched = (|| runner.client.oidc_token(job, attempt, audience)).retry(delivery::pauses());
    let fetched = fetched.when(ClientError::is_retryable);
    let fetched = fetched.notify(|error, pause| delivery::say("renew a job's OIDC token", error, pause)).await;
    let fetched = fetched.map_err(|error| crate::chain(&error))?;
    let OidcToken { token, life } = fetched.ok_or("the control plane issues none any more")?;
    replace(file, token.expose_secret().as_bytes()).map_err(|error| format!("cannot write it: {error}"))?;
    Ok(life)
}

/// In one step: a tool that reads at this moment gets the old one or the new one.
fn replace(file: &Path, bytes: &[u8]) -> io::Result<()> {
    // A temporary file has mode 0600.
    let mut written = tempfile::NamedTempFile::new_in(file.parent().unwrap_or(file))?;
    written.write_all(bytes)?;
    written.persist(file).map(drop).map_err(|error| error.error)
}

/// Hides the job's token, and each that replaces it, from the log for as long as it is polled. The first one is hidden
/// by the first poll.
pub(crate) async fn hide(log: &LogSink, inputs: &Path) {
    let file = file(inputs);
    if !file.exists() {
        return std::future::pending().await;
    }
    let mut changes = DirectoryWatch::start().changes_in(inputs);
    loop {
        if let Ok(token) = std::fs::read_to_string(&file) {
            log.mask(token.trim());
        }
        let _ = tokio::time::timeout(LOOK_AGAIN, changes.next()).await;
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Arc;

    use async_trait::async_trait;
    use axum::extract::State;
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::post;
    use axum::{Json, Router};
    use executor_api::{Executor, ExecutorError, ExecutorPlugin, ExecutorRegistry, JobContext, Outcome};
    use futures_util::FutureExt;
    use serde_json::{Value, json};

    use super::*;
    use crate::config::Config;
    use crate::runner;

    /// Longer than anything here takes.
    const TOO_LONG: Duration = Duration::from_secs(30);
    const AUDIENCE: &str = "sts.amazonaws.com";

    struct Nothing;

    #[async_trait]
    impl Executor for Nothing {
        async fn execute(&self, _: &JobContext) -> Result<Outcome, ExecutorError> {
            Ok(Outcome::success())
        }

        fn inputs(&self, _: &executor_api::Job) -> Result<Vec<Input>, ExecutorError> {
            Ok(vec![Input::OidcToken { audience: AUDIENCE.to_owned() }])
        }
    }

    static PLUGIN: ExecutorPlugin = ExecutorPlugin::new::<Value>("test", &Nothing);

    /// How often the plane was asked.
    type Asked = Arc<watch::Sender<usize>>;

    /// A plane whose clock is far ahead, and whose tokens are good for a third of a second. Its second and fourth answer
    /// is none.
    async fn vouch(State(asked): State<Asked>, Json(body): Json<Value>) -> axum::response::Response {
        assert_eq!(body, json!({ "audience": AUDIENCE }));
        let mut number = 0;
        asked.send_modify(|asked| {
            *asked += 1;
            number = *asked;
        });
        match number {
            2 => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            4 => std::panic::resume_unwind(Box::new("the connection is cut")),
            _ => {
                let answer = json!({ "token": format!("token-{number}"), "expires_at": "2095-03-01T00:00:00.3Z" });
                ([("date", "Tue, 01 Mar 2095 00:00:00 GMT")], Json(answer)).into_response()
            }
        }
    }

    struct Scene {
        asked: Asked,
        runner: Arc<Runner>,
        claimed: Claimed,
        directory: JobDirectory,
        _folder: tempfile::TempDir,
    }

    impl Scene {
        async fn new(route: axum::routing::MethodRouter<Asked>) -> Self {
            let folder = tempfile::tempdir().unwrap();
            let claimed = Claimed::of(json!({ "id": "j", "job_type": "test", "status": "CLAIMED", "attempt": 2 }));
            let directory = JobDirectory::of(folder.path(), &claimed);
            directory.create(&claimed).unwrap();
            directory.make_inputs().unwrap();
            let asked = Asked::default();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let origin = format!("http://{}", listener.local_addr().unwrap());
            let router = Router::new().route("/api/jobs/j/oidc-token", route).with_state(Arc::clone(&asked));
            tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
            let state = folder.path().join("state");
            fs::create_dir(&state).unwrap();
            let config = Config::new(&origin, "r".parse().unwrap(), "t".to_owned().into(), state.clone());
            let registry = ExecutorRegistry::new([&PLUGIN]).unwrap();
            let runner = Arc::new(runner::prepare(config, registry, &state).await.unwrap());
            Self { asked, runner, claimed, directory, _folder: folder }
        }

        fn file(&self) -> PathBuf {
            file(&self.directory.paths().inputs)
        }
    }

    async fn until(what: &str, mut reached: impl FnMut() -> bool) {
        let waited = async {
            while !reached() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(TOO_LONG, waited).await.unwrap_or_else(|_| panic!("{what}: that never came"));
    }

    #[tokio::test]
    async fn a_token_is_replaced_before_it_runs_out_and_goes_when_the_job_has_ended() {
        let scene = Scene::new(post(vouch)).await;
        fs::write(scene.file(), "of an earlier start").unwrap();
        let renewal = Renewal::of_adopted(&scene.runner, &scene.claimed, &scene.directory);
        let (life, lives) = watch::channel(Life::Lives);
        let (runner, claimed, directory) = (Arc::clone(&scene.runner), scene.claimed.clone(), scene.directory.clone());
        let task = tokio::spawn(async move { keep_fresh(&runner, &claimed, &directory, renewal, lives).await });
        let mut asked = scene.asked.subscribe();
        let enough = tokio::time::timeout(TOO_LONG, asked.wait_for(|asked| *asked >= 6)).await;
        enough.expect("by the plane's clock it runs out").unwrap();
        let token = fs::read_to_string(scene.file()).unwrap();
        assert!(["token-5", "token-6", "token-7"].contains(&token.as_str()), "{token}");
        assert_eq!(fs::metadata(scene.file()).unwrap().permissions().mode() & 0o777, 0o600);
        life.send_replace(Life::Ended);
        until("it is gone", || !scene.file().exists()).await;
        assert_eq!(fs::read_dir(scene.directory.paths().inputs).unwrap().count(), 0, "nothing else is left");
        task.abort();
    }

    #[tokio::test]
    async fn a_plane_that_says_no_leaves_the_old_token() {
        for status in [StatusCode::NOT_FOUND, StatusCode::CONFLICT] {
            let scene = Scene::new(post(move || async move { (status, Json(json!({ "error": "no" }))) })).await;
            fs::write(scene.file(), "old").unwrap();
            let error = renew(&scene.runner, &scene.claimed, &scene.file(), AUDIENCE).await.unwrap_err();
            let says = if status == StatusCode::NOT_FOUND { "issues none" } else { status.as_str() };
            assert!(error.contains(says), "{error}");
            assert_eq!(fs::read_to_string(scene.file()).unwrap(), "old");
        }
    }

    #[tokio::test]
    async fn a_job_that_was_given_none_is_not_asked_for() {
        let scene = Scene::new(post(vouch)).await;
        assert!(Renewal::of_adopted(&scene.runner, &scene.claimed, &scene.directory).is_none());
        assert!(Renewal::of(&Input::GitToken { host: "git.example".to_owned() }, None).is_none());
    }

    #[tokio::test]
    async fn every_token_is_hidden_from_the_log() {
        struct Nowhere;
        impl executor_api::LogWriter for Nowhere {
            fn append(&mut self, _: wire::LogStream, _: wire::Timestamp, _: &[u8]) {}
        }
        let folder = tempfile::tempdir().unwrap();
        let (log, file) = (LogSink::new(Box::new(Nowhere)), file(folder.path()));
        fs::write(&file, "the-first-token\n").unwrap();
        let mut hiding = Box::pin(hide(&log, folder.path()));
        assert!((&mut hiding).now_or_never().is_none());
        assert_eq!(log.masked("it is the-first-token."), "it is ***.");
        replace(&file, b"the-second-token").unwrap();
        let hidden = until("it is hidden, too", || log.masked("the-second-token") == "***");
        tokio::select! {
            () = hiding => unreachable!("it hides until the job ends"),
            () = hidden => {}
        }
        assert_eq!(log.masked("the-first-token"), "***", "a tool may have kept it");
    }
}
