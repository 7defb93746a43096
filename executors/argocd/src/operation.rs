//! Which operation is ours, and where it stands. Pure.

use executor_api::Job;

use crate::application::{Application, History, Operation, OperationState};

/// What is written into an operation so that this attempt of this job finds it again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tag(String);

impl Tag {
    pub(crate) const NAME: &str = "alethia-job";

    pub(crate) fn of(job: &Job) -> Self {
        Self(format!("{}.{}", job.id, job.attempt))
    }

    pub(crate) fn value(&self) -> &str {
        &self.0
    }
}

/// How our operation is told from others.
pub(crate) struct Ours {
    tag: Tag,
    /// A server takes no tag with a rollback: it is the one to this revision that began after we had looked.
    rollback: Option<Rollback>,
}

struct Rollback {
    revision: String,
    revisions: Vec<String>,
    /// When the last operation began that was not ours.
    last_started_at: String,
}

/// Where our operation stands.
#[derive(Clone, Debug)]
pub(crate) enum Stage {
    /// There is no trace of it.
    Unseen,
    /// It is asked for, or goes on.
    Running,
    /// It is over.
    Ended(Box<OperationState>),
}

impl Ours {
    pub(crate) fn sync(tag: &Tag) -> Self {
        Self { tag: tag.clone(), rollback: None }
    }

    /// `application` is as it was before the rollback was asked for.
    pub(crate) fn rollback(tag: &Tag, to: &History, application: &Application) -> Self {
        let last = application.status.operation_state.as_ref();
        let rollback = Rollback {
            revision: to.revision.clone(),
            revisions: to.revisions.clone(),
            last_started_at: last.map(|state| state.started_at.clone()).unwrap_or_default(),
        };
        Self { tag: tag.clone(), rollback: Some(rollback) }
    }

    pub(crate) fn stage(&self, application: &Application) -> Stage {
        if application.operation.as_ref().is_some_and(|operation| self.is_asked_for(operation)) {
            return Stage::Running;
        }
        match &application.status.operation_state {
            Some(state) if self.has_begun(state) && state.phase.is_final() => Stage::Ended(Box::new(state.clone())),
            Some(state) if self.has_begun(state) => Stage::Running,
            _ => Stage::Unseen,
        }
    }

    fn has_begun(&self, state: &OperationState) -> bool {
        let is_new = self.rollback.as_ref().is_none_or(|rollback| state.started_at != rollback.last_started_at);
        self.is_tagged(&state.operation) || (is_new && self.is_asked_for(&state.operation))
    }

    fn is_asked_for(&self, operation: &Operation) -> bool {
        let is_rollback = |rollback: &Rollback| {
            let wanted = |sync: &crate::application::SyncOperation| {
                sync.revision == rollback.revision && sync.revisions == rollback.revisions
            };
            operation.info.is_empty() && operation.sync.as_ref().is_some_and(wanted)
        };
        self.is_tagged(operation) || self.rollback.as_ref().is_some_and(is_rollback)
    }

    fn is_tagged(&self, operation: &Operation) -> bool {
        operation.info.iter().any(|info| info.name == Tag::NAME && info.value == self.tag.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn application(value: Value) -> Application {
        serde_json::from_value(value).unwrap()
    }

    fn operation(tag: &str) -> Value {
        json!({ "sync": { "revision": "r1" }, "info": [{ "name": Tag::NAME, "value": tag }] })
    }

    fn word(stage: &Stage) -> &'static str {
        match stage {
            Stage::Unseen => "unseen",
            Stage::Running => "running",
            Stage::Ended(_) => "ended",
        }
    }

    #[test]
    fn an_operation_is_ours_by_its_tag_only() {
        let ours = Ours::sync(&Tag("job.1".to_owned()));
        let state = |tag: &str, phase: &str| json!({ "status": { "operationState": { "operation": operation(tag), "phase": phase } } });
        for (value, expected) in [
            (json!({}), "unseen"),
            (json!({ "operation": operation("job.1") }), "running"),
            (json!({ "operation": operation("job.2") }), "unseen"),
            (state("job.1", "Running"), "running"),
            (state("job.1", "Terminating"), "running"),
            (state("job.1", "a new word"), "running"),
            (state("job.1", "Succeeded"), "ended"),
            (state("job.1", "Failed"), "ended"),
            (state("job.11", "Succeeded"), "unseen"),
        ] {
            assert_eq!(word(&ours.stage(&application(value.clone()))), expected, "{value}");
        }
    }

    #[test]
    fn a_rollback_is_ours_if_it_began_after_we_looked() {
        let to = History { revision: "r1".to_owned(), ..History::default() };
        let state = |started: &str, revision: &str, info: Value| {
            json!({ "status": { "operationState": { "operation": { "sync": { "revision": revision }, "info": info },
                                                    "phase": "Succeeded", "startedAt": started } } })
        };
        let before = application(state("10:00", "r1", json!([])));
        let ours = Ours::rollback(&Tag("job.1".to_owned()), &to, &before);
        for (value, expected) in [
            (state("10:00", "r1", json!([])), "unseen"),
            (state("10:05", "r1", json!([])), "ended"),
            (state("10:05", "r2", json!([])), "unseen"),
            (state("10:05", "r1", json!([{ "name": "somebody", "value": "else" }])), "unseen"),
            (state("10:05", "r1", json!([{ "name": Tag::NAME, "value": "job.1" }])), "ended"),
            (json!({ "operation": { "sync": { "revision": "r1" } } }), "running"),
        ] {
            assert_eq!(word(&ours.stage(&application(value.clone()))), expected, "{value}");
        }
    }
}
