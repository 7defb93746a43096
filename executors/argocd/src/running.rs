//! An operation of ours from its request to its end, whatever comes between: lost answers, other people's operations, a
//! deadline, a stop. When this returns, no operation of ours goes on unseen.

use std::time::Duration;

use executor_api::{ExecutorError, JobContext, Patience};
use tokio::time::Instant;

use crate::api::{Api, When, missing_at};
use crate::application::{Application, ApplicationName, History, OperationState, Phase};
use crate::failure::{Failure, wait_after};
use crate::follow::{Deadline, Ended, Watch};
use crate::operation::{Ours, Stage, Tag};
use crate::progress::one_line;
use crate::report;
use crate::sync::SyncOptions;

/// How long the end of an operation is waited for, once it is to be terminated.
const SETTLING: Duration = Duration::from_secs(90);
/// The same where somebody asked for force.
const SETTLING_BY_FORCE: Duration = Duration::from_secs(10);
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);
/// An operation that we have seen may be missing from the answer of a server that lags behind, but not for long.
const MOST_UNSEEN: u32 = 5;

/// So many refused looks in a row, once it is to be terminated, and nobody will be told more.
const MOST_REFUSED: u32 = 5;

/// How an operation of ours was left.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Left {
    /// We have terminated it.
    Terminated,
    /// It came to its own end, or there was none.
    Over,
    /// Nobody saw its end.
    Unknown,
}

/// What is asked for.
#[derive(Clone, Copy)]
pub(crate) enum Ask<'o> {
    Sync(&'o SyncOptions),
    Rollback { to: &'o History, prune: bool },
}

impl Ask<'_> {
    fn word(self) -> &'static str {
        match self {
            Self::Sync(_) => "sync",
            Self::Rollback { .. } => "rollback",
        }
    }

    fn ours(self, tag: &Tag, application: &Application) -> Ours {
        match self {
            Self::Sync(_) => Ours::sync(tag),
            Self::Rollback { to, .. } => Ours::rollback(tag, to, application),
        }
    }
}

/// One operation on one application.
pub(crate) struct Running<'r, 'w> {
    job: &'w JobContext,
    api: &'w dyn Api,
    name: &'w ApplicationName,
    deadline: Deadline,
    watch: &'r mut Watch<'w>,
}

impl<'r, 'w> Running<'r, 'w> {
    pub(crate) fn new(watch: &'r mut Watch<'w>) -> Self {
        let Watch { job, api, name, deadline, .. } = *watch;
        Self { job, api, name, deadline, watch }
    }

    /// Asks for it and follows it to its good end.
    pub(crate) async fn run(&mut self, ask: Ask<'_>) -> Result<(), ExecutorError> {
        let mut ours = None;
        let ended = match self.begin(ask, &mut ours).await {
            Ok(()) => self.finish(ours.as_ref()).await,
            Err(failure) => Err(Ended::Failed(failure)),
        };
        let word = ask.word();
        let ended = match ended {
            Ok(state) => return self.judge(word, &state),
            Err(ended) => ended,
        };
        let left = match &ours {
            Some(ours) => self.settle(word, ours).await,
            None => Left::Over,
        };
        Err(match ended {
            Ended::Failed(failure) => missing_at("/application", failure),
            Ended::Late(last) => self.late(word, last.as_deref(), left),
        })
    }

    fn late(&self, word: &str, last: Option<&Application>, left: Left) -> ExecutorError {
        let left = match left {
            Left::Terminated => ", and is terminated",
            Left::Over => "",
            Left::Unknown => ", and may go on in Argo CD",
        };
        let text = format!("the {word} of {} is not over after {}{left}", self.name, self.deadline);
        ExecutorError::Unsuccessful(report::with_lines(&text, &last.map(report::obstacles).unwrap_or_default()))
    }

    /// Asks for it, once: where an answer got lost, the application itself tells. Waits for other people's operations.
    async fn begin(&mut self, ask: Ask<'_>, ours: &mut Option<Ours>) -> Result<(), Failure> {
        let mut patience = Patience::new(self.job);
        // Whether it may have been asked for without our knowing.
        let mut is_uncertain = false;
        loop {
            match self.ask(ask, ours, &mut is_uncertain).await {
                Ok(()) => return Ok(()),
                Err(Failure::Busy(_)) => self.until_idle().await?,
                Err(failure) => wait_after(&mut patience, failure).await?,
            }
        }
    }

    async fn ask(&self, ask: Ask<'_>, ours: &mut Option<Ours>, is_uncertain: &mut bool) -> Result<(), Failure> {
        let tag = Tag::of(self.job.job());
        let application = self.api.get(When::Working, self.name).await?;
        let is_seen = |ours: &Ours| !matches!(ours.stage(&application), Stage::Unseen);
        if *is_uncertain && ours.as_ref().is_some_and(is_seen) {
            return Ok(());
        }
        if application.is_busy() {
            return Err(busy());
        }
        self.job.commit_point().await?;
        if !*is_uncertain {
            *ours = Some(ask.ours(&tag, &application));
        }
        let started = match ask {
            Ask::Sync(options) => self.api.start_sync(&application, options, &tag).await,
            Ask::Rollback { to, prune } => self.api.start_rollback(&application, to, prune, &tag).await,
        };
        *is_uncertain |= matches!(&started, Err(failure) if failure.is_transient() || failure.is_stop());
        if started.is_err() && !*is_uncertain {
            // Refused: nothing of ours is there.
            *ours = None;
        }
        started
    }

