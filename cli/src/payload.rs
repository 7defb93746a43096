//! From the command line to a job's payload.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Args;
use executor_api::ExecutorRegistry;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::api::ApiError;
use crate::ending::Misused;
use crate::source_place::{set, source_place};

/// What a job is to do.
#[derive(Args, Clone, Debug)]
pub(crate) struct JobArgs {
    /// The kind of job, for example `terraform`
    #[arg(value_name = "TYPE")]
    pub(crate) kind: String,
    /// The payload, a JSON object; `-` reads it from standard input
    #[arg(long, value_name = "FILE")]
    payload: Option<PathBuf>,
    /// The folder to work on; packed and sent along as the payload's source, chart or manifests
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The cluster to work on, as a kubeconfig; `kubectl config view --raw --flatten` makes one that stands alone
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// Sets the payload's `action` [terraform with --dir: plan]
    #[arg(long)]
    action: Option<String>,
    /// Sets the payload's `destroy`: plan the destruction of everything
    #[arg(long)]
    destroy: bool,
    /// Sets one of the payload's `variables`, as text; may be repeated
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = name_and_value)]
    variables: Vec<(String, String)>,
    /// Sets one of a terraform payload's `secret_variables` to what a file holds; may be repeated
    #[arg(long = "secret-var", value_name = "NAME=FILE", value_parser = name_and_value)]
    secret_variables: Vec<(String, String)>,
    /// Sets one of a terraform payload's `secret_env`, for example a provider's token, to what a file holds; may be
    /// repeated
    #[arg(long = "secret-env", value_name = "NAME=FILE", value_parser = name_and_value)]
    secret_env: Vec<(String, String)>,
    /// How long it may run, for example 45m [default: as its kind says]
    #[arg(long, value_name = "DURATION", value_parser = whole_seconds)]
    timeout: Option<u64>,
}

/// A folder on its way to a job.
pub(crate) struct Packed {
    /// A tar.gz.
    pub(crate) archive: Vec<u8>,
    /// What a payload calls it.
    pub(crate) id: String,
}

/// `NAME=VALUE`.
pub(crate) fn name_and_value(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("give NAME=VALUE".to_owned()),
    }
}

/// A duration, of which parts of a second do not count.
fn whole_seconds(text: &str) -> Result<u64, String> {
    match humantime::parse_duration(text) {
        Ok(duration) if duration.as_secs() > 0 => Ok(duration.as_secs()),
        Ok(_) => Err("it is at least 1s".to_owned()),
        Err(error) => Err(format!("{error}; give for example 90s or 1h 30m")),
    }
}

/// The archive of a folder.
pub(crate) fn pack(dir: &Path) -> anyhow::Result<Packed> {
    let archive = job_source::pack(dir).with_context(|| format!("cannot pack {}", dir.display()))?;
    let id = hex::encode(Sha256::digest(&archive));
    Ok(Packed { archive, id })
}

impl JobArgs {
    /// The folder, packed. None if none was named.
    pub(crate) fn packed(&self) -> anyhow::Result<Option<Packed>> {
        self.dir.as_deref().map(pack).transpose()
    }

    /// What a refusal of the packed folder is about, and what to do if it is too large.
    pub(crate) fn refused_folder(&self, size_bytes: usize) -> String {
        let dir = self.dir.as_deref().unwrap_or(Path::new(".")).display();
        let size = size_bytes.div_ceil(1 << 20);
        format!("cannot send the folder {dir}, {size} MiB when packed; keep in it only what the job needs")
    }

    /// How many seconds it may run, if that was said.
    pub(crate) fn timeout_s(&self) -> Option<u64> {
        self.timeout
    }

