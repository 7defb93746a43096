//! Where a chart comes from, as a payload says it: a job's source, a repository or a registry.

use std::path::{Component, Path};

use executor_api::{ExecutorError, Input};
use job_source::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::address::{check_reference, check_repository};

/// A chart. Exactly one of `source`, `repo` and `oci`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(extend("oneOf" = [{ "required": ["source"] }, { "required": ["repo", "name"] }, { "required": ["oci"] }]))]
pub struct Chart {
    /// Files that come with the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// For `source`: the chart's folder in it, or a packaged chart (`.tgz`); its root if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
    /// A chart repository: the URL of the folder that holds its `index.yaml`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub repo: Option<String>,
    /// For `repo`: the chart's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// A chart in a registry, for example `oci://registry.example/charts/web`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oci: Option<String>,
    /// For `repo` and `oci`: the version, or a range like `^1.2`; the newest if missing.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    pub version: Option<String>,
    /// Who we are to the repository or registry.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Goes with `username`, and only to that host.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("writeOnly" = true))]
    pub password: Option<String>,
    /// For `oci`: the registry speaks http without TLS.
    pub plain_http: bool,
}

/// What a checked [`Chart`] is.
pub(crate) enum Origin<'a> {
    /// Files of the job.
    Source(&'a Source),
    /// A chart repository and a name in it.
    Repository { url: &'a str, name: &'a str },
    /// A registry, and the chart's whole reference.
    Registry { host: String, reference: &'a str },
}

/// Never the password.
impl std::fmt::Debug for Chart {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { source, path, repo, name, oci, version, .. } = self;
        f.debug_struct("Chart")
            .field("source", source)
            .field("path", path)
            .field("repo", repo)
            .field("name", name)
            .field("oci", oci)
            .field("version", version)
            .finish_non_exhaustive()
    }
}

impl Chart {
    /// What has to be fetched from the control plane before the job starts.
    #[must_use]
    pub fn inputs(&self) -> Vec<Input> {
        self.source.as_ref().map(Source::inputs).unwrap_or_default()
    }

    /// Checks what can be checked without asking anybody. `pointer` is the place of the chart in the payload.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self, pointer: &str) -> Result<(), ExecutorError> {
        self.origin(pointer).map(drop)
    }

    pub(crate) fn origin(&self, pointer: &str) -> Result<Origin<'_>, ExecutorError> {
        let at = |field: &'static str| {
            let place = format!("{pointer}/{field}");
            move |why: String| ExecutorError::invalid(&place, why)
        };
        self.refuse_what_does_not_belong(pointer)?;
        if let Some(version) = &self.version {
            check_version(version).map_err(at("version"))?;
        }
        match (&self.source, &self.repo, &self.oci) {
            (Some(source), None, None) => {
                source.check(&format!("{pointer}/source"))?;
                check_path(self.path.as_deref().unwrap_or(".")).map_err(at("path"))?;
                Ok(Origin::Source(source))
            }
            (None, Some(url), None) => {
                let is_private = check_repository(url).map_err(at("repo"))?;
                self.check_credentials(pointer, is_private)?;
                let name = self.name.as_deref().unwrap_or_default();
                check_name(name).map_err(at("name"))?;
                Ok(Origin::Repository { url, name })
            }
            (None, None, Some(reference)) => {
                let (host, is_here) = check_reference(reference).map_err(at("oci"))?;
                self.check_credentials(pointer, is_here || !self.plain_http)?;
                Ok(Origin::Registry { host, reference })
            }
            _ => {
                let error = "say where the chart is: exactly one of `source`, `repo` (with `name`) and `oci`";
                Err(ExecutorError::invalid(pointer, error))
            }
        }
    }

    fn refuse_what_does_not_belong(&self, pointer: &str) -> Result<(), ExecutorError> {
        let fetched = self.repo.is_some() || self.oci.is_some();
        let fields = [
            ("path", self.path.is_some() && self.source.is_none(), "source"),
            ("name", self.name.is_some() && self.repo.is_none(), "repo"),
            ("plain_http", self.plain_http && self.oci.is_none(), "oci"),
            ("version", self.version.is_some() && !fetched, "repo and oci"),
            ("username", self.username.is_some() && !fetched, "repo and oci"),
            ("password", self.password.is_some() && !fetched, "repo and oci"),
        ];
        match fields.iter().find(|(_, is_wrong, _)| *is_wrong) {
            None => Ok(()),
            Some((name, _, of)) => Err(ExecutorError::invalid(
                &format!("{pointer}/{name}"),
                format!("this goes with {of} only; leave it out"),
            )),
        }
    }

    /// `is_private`: nobody on the way can read what we send.
    fn check_credentials(&self, pointer: &str, is_private: bool) -> Result<(), ExecutorError> {
        let invalid = |field: &str, why: &str| Err(ExecutorError::invalid(&format!("{pointer}/{field}"), why));
        match (&self.username, &self.password) {
            (None, None) => Ok(()),
            (Some(_), None) => invalid("password", "give the password that goes with the username"),
            (None, Some(_)) => invalid("username", "give the username that goes with the password"),
            (Some(_), Some(_)) if !is_private => {
                invalid("password", "credentials go over https only, or to this machine; use https")
            }
            (Some(name), _) if name.is_empty() || name.len() > 1024 || name.contains(is_control_or(':')) => {
                invalid("username", "a username has 1 to 1024 characters, none of them ':' or a control character")
            }
            (_, Some(text)) if text.is_empty() || text.len() > 16 * 1024 || text.contains(char::is_control) => {
                invalid("password", "a password has 1 to 16384 bytes and no control character")
            }
            _ => Ok(()),
        }
    }
}

