//! Looking at an application again and again, with a deadline of our own: what waits in Argo CD's program may wait for ever.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use executor_api::{ExecutorError, JobContext};
use tokio::time::Instant;

use crate::api::{Api, When};
use crate::application::{Application, ApplicationName};
use crate::failure::Failure;
use crate::operation::Ours;
use crate::progress::Progress;

/// Between two looks, while things move.
const SOON: Duration = Duration::from_millis(500);
/// Between two looks, while nothing moves.
const LATER: Duration = Duration::from_secs(5);
const SLOWER: f32 = 1.4;
/// After so long without news Argo CD is asked to look for itself. It misses changes that come while it looks (a
/// CustomResourceDefinition that is established, for one), and by itself it looks again only after two to three minutes.
const STILL: Duration = Duration::from_secs(15);

/// When we give up.
#[derive(Clone, Copy)]
pub(crate) struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    pub(crate) fn after(limit: Duration) -> Self {
        Self { at: Instant::now() + limit, limit }
    }

    pub(crate) fn is_over(self) -> bool {
        Instant::now() >= self.at
    }

    pub(crate) fn left(self) -> Duration {
        self.at.saturating_duration_since(Instant::now())
    }
}

/// As a person reads it.
impl std::fmt::Display for Deadline {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", humantime::format_duration(self.limit))
    }
}

/// Why looking ended without what was waited for.
pub(crate) enum Ended {
    /// The deadline is over. How the application was then, if it was ever seen.
    Late(Option<Box<Application>>),
    /// A look failed for good, or the job was asked to stop.
    Failed(Failure),
}

impl From<Failure> for Ended {
    fn from(failure: Failure) -> Self {
        Self::Failed(failure)
    }
}

/// Looks at one application, and tells the log what changes, once.
pub(crate) struct Watch<'w> {
    pub(crate) job: &'w JobContext,
    pub(crate) api: &'w dyn Api,
    pub(crate) name: &'w ApplicationName,
    pub(crate) deadline: Deadline,
    progress: Progress,
}

impl<'w> Watch<'w> {
    pub(crate) fn new(job: &'w JobContext, api: &'w dyn Api, name: &'w ApplicationName, deadline: Deadline) -> Self {
        Self { job, api, name, deadline, progress: Progress::default() }
    }

    /// Until `seen` says that it has seen what it wants. The steps of `ours` are told, too.
    pub(crate) async fn until<T>(
        &mut self,
        ours: Option<&Ours>,
        mut seen: impl FnMut(&Application) -> Result<Option<T>, ExecutorError>,
    ) -> Result<T, Ended> {
        let mut last = None;
        let mut is_silent = false;
        let mut pauses = pauses();
        let mut news = Instant::now();
        loop {
            let is_last_look = self.deadline.is_over();
            match self.api.get(When::Working, self.name).await {
                Ok(application) => {
                    if self.tell(&application, ours) {
                        pauses = self::pauses();
                        news = Instant::now();
                    }
                    is_silent = false;
                    if let Some(wanted) = seen(&application).map_err(Failure::from)? {
                        return Ok(wanted);
                    }
                    if news.elapsed() >= STILL && !application.is_busy() {
                        // Who may not ask for it waits for Argo CD's own look.
                        let _ = self.api.refresh(self.name).await;
                        news = Instant::now();
                    }
                    last = Some(Box::new(application));
                }
                Err(Failure::Transient(error)) => {
                    if !is_silent {
                        self.job
                            .log()
                            .system(format!("{error}; looking again for up to {} s", self.deadline.left().as_secs()));
                    }
                    is_silent = true;
                }
                Err(failure) => return Err(failure.into()),
            }
            if is_last_look {
                return Err(Ended::Late(last));
            }
            let pause = pauses.next().unwrap_or(LATER).min(self.deadline.left());
            rest(self.job, pause).await?;
        }
    }

    /// Tells the log what is new; whether there was anything.
    pub(crate) fn tell(&mut self, application: &Application, ours: Option<&Ours>) -> bool {
        let lines = self.progress.lines(application, ours);
        for line in &lines {
            self.job.log().system(line);
        }
        !lines.is_empty()
    }
}

fn pauses() -> ExponentialBackoff {
    let builder = ExponentialBuilder::default().with_min_delay(SOON).with_max_delay(LATER).with_factor(SLOWER);
    builder.without_max_times().build()
}

/// A request to stop ends it.
async fn rest(job: &JobContext, pause: Duration) -> Result<(), Failure> {
    let mut stop = job.stop();
    match tokio::time::timeout(pause, stop.changed_from(None)).await {
        Ok(stop) => Err(ExecutorError::Stopped(stop.reason).into()),
        Err(_) => Ok(()),
    }
}