    /// The payload that the arguments describe. A terraform job without a backend gets the one that `backend` makes
    /// for the folder, and without an action it plans.
    pub(crate) fn payload(
        &self,
        packed: Option<&Packed>,
        backend: impl FnOnce(&Path) -> Value,
    ) -> anyhow::Result<Map<String, Value>> {
        let payload = self.payload.as_deref().map(read).transpose()?.unwrap_or_default();
        let mut payload = self.with_files(Value::Object(payload), packed)?;
        if let Some(action) = &self.action {
            payload.insert("action".to_owned(), json!(action));
        }
        if self.destroy {
            payload.insert("destroy".to_owned(), json!(true));
        }
        add(&mut payload, "variables", self.variables.clone())?;
        add(&mut payload, "secret_variables", of_files(&self.secret_variables)?)?;
        add(&mut payload, "secret_env", of_files(&self.secret_env)?)?;
        if let ("terraform", Some(dir)) = (self.kind.as_str(), &self.dir) {
            payload.entry("action").or_insert_with(|| json!("plan"));
            if payload["action"] != "validate" {
                let dir = dir.canonicalize().with_context(|| format!("cannot find {}", dir.display()))?;
                payload.entry("backend").or_insert_with(|| backend(&dir));
            }
        }
        Ok(payload)
    }
}

impl JobArgs {
    /// The payload with the folder and the kubeconfig where the kind has a place for them.
    fn with_files(&self, mut payload: Value, packed: Option<&Packed>) -> anyhow::Result<Map<String, Value>> {
        if let Some(packed) = packed {
            // A kind that another program links has its source at the top.
            let known = ExecutorRegistry::from_linked()?.get(&self.kind).ok().map(|plugin| plugin.info().schema);
            let place = known.as_ref().map_or(Some("/source".to_owned()), source_place);
            let place = place.ok_or_else(|| Misused(format!("--dir: the kind {:?} takes no files", self.kind)))?;
            set(&mut payload, &place, json!({ "archive": packed.id }));
        }
        if let Some(file) = &self.kubeconfig {
            let text = std::fs::read_to_string(file);
            let text = text.with_context(|| format!("cannot read the kubeconfig {}", file.display()))?;
            set(&mut payload, "/cluster", json!({ "kubeconfig": text }));
        }
        match payload {
            Value::Object(payload) => Ok(payload),
            _ => Err(Misused("--payload is no JSON object".to_owned()).into()),
        }
    }
}

/// The state of a stack in the control plane: named after its folder.
pub(crate) fn state_in_plane(dir: &Path) -> Value {
    let name = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let name: String = name.chars().map(|c| if fits(c) { c } else { '-' }).take(128).collect();
    let name = name.trim_start_matches('.');
    state_named(if name.is_empty() { "stack" } else { name })
}

/// The state of that name in the control plane.
pub(crate) fn state_named(name: &str) -> Value {
    json!({ "type": "plane", "name": name })
}

/// Whoever brings a plan means what their kind does with one, unless the payload says another action.
pub(crate) fn take_plan(kind: &str, payload: &mut Map<String, Value>) {
    let action = match kind {
        "terraform" => "apply",
        "infracost" => "diff",
        _ => return,
    };
    payload.entry("action").or_insert_with(|| json!(action));
}

/// The state of a stack where terraform itself would keep it.
pub(crate) fn state_beside(dir: &Path) -> Value {
    json!({ "type": "local", "path": dir.join("terraform.tfstate") })
}

/// Which state a stack's job works on, for people: folders of the same name share one at the plane, and what a run knows is
/// not there.
pub(crate) fn note_of_state(payload: &Map<String, Value>) -> Option<String> {
    let backend = payload.get("backend")?;
    match (backend["type"].as_str()?, backend["name"].as_str(), backend["path"].as_str()) {
        ("plane", Some(name), _) => Some(format!("state: {name}, at the control plane; --state NAME takes another")),
        ("local", _, Some(path)) => Some(format!("state: {path}; one at the control plane is another")),
        _ => None,
    }
}