fn is_control_or(other: char) -> impl Fn(char) -> bool {
    move |c| c.is_control() || c == other
}

/// A relative path that stays where it is put.
fn check_path(path: &str) -> Result<(), String> {
    let stays = Path::new(path).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    if stays && (1..=1024).contains(&path.len()) && !path.contains(is_control_or('\\')) {
        Ok(())
    } else {
        Err("give a relative path without '..', backslashes and control characters".to_owned())
    }
}

fn check_version(version: &str) -> Result<(), String> {
    let fits = |c: char| c.is_ascii_alphanumeric() || ".+-~^<>=!,|* ".contains(c);
    if (1..=128).contains(&version.len()) && version.chars().all(fits) && !version.starts_with('-') {
        Ok(())
    } else {
        Err("give a version or a range, for example 1.2.3 or `>=1.2, <2`".to_owned())
    }
}

fn check_name(name: &str) -> Result<(), String> {
    let fits = |b: u8| b.is_ascii_alphanumeric() || b"._-".contains(&b);
    if (1..=250).contains(&name.len()) && name.bytes().all(fits) && !name.starts_with(['-', '.']) {
        Ok(())
    } else {
        Err("a chart's name has 1 to 250 letters, digits, '.', '_', '-', and begins with a letter or a digit"
            .to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn refusal(chart: Value) -> String {
        let chart: Chart = serde_json::from_value(chart).unwrap();
        chart.check("/chart").err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn exactly_one_place() {
        for chart in [json!({}), json!({ "repo": "https://a.example", "name": "b", "oci": "oci://a.example/b" })] {
            assert!(refusal(chart).starts_with("/chart: say where the chart is"));
        }
        for (field, chart) in [
            ("path", json!({ "oci": "oci://a.example/b", "path": "x" })),
            ("name", json!({ "oci": "oci://a.example/b", "name": "x" })),
            ("version", json!({ "source": { "files": { "Chart.yaml": "" } }, "version": "1" })),
            ("plain_http", json!({ "repo": "https://a.example", "name": "b", "plain_http": true })),
        ] {
            assert!(refusal(chart).starts_with(&format!("/chart/{field}: this goes with")), "{field}");
        }
    }

    #[test]
    fn repositories_are_web_addresses_of_others() {
        for bad in [
            "--insecure-skip-tls-verify",
            "file:///etc",
            "/etc",
            "s3://bucket/x",
            "oci://host/x",
            "https:host/x",
            "https://user:pass@host/x",
            "https://host/x?y",
            "https://host/x#y",
            "https://host/\nx",
            "https://169.254.169.254/x",
            "https://[::ffff:169.254.169.254]/x",
            "https://2852039166/x",
            "https://metadata.google.internal/x",
            "https://-oProxyCommand=id/x",
        ] {
            assert!(refusal(json!({ "repo": bad, "name": "a" })).starts_with("/chart/repo: "), "{bad:?}");
        }
        for good in ["https://argoproj.github.io/argo-helm", "http://charts.example:8080/a/", "http://127.0.0.1:1/"] {
            assert_eq!(refusal(json!({ "repo": good, "name": "argo-cd", "version": ">=1.2, <2 || ^7.1.3" })), "");
        }
    }

    #[test]
    fn references_name_a_chart_and_nothing_else() {
        for bad in [
            "-n",
            "oci://",
            "oci://host",
            "oci://host/",
            "oci://host/A",
            "oci://host/a:1",
            "oci://host/a@sha256:1",
            "oci://host/../a",
            "oci://host/-a",
            "oci://user@host/a",
            "oci://-host/a",
            "oci://169.254.169.254/a",
            "https://host/a",
            "oci://host/a\0",
        ] {
            assert!(refusal(json!({ "oci": bad })).starts_with("/chart/oci: "), "{bad:?}");
        }
        assert_eq!(refusal(json!({ "oci": "oci://ghcr.io/org/charts/my_app.x" })), "");
        assert_eq!(refusal(json!({ "oci": "oci://127.0.0.1:5000/a" })), "");
    }

    #[test]
    fn names_versions_and_paths_are_words() {
        for bad in ["", "-a", "../x", "a/b", "a b", ".x"] {
            assert!(refusal(json!({ "repo": "https://h.example", "name": bad })).starts_with("/chart/name"), "{bad:?}");
        }
        for bad in ["", "-1", "--devel", "1;2", "1\n", "$(id)", &"1".repeat(129)] {
            assert!(
                refusal(json!({ "oci": "oci://h.example/a", "version": bad })).starts_with("/chart/version"),
                "{bad:?}"
            );
        }
        for bad in ["", "/etc", "../x", "a/../../x", "a\0", "a\\b"] {
            let chart = json!({ "source": { "files": { "Chart.yaml": "" } }, "path": bad });
            assert!(refusal(chart).starts_with("/chart/path"), "{bad:?}");
        }
    }

    #[test]
    fn credentials_are_whole_and_go_where_nobody_listens() {
        let chart = |repo: &str, more: Value| {
            let mut chart = json!({ "repo": repo, "name": "a" });
            chart.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            chart
        };
        let both = json!({ "username": "u", "password": "p" });
        assert_eq!(refusal(chart("https://h.example", both.clone())), "");
        assert_eq!(refusal(chart("http://127.0.0.1:80", both.clone())), "");
        assert!(refusal(chart("http://localhost.", both.clone())).starts_with("/chart/password"));
        assert!(refusal(chart("http://h.example", both)).starts_with("/chart/password: credentials go over https"));
        assert!(refusal(chart("https://h.example", json!({ "username": "u" }))).starts_with("/chart/password"));
        assert!(refusal(chart("https://h.example", json!({ "password": "u" }))).starts_with("/chart/username"));
        let odd = json!({ "username": "a:b", "password": "p" });
        assert!(refusal(chart("https://h.example", odd)).starts_with("/chart/username"));
        let plain = json!({ "oci": "oci://h.example/a", "plain_http": true, "username": "u", "password": "p" });
        assert!(refusal(plain).starts_with("/chart/password"));
        let shown = format!("{:?}", Chart { password: Some("hunter2-hunter2".to_owned()), ..Chart::default() });
        assert!(!shown.contains("hunter2"), "{shown}");
    }
}
