//! What the log says while an application moves: a line for whatever has changed since the last look. Pure.

use std::collections::BTreeMap;

use crate::application::{Application, ResourceResult, ResourceStatus, resource_name};
use crate::operation::{Ours, Stage};

/// What was said last about each thing.
#[derive(Default)]
pub(crate) struct Progress(BTreeMap<String, String>);

impl Progress {
    /// The lines that are new. `ours`: the operation whose steps are of interest.
    pub(crate) fn lines(&mut self, application: &Application, ours: Option<&Ours>) -> Vec<String> {
        let mut lines = Vec::new();
        if let Some(ours) = ours {
            self.operation(application, ours, &mut lines);
        }
        for one in &application.status.resources {
            let name = resource_name(&one.kind, &one.namespace, &one.name);
            self.say(
                format!("health of {}/{name}", one.group),
                health(one).map(|text| format!("{name}: {text}")),
                &mut lines,
            );
        }
        for (at, condition) in application.status.conditions.iter().enumerate() {
            let text = format!("{}: {}", condition.kind, one_line(&condition.message));
            self.say(format!("condition {at}"), Some(text), &mut lines);
        }
        let standing = format!("{} is {}", application.metadata.name, application.standing());
        self.say("application".to_owned(), Some(standing), &mut lines);
        lines
    }

    fn operation(&mut self, application: &Application, ours: &Ours, lines: &mut Vec<String>) {
        let state = application.status.operation_state.as_ref();
        let Some(state) = state.filter(|_| !matches!(ours.stage(application), Stage::Unseen)) else { return };
        for one in state.sync_result.iter().flat_map(|result| &result.resources) {
            let key = format!("{}/{}/{}/{}/{}", one.group, one.kind, one.namespace, one.name, one.hook_type);
            self.say(format!("result of {key}"), Some(result(one)), lines);
        }
        let message = if state.message.is_empty() { String::new() } else { format!(": {}", one_line(&state.message)) };
        self.say("operation".to_owned(), Some(format!("operation {}{message}", state.phase)), lines);
    }

    fn say(&mut self, key: String, text: Option<String>, lines: &mut Vec<String>) {
        let Some(text) = text else { return };
        if self.0.get(&key) != Some(&text) {
            lines.push(text.clone());
            self.0.insert(key, text);
        }
    }
}

fn result(one: &ResourceResult) -> String {
    let name = resource_name(&one.kind, &one.namespace, &one.name);
    let message = if one.message.is_empty() { String::new() } else { format!(" ({})", one_line(&one.message)) };
    let phase = one.hook_phase.map(|phase| phase.to_string()).unwrap_or_default();
    if one.hook_type.is_empty() {
        let word = if one.status.is_empty() { &phase } else { &one.status };
        return format!("{name}: {word}{message}");
    }
    format!("{name} ({} hook): {phase}{message}", one.hook_type)
}

fn health(one: &ResourceStatus) -> Option<String> {
    let health = one.health.as_ref()?;
    let message = if health.message.is_empty() { String::new() } else { format!(": {}", one_line(&health.message)) };
    Some(format!("{}{message}", health.status))
}

/// Messages come from manifests and tools; a line of ours stays one.
pub(crate) fn one_line(text: &str) -> String {
    text.split(char::is_control).map(str::trim).filter(|part| !part.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::Tag;
    use executor_api::Job;
    use serde_json::{Value, json};

    fn ours() -> (Ours, Value) {
        let job: Job =
            serde_json::from_value(json!({ "id": "j", "job_type": "argocd", "status": "CLAIMED", "attempt": 1 }))
                .unwrap();
        (Ours::sync(&Tag::of(&job)), json!([{ "name": Tag::NAME, "value": "j.1" }]))
    }

    fn application(phase: &str, job: &str, deployment: &str, info: &Value) -> Application {
        serde_json::from_value(json!({
            "metadata": { "name": "web" },
            "status": {
                "sync": { "status": "OutOfSync" }, "health": { "status": "Progressing" },
                "conditions": [{ "type": "SyncError", "message": "a\nb\u{1b}[31m" }],
                "resources": [{ "group": "apps", "kind": "Deployment", "namespace": "x", "name": "web", "status": "Synced",
                                "health": { "status": deployment, "message": "0 of 1" } }],
                "operationState": { "operation": { "info": info }, "phase": phase, "message": "waiting", "syncResult": { "resources": [
                    { "group": "batch", "kind": "Job", "namespace": "x", "name": "migrate", "hookType": "PreSync", "hookPhase": job },
                    { "kind": "Namespace", "name": "x", "status": "Synced", "message": "namespace/x created", "hookPhase": "Running" },
                ] } },
            },
        }))
        .unwrap()
    }

    #[test]
    fn only_what_changed_is_said() {
        let (ours, info) = ours();
        let mut progress = Progress::default();
        let first = progress.lines(&application("Running", "Running", "Progressing", &info), Some(&ours));
        assert_eq!(
            first,
            [
                "Job x/migrate (PreSync hook): Running",
                "Namespace x: Synced (namespace/x created)",
                "operation Running: waiting",
                "Deployment x/web: Progressing: 0 of 1",
                "SyncError: a b [31m",
                "web is OutOfSync, Progressing",
            ]
        );
        assert_eq!(progress.lines(&application("Running", "Running", "Progressing", &info), Some(&ours)), [""; 0]);
        let next = progress.lines(&application("Failed", "Failed", "Healthy", &info), Some(&ours));
        assert_eq!(
            next,
            ["Job x/migrate (PreSync hook): Failed", "operation Failed: waiting", "Deployment x/web: Healthy: 0 of 1"]
        );
    }

    #[test]
    fn the_operation_of_others_is_not_ours_to_tell() {
        let (ours, _) = ours();
        let lines = Progress::default().lines(&application("Running", "Running", "Healthy", &json!([])), Some(&ours));
        assert_eq!(
            lines,
            ["Deployment x/web: Healthy: 0 of 1", "SyncError: a b [31m", "web is OutOfSync, Progressing"]
        );
    }
}