/// The fields of payloads that have a flag.
const FLAGS: [(&str, &str); 10] = [
    ("action", "--action ACTION"),
    ("source", "--dir DIR"),
    ("chart", "--dir DIR"),
    ("manifests", "--dir DIR"),
    ("cluster", "--kubeconfig FILE"),
    ("destroy", "--destroy"),
    ("variables", "--var NAME=VALUE"),
    ("secret_variables", "--secret-var NAME=FILE"),
    ("secret_env", "--secret-env NAME=FILE"),
    ("backend", "--state NAME"),
];

/// A refusal with what people type for its place: the plane names it as the contract does.
pub(crate) fn in_typed_words(error: ApiError) -> ApiError {
    match error {
        ApiError::Refused { status, error, pointer: Some(pointer) } => {
            let typed = typed_for(&pointer, &error).map(|typed| format!(" ({typed})")).unwrap_or_default();
            ApiError::Refused { status, error: error + &typed, pointer: Some(pointer) }
        }
        other => other,
    }
}

fn typed_for(pointer: &str, error: &str) -> Option<String> {
    let place = pointer.strip_prefix("/config_snapshot")?;
    if let Some(field) = place.split('/').nth(1) {
        return Some(typed(field));
    }
    let missing = error.split("; ").filter_map(|one| one.strip_prefix('"')?.strip_suffix("\" is a required property"));
    let missing: Vec<_> = missing.map(typed).collect();
    Some(if missing.is_empty() { "the payload".to_owned() } else { missing.join("; ") })
}

/// The same for an error that only says which field is missing.
pub(crate) fn missing_in_typed_words(error: String) -> String {
    match error.split_once("missing field `").and_then(|(_, rest)| rest.split_once('`')) {
        Some((field, _)) => format!("{error} ({})", typed(field)),
        None => error,
    }
}

fn typed(field: &str) -> String {
    let flag =
        FLAGS.iter().find(|(known, _)| *known == field).map(|(_, flag)| format!("{flag}, or ")).unwrap_or_default();
    format!("{flag}`{field}` in the payload")
}

/// Adds values to one of the payload's objects.
fn add(payload: &mut Map<String, Value>, field: &str, values: Vec<(String, String)>) -> anyhow::Result<()> {
    if values.is_empty() {
        return Ok(());
    }
    let object = payload.entry(field).or_insert_with(|| json!({})).as_object_mut();
    let object = object.ok_or_else(|| Misused(format!("/{field} is no object")))?;
    object.extend(values.into_iter().map(|(name, value)| (name, json!(value))));
    Ok(())
}

/// Secrets are never arguments: everybody on the machine can read those. Of a file with one line its end is no part.
fn of_files(files: &[(String, String)]) -> anyhow::Result<Vec<(String, String)>> {
    let read = |(name, file): &(String, String)| {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read the secret {name} from {file}"))?;
        let text = if text.lines().count() == 1 { text.trim_end_matches(['\r', '\n']).to_owned() } else { text };
        Ok((name.clone(), text))
    };
    files.iter().map(read).collect()
}

