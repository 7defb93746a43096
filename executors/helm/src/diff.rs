//! What an upgrade would change: a dry run against the live release, object by object.

use std::ffi::OsStr;

use executor_api::{Artifact, ArtifactBody, ExecutorError};
use serde::Serialize;
use similar::TextDiff;

use crate::helm::{Helm, When, names};
use crate::manifest::{Object, objects, sides};
use crate::output::{Document, Status};
use crate::release::Release;
use crate::report::Resources;
use crate::upgrade::UpgradeOptions;

/// The artifact with the whole text.
const ARTIFACT: &str = "diff.txt";

/// What an upgrade would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// Each object that would be added, changed or removed.
    pub changes: Vec<ObjectChange>,
    /// A unified diff per object. What Secrets hold is not in it.
    pub text: String,
}

/// An object that an upgrade would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectChange {
    /// `added`, `changed` or `removed`.
    pub change: &'static str,
    /// Its kind.
    pub kind: String,
    /// Empty where the manifest leaves it to the release, or there is none.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

impl Helm<'_> {
    /// Says what [`Self::upgrade`] would change, in the log and as an artifact. Changes nothing.
    ///
    /// # Errors
    /// If helm fails, or the release is pending.
    pub async fn diff(&self, options: &UpgradeOptions<'_>) -> Result<Diff, ExecutorError> {
        let release = &options.release;
        let before = self.live(release).await?;
        let (command, _files) = self.upgrade_command(options)?;
        let command = command.args(["--dry-run=server", "--output=json"]);
        let command = names(command, [OsStr::new(release.name()), options.chart.path().as_os_str()]);
        let after: Document = self.read(When::Working, "upgrade --dry-run", command).await?;
        let mut diff = compare(&parts(&before), &parts(&after));
        diff.text = self.job.log().masked(&diff.text);
        self.show(&diff).await?;
        Ok(diff)
    }

    /// What runs now; empty if nothing does.
    async fn live(&self, release: &Release) -> Result<Document, ExecutorError> {
        let revision = match self.state(When::Working, release).await? {
            None => return Ok(Document::default()),
            Some(last) if last.status == Status::Uninstalled => return Ok(Document::default()),
            Some(last) if last.status.is_pending() => return Err(self.refusal(release, &last).await?),
            Some(last) if last.status == Status::Deployed => last.revision,
            // What helm compares with: the revision that is deployed, or the last one if none is.
            Some(last) => {
                let history = self.history(When::Working, release).await?;
                let deployed = history.iter().find(|one| one.status == Status::Deployed);
                deployed.map_or(last.revision, |one| one.revision)
            }
        };
        self.document(When::Working, release, Some(revision), Resources::Leave).await
    }

    async fn show(&self, diff: &Diff) -> Result<(), ExecutorError> {
        if diff.changes.is_empty() {
            self.job.log().system("an upgrade would change nothing");
            return Ok(());
        }
        self.job.log().system(format!("an upgrade would change {} object(s)\n{}", diff.changes.len(), diff.text));
        let media_type = "text/plain; charset=utf-8".to_owned();
        let body = ArtifactBody::Bytes(diff.text.clone().into_bytes());
        self.job.artifact(Artifact { name: ARTIFACT.to_owned(), media_type, body }).await
    }
}

/// Objects, and hooks as objects of their own.
fn parts(document: &Document) -> Vec<Object> {
    let hooks = document.hooks.iter().flat_map(|hook| objects(&hook.manifest));
    objects(&document.manifest).into_iter().chain(hooks).collect()
}

fn compare(before: &[Object], after: &[Object]) -> Diff {
    let mut diff = Diff::default();
    for old in before {
        diff.add(Some(old), after.iter().find(|new| new.is(old)));
    }
    for new in after.iter().filter(|new| !before.iter().any(|old| old.is(new))) {
        diff.add(None, Some(new));
    }
    diff
}

impl Diff {
    fn add(&mut self, before: Option<&Object>, after: Option<&Object>) {
        let (old, new) = sides(before, after);
        let Some(object) = after.or(before).filter(|_| old != new) else { return };
        let change = match (before, after) {
            (None, _) => "added",
            (_, None) => "removed",
            _ => "changed",
        };
        let Object { kind, namespace, name, .. } = object;
        let slash = if namespace.is_empty() { "" } else { "/" };
        let what = format!("{kind} {namespace}{slash}{name}");
        let text = TextDiff::from_lines(&old, &new);
        let text = text.unified_diff().header(&format!("live: {what}"), &format!("new:  {what}")).to_string();
        self.text.push_str(&text);
        let (kind, namespace, name) = (kind.clone(), namespace.clone(), name.clone());
        self.changes.push(ObjectChange { change, kind, namespace, name });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(name: &str, value: &str) -> String {
        format!("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {name}\ndata:\n  a: {value}\n")
    }

    #[test]
    fn added_changed_and_removed_objects_are_told_apart() {
        let before = objects(&[config("a", "1"), config("b", "1"), config("c", "1")].join("---\n"));
        let after = objects(&[config("c", "1"), config("b", "2"), config("d", "1")].join("---\n"));
        let diff = compare(&before, &after);
        let changes: Vec<_> = diff.changes.iter().map(|one| (one.change, one.name.as_str())).collect();
        assert_eq!(changes, [("removed", "a"), ("changed", "b"), ("added", "d")]);
        assert!(diff.text.contains("--- live: ConfigMap b\n+++ new:  ConfigMap b\n"), "{}", diff.text);
        assert!(diff.text.contains("-  a: 1\n+  a: 2\n"), "{}", diff.text);
        assert_eq!(compare(&before, &before), Diff::default());
    }

    #[test]
    fn what_changes_in_an_object_with_a_doubled_label_shows() {
        let doubled = |value| config("a", value).replace("  name: a\n", "  name: a\n  labels: { app: x, app: x }\n");
        let diff = compare(&objects(&doubled("1")), &objects(&doubled("2")));
        assert_eq!((diff.changes.len(), diff.changes[0].change, diff.changes[0].name.as_str()), (1, "changed", "a"));
        assert!(diff.text.contains("-  a: 1\n+  a: 2\n"), "{}", diff.text);
    }

    #[test]
    fn what_cannot_be_read_is_compared_and_never_shown() {
        let before = objects("kind: {a: hunter1\n---\nkind: {b: hunter2\n");
        let after = objects("kind: {a: hunter1\n---\nkind: {b: hunter3\n");
        assert_eq!(compare(&before, &before), Diff::default());
        let diff = compare(&before, &after);
        let changes: Vec<_> = diff.changes.iter().map(|one| (one.change, one.kind.as_str())).collect();
        assert_eq!(changes, [("removed", "(not readable)"), ("added", "(not readable)")]);
        assert!(!diff.text.contains("hunter"), "{}", diff.text);
    }
}
