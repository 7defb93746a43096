//! The lines in which kubectl says what it did, one per object.

use crate::names::{is_kind, is_name};
use crate::object::Change;

/// One line: an object and what happened to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) resource: String,
    pub(crate) name: String,
    pub(crate) change: Change,
}

/// Of `kubectl apply`: `deployment.apps/web configured`. Whatever else it prints is passed over.
pub(crate) fn applied(stdout: &[u8]) -> Vec<Line> {
    read(stdout, |line| {
        let (object, word) = line.split_once(' ')?;
        let change = match word {
            "created" => Change::Created,
            "configured" => Change::Configured,
            "unchanged" => Change::Unchanged,
            "serverside-applied" => Change::Applied,
            "pruned" => Change::Pruned,
            _ => return None,
        };
        let (resource, name) = object.split_once('/').filter(|(kind, name)| is_kind(kind) && is_name(name))?;
        Some(Line { resource: resource.to_owned(), name: name.to_owned(), change })
    })
}

/// Of `kubectl delete`: `deployment.apps "web" deleted`, and later versions add `from team namespace`.
pub(crate) fn deleted(stdout: &[u8]) -> Vec<Line> {
    read(stdout, |line| {
        let (resource, rest) = line.split_once(" \"")?;
        let (name, word) = rest.split_once("\" ")?;
        let is_deleted = word == "deleted" || word.starts_with("deleted from ");
        is_deleted.then(|| Line { resource: resource.to_owned(), name: name.to_owned(), change: Change::Deleted })
    })
}

/// Of `kubectl wait`: `deployment.apps/web condition met`.
pub(crate) fn met(stdout: &[u8]) -> Vec<String> {
    read(stdout, |line| line.strip_suffix(" condition met").map(str::to_owned))
}

fn read<T>(stdout: &[u8], line: impl Fn(&str) -> Option<T>) -> Vec<T> {
    String::from_utf8_lossy(stdout).lines().filter_map(|text| line(text.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(resource: &str, name: &str, change: Change) -> Line {
        Line { resource: resource.to_owned(), name: name.to_owned(), change }
    }

    #[test]
    fn each_line_is_an_object_and_the_rest_is_passed_over() {
        let text = "namespace/team created\ndeployment.apps/web configured\nconfigmap/a unchanged\n\
                    role.rbac.authorization.k8s.io/system:x serverside-applied\nsecret/old pruned\n\
                    Warning: odd\nrubbish\n\n/ \nconfigmap/b created (dry run)\n\u{0}\n";
        assert_eq!(
            applied(text.as_bytes()),
            [
                line("namespace", "team", Change::Created),
                line("deployment.apps", "web", Change::Configured),
                line("configmap", "a", Change::Unchanged),
                line("role.rbac.authorization.k8s.io", "system:x", Change::Applied),
                line("secret", "old", Change::Pruned),
            ]
        );
        let text = "deployment.apps \"web\" deleted\nconfigmap \"a\" deleted from team namespace\npod \"x\" evicted\n";
        assert_eq!(
            deleted(text.as_bytes()),
            [line("deployment.apps", "web", Change::Deleted), line("configmap", "a", Change::Deleted)]
        );
        assert_eq!(met(b"pod/a condition met\npod/b\n"), ["pod/a"]);
    }
}
