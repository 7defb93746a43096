//! `kubectl diff`: what an apply would change.

use std::path::PathBuf;

use executor_api::{Artifact, ArtifactBody, ExecutorError};
use serde::Serialize;

use crate::apply::ApplyOptions;
use crate::conflict::conflicts;
use crate::kubectl::Kubectl;
use crate::live::Look;
use crate::manifests::ManifestFiles;

/// What an apply would change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Diff {
    /// The objects that would be another, in kubectl's order.
    pub changes: Vec<ObjectDiff>,
}

/// An object that an apply would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ObjectDiff {
    /// `added`, `changed` or `removed`.
    pub change: &'static str,
    /// Its kind.
    pub kind: String,
    /// Where it is; missing for what belongs to the whole cluster.
    pub namespace: Option<String>,
    /// Its name.
    pub name: String,
}

impl Kubectl<'_> {
    /// Compares manifests with the cluster, on the log and as the artifact `diff.txt`. `before` is a look at them of just
    /// now: what is secret in the cluster is hidden since.
    ///
    /// # Errors
    /// If they cannot be compared; with server-side apply also if an apply would be refused.
    pub async fn diff(
        &self,
        manifests: &ManifestFiles,
        options: &ApplyOptions,
        before: &Look,
    ) -> Result<Diff, ExecutorError> {
        let mut command = options.add_to(self.request(&["diff"]));
        command.env.set("KUBECTL_EXTERNAL_DIFF", self.differ()?);
        let finished = self.job.tee(manifests.add_to(command)).await?;
        match finished.exit.code {
            Some(0) => Ok(Diff::default()),
            Some(1) => {
                let text = self.job.log().masked(&String::from_utf8_lossy(&finished.stdout));
                let changes = read(&text);
                let body = ArtifactBody::Bytes(text.into_bytes());
                let media_type = "text/x-diff; charset=utf-8".to_owned();
                self.job.artifact(Artifact { name: "diff.txt".to_owned(), media_type, body }).await?;
                Ok(Diff { changes })
            }
            _ => {
                let conflicts = conflicts(&finished.stderr_tail, manifests.objects(), before);
                Err(self.apply_failure("diff", &finished, &conflicts))
            }
        }
    }

    /// The program that kubectl has the differences shown by: left alone it would take any of that name.
    fn differ(&self) -> Result<String, ExecutorError> {
        let program: PathBuf = self.job.tool("diff").map_err(|_| {
            ExecutorError::ToolMissing(
                "kubectl needs `diff`, which is not on the runner's PATH; install diffutils".to_owned(),
            )
        })?;
        let program = program.display().to_string();
        if program.contains(' ') {
            let error = format!("kubectl cannot call {program:?}: there is a space in it; put `diff` somewhere else");
            return Err(ExecutorError::ToolMissing(error));
        }
        Ok(format!("{program} -u -N"))
    }
}

/// The objects of a difference of two folders, one file per object.
fn read(text: &str) -> Vec<ObjectDiff> {
    let mut lines = text.lines();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        // A line of an object begins with a blank, a sign or `@@`.
        if !line.starts_with("diff ") {
            continue;
        }
        let file = line.rsplit_once('/').map(|(_, file)| file);
        let hunk = lines.find(|line| line.starts_with("@@ ")).unwrap_or_default();
        let change = match hunk {
            _ if hunk.starts_with("@@ -0,0 ") => "added",
            _ if hunk.contains(" +0,0 @@") => "removed",
            _ => "changed",
        };
        found.extend(file.and_then(|file| object(file, change)));
    }
    found
}

/// Kubectl names a file `group.version.Kind.namespace.name`; groups and names have dots of their own.
fn object(file: &str, change: &'static str) -> Option<ObjectDiff> {
    let mut parts = file.split('.').skip_while(|part| !part.starts_with(|c: char| c.is_ascii_uppercase()));
    let kind = parts.next()?.to_owned();
    let namespace = Some(parts.next()?.to_owned()).filter(|namespace| !namespace.is_empty());
    let name = parts.collect::<Vec<_>>().join(".");
    Some(ObjectDiff { change, kind, namespace, name })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_objects_of_a_difference_are_named() {
        let text = "diff -u -N /t/LIVE-1/apps.v1.Deployment.team.web /t/MERGED-2/apps.v1.Deployment.team.web\n\
                    --- /t/LIVE-1/apps.v1.Deployment.team.web\t2026\n+++ /t/MERGED-2/apps.v1.Deployment.team.web\t2026\n\
                    @@ -4,14 +4,14 @@\n-  diff: /a/v1.Secret.x.y\n\
                    diff -u -N /t/LIVE-1/rbac.authorization.k8s.io.v1.ClusterRole..a.b \
                    /t/MERGED-2/rbac.authorization.k8s.io.v1.ClusterRole..a.b\n--- x\n+++ y\n@@ -0,0 +1,2 @@\n+a\n\
                    diff -u -N /t/LIVE-1/v1.ConfigMap.team.c /t/MERGED-2/v1.ConfigMap.team.c\n@@ -1,2 +0,0 @@\n";
        let found: Vec<_> = read(text)
            .into_iter()
            .map(|one| format!("{} {} {} {}", one.change, one.kind, one.namespace.unwrap_or_default(), one.name))
            .collect();
        assert_eq!(found, ["changed Deployment team web", "added ClusterRole  a.b", "removed ConfigMap team c"]);
        assert!(read("rubbish\ndiff \ndiff a/b\n").is_empty());
    }
}