    async fn until_idle(&mut self) -> Result<(), Failure> {
        self.job.log().system("another operation goes on; waiting for its end");
        match self.watch.until(None, |application| Ok((!application.is_busy()).then_some(()))).await {
            Ok(()) => Ok(()),
            Err(Ended::Failed(failure)) => Err(failure),
            Err(Ended::Late(_)) => {
                let text = format!("another operation on {} did not end within {}", self.name, self.deadline);
                Err(ExecutorError::Unsuccessful(text).into())
            }
        }
    }

    async fn finish(&mut self, ours: Option<&Ours>) -> Result<OperationState, Ended> {
        let name = self.name;
        let Some(ours) = ours else { return Err(Failure::from(lost(name)).into()) };
        let mut unseen = None;
        let mut step = |application: &Application| match (ours.stage(application), &mut unseen) {
            (Stage::Ended(state), _) => Ok(Some(*state)),
            (Stage::Running, unseen) => {
                *unseen = Some(0);
                Ok(None)
            }
            (Stage::Unseen, Some(looks)) => {
                *looks += 1;
                if *looks > MOST_UNSEEN { Err(lost(name)) } else { Ok(None) }
            }
            (Stage::Unseen, None) => Ok(None),
        };
        self.watch.until(Some(ours), &mut step).await
    }

    fn judge(&self, word: &str, state: &OperationState) -> Result<(), ExecutorError> {
        if state.phase == Phase::Succeeded {
            return Ok(());
        }
        let text = format!("the {word} of {} ended as {}: {}", self.name, state.phase, one_line(&state.message));
        Err(ExecutorError::Unsuccessful(report::with_lines(&text, &report::failures(state))))
    }

    /// Terminates our operation and says in which state things are left. Something went wrong before: nothing here fails.
    async fn settle(&self, word: &str, ours: &Ours) -> Left {
        let limit = if self.is_forced() { SETTLING_BY_FORCE } else { SETTLING };
        let until = Instant::now() + limit;
        let log = self.job.log();
        let mut left = Left::Over;
        let (mut unseen, mut refused) = (0, 0);
        loop {
            match self.api.get(When::Settling, self.name).await {
                Ok(application) => {
                    refused = 0;
                    match ours.stage(&application) {
                        Stage::Ended(state) => {
                            self.say_how_it_is_left(word, &application, &state);
                            return left;
                        }
                        Stage::Unseen if unseen >= 2 => {
                            log.system(format!("no {word} of this job goes on; {}", self::left(&application)));
                            return left;
                        }
                        Stage::Unseen => unseen += 1,
                        Stage::Running if left == Left::Terminated => {}
                        Stage::Running => left = self.terminate(word, &application).await,
                    }
                }
                // Its operation went with it.
                Err(Failure::Missing(_)) if self.api.tells_what_is_missing() => return Left::Over,
                Err(failure) => {
                    refused = if failure.is_transient() { 0 } else { refused + 1 };
                    log.system(ExecutorError::from(failure));
                }
            }
            if Instant::now() >= until || refused >= MOST_REFUSED {
                log.system(format!(
                    "the {word} of {name} was not seen to end: it may go on in Argo CD; \
                     `argocd app terminate-op {name}` ends it",
                    name = self.name
                ));
                return Left::Unknown;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    async fn terminate(&self, word: &str, application: &Application) -> Left {
        let log = self.job.log();
        log.system(format!("terminating the {word} of {}", self.name));
        match self.api.terminate(application).await {
            Ok(()) => Left::Terminated,
            Err(failure) => {
                log.system(ExecutorError::from(failure));
                Left::Over
            }
        }
    }

    fn is_forced(&self) -> bool {
        self.job.stop().requested().is_some_and(|stop| stop.force)
    }

    fn say_how_it_is_left(&self, word: &str, application: &Application, state: &OperationState) {
        let text = format!("the {word} ended as {}: {}; {}", state.phase, one_line(&state.message), left(application));
        let steps = state.sync_result.iter().flat_map(|result| &result.resources).count();
        self.job.log().system(format!("{text}; it had come to {steps} resource(s)"));
    }
}

fn left(application: &Application) -> String {
    format!("{} is left {}", application.metadata.name, application.standing())
}

fn busy() -> Failure {
    Failure::Busy(ExecutorError::Unsuccessful("another operation is already in progress".to_owned()))
}

fn lost(name: &ApplicationName) -> ExecutorError {
    let text = format!(
        "another operation took the place of ours on {name} before it was seen to end; look at the application"
    );
    ExecutorError::Unsuccessful(text)
}