fn read(file: &Path) -> anyhow::Result<Map<String, Value>> {
    let is_stdin = file == Path::new("-");
    let (name, text) = if is_stdin {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("cannot read the payload from standard input")?;
        ("standard input".to_owned(), text)
    } else {
        let text =
            std::fs::read_to_string(file).with_context(|| format!("cannot read the payload {}", file.display()))?;
        (file.display().to_string(), text)
    };
    let wrong = |error: serde_json::Error| Misused(format!("--payload {name} is no JSON object: {error}"));
    Ok(serde_json::from_str(&text).map_err(wrong)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        job: JobArgs,
    }

    fn payload(args: &[&str]) -> anyhow::Result<Map<String, Value>> {
        let args = ["alethia"].iter().chain(args);
        let job = Line::try_parse_from(args)?.job;
        let packed = job.packed()?;
        job.payload(packed.as_ref(), state_in_plane)
    }

    #[test]
    fn a_folder_is_enough_for_a_plan() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("my stack");
        std::fs::create_dir(&dir).unwrap();
        std::fs::write(dir.join("main.tf"), "").unwrap();
        let payload = payload(&["terraform", "--dir", dir.to_str().unwrap(), "--var", "a=b=c"]).unwrap();
        assert_eq!(payload["action"], "plan");
        assert_eq!(payload["backend"], json!({ "type": "plane", "name": "my-stack" }));
        assert_eq!(payload["variables"], json!({ "a": "b=c" }));
        assert_eq!(payload["source"]["archive"].as_str().unwrap().len(), 64);
    }

    #[test]
    fn secrets_come_from_files() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
            format!("{name}={}", folder.path().join(name).display())
        };
        let (word, key) = (file("word", "a word\n"), file("key", "-----BEGIN\nEND-----\n"));
        let args = ["terraform", "--secret-var", &word, "--secret-var", &key, "--secret-env", &word];
        let payload = payload(&args).unwrap();
        assert_eq!(payload["secret_variables"], json!({ "word": "a word", "key": "-----BEGIN\nEND-----\n" }));
        assert_eq!(payload["secret_env"], json!({ "word": "a word" }));
        let error = super::tests::payload(&["terraform", "--secret-var", "word=/nonexistent"]).unwrap_err();
        assert!(error.to_string().contains("the secret word from /nonexistent"), "{error}");
    }

    #[test]
    fn a_timeout_is_a_duration_of_at_least_a_second() {
        let parsed = |text| Line::try_parse_from(["alethia", "x", "--timeout", text]).map(|line| line.job.timeout_s());
        assert_eq!(parsed("1h 30m").unwrap(), Some(5400));
        for (text, says) in [("0s", "at least 1s"), ("10ms", "at least 1s"), ("soon", "90s or 1h 30m"), ("90", "90s")] {
            let error = parsed(text).unwrap_err().to_string();
            assert!(error.contains("--timeout") && error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn what_the_file_says_stays() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"action": "output", "backend": {"type": "plane", "name": "x"}}"#).unwrap();
        let payload = payload(&["terraform", "--payload", file.path().to_str().unwrap()]).unwrap();
        assert_eq!(payload["action"], "output");
        assert_eq!(payload["backend"]["name"], "x");
    }

    #[test]
    fn a_payload_that_is_no_object_is_refused_with_its_name() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for bad in ["", "[]", "{", "nonsense"] {
            std::fs::write(file.path(), bad).unwrap();
            let error = payload(&["x", "--payload", file.path().to_str().unwrap()]).unwrap_err();
            assert!(error.is::<Misused>() && error.to_string().contains("--payload"), "{bad}: {error}");
        }
    }

    #[test]
    fn an_error_of_the_plane_is_told_in_what_people_type() {
        for (pointer, error, typed) in [
            (
                "/config_snapshot",
                "\"action\" is a required property; \"x\" is a required property",
                Some("--action ACTION, or `action` in the payload; `x` in the payload"),
            ),
            (
                "/config_snapshot/cluster/kubeconfig",
                "it is empty",
                Some("--kubeconfig FILE, or `cluster` in the payload"),
            ),
            ("/config_snapshot", "it is no object", Some("the payload")),
            ("/job_type", "there is none", None),
        ] {
            assert_eq!(typed_for(pointer, error).as_deref(), typed, "{pointer}: {error}");
        }
        let missing = missing_in_typed_words("x: missing field `action`".to_owned());
        assert_eq!(missing, "x: missing field `action` (--action ACTION, or `action` in the payload)");
        assert_eq!(missing_in_typed_words("no such file".to_owned()), "no such file");
    }

    #[test]
    fn every_folder_has_a_name_that_a_state_may_have() {
        for (dir, name) in
            [("/a/b.c", "b.c"), ("/a/.hidden", "hidden"), ("/", "stack"), ("/a/ünder score", "-nder-score")]
        {
            assert_eq!(state_in_plane(Path::new(dir))["name"], name);
        }
    }
}
