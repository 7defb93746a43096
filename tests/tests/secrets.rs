//! What must stay secret: the runner's token, a job's state token, and what a stack calls sensitive. Looked for in every
//! process, file, log and answer that a job or a user can reach.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use system_tests::process::tool;
use system_tests::rig::Rig;

/// All files below a folder that hold a text.
fn files_with(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(files_with(&path, text));
        } else if kind.is_file() && has(&fs::read(&path).unwrap(), text) {
            found.push(path);
        }
    }
    found
}

fn has(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

/// A pattern for grep that matches a text and not itself.
fn pattern(text: &str) -> String {
    let (first, rest) = text.split_at(1);
    format!("[{first}]{rest}")
}

#[tokio::test]
async fn no_process_shows_the_runners_token() {
    let rig = Rig::plane().await.started().await;
    let token = rig.identity().token.clone();
    let script = "
        echo jobs: $(grep -al -e '__[j]ob' /proc/[0-9]*/cmdline | wc -l)
        echo readable: $(cat /proc/[0-9]*/environ 2>/dev/null | grep -ac PATH=)
        grep -al -e \"$0\" /proc/[0-9]*/environ /proc/[0-9]*/cmdline /proc/[0-9]*/task/*/environ 2>/dev/null
        echo end of list";
    let payload = json!({ "program": "/bin/sh", "args": ["-c", script, pattern(&token)] });
    let job = rig.user.submit("program", &payload).await;
    assert_eq!(rig.ended(&job).await["status"], "SUCCESS");
    let log = rig.log(&job).await;
    let (counts, found) = log.split_once("\nreadable: ").unwrap();
    assert_ne!(counts, "jobs: 0", "it saw at least its own job process");
    let (readable, found) = found.split_once('\n').unwrap();
    assert_ne!(readable, "0", "it saw at least its own environment");
    assert_eq!(found, "end of list\n");
}

#[tokio::test]
async fn a_jobs_environment_holds_nothing_of_the_runner() {
    let secrets = [
        ("ALETHIA_TOKEN", "a-users-token-canary"),
        ("SUPABASE_S3_ENDPOINT", "https://storage-endpoint-canary"),
        ("SUPABASE_S3_REGION", "storage-region-canary"),
        ("SUPABASE_STORAGE_KEY_ID", "storage-key-canary"),
        ("SUPABASE_STORAGE_SECRET_KEY", "storage-secret-canary"),
        ("INFRACOST_API_KEY", "infracost-canary"),
    ];
    let rig = Rig::with(|home| {
        let home = secrets.into_iter().fold(home, |home, (name, value)| home.with_env(name, value));
        let home = home.with_env("HTTPS_PROXY", "http://bob:proxy-password-canary@127.0.0.1:9");
        let home = home.with_env("HCLOUD_TOKEN", "hcloud-canary").with_env("EXTRA", "wanted");
        home.with_env("ALETHIA_JOB_ENV", "ALETHIA_*,SUPABASE_*,INFRACOST_API_KEY,HCLOUD_TOKEN,EXTRA")
    });
    let rig = rig.await.started().await;
    let job = rig.user.submit("probe", &json!({})).await;
    assert_eq!(rig.ended(&job).await["status"], "SUCCESS");
    let (_, page) = rig.call(reqwest::Method::GET, &wire::paths::job_logs(&job), None).await;
    let entries = page["logs"].as_array().unwrap();
    let of = |stream: &str| -> String {
        entries.iter().filter(|e| e["stream_type"] == stream).map(|e| e["log_chunk"].as_str().unwrap()).collect()
    };
    let tool = of("STDOUT");
    let mut names: Vec<_> = tool.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["EXTRA", "HCLOUD_TOKEN", "HOME", "HTTPS_PROXY", "PATH", "TMPDIR"], "{tool}");
    // What tools are given is in their log without what is secret of it.
    assert!(tool.contains("HCLOUD_TOKEN=***\n") && tool.contains("HTTPS_PROXY=http://bob:***@127.0.0.1:9\n"), "{tool}");
    let all = of("SYSTEM");
    assert!(all.contains("process self:") && all.contains("EXTRA=wanted"), "{all}");
    let never = ["a-users-token-canary", "storage-key-canary", "storage-secret-canary", "infracost-canary"];
    for secret in never.into_iter().chain(["hcloud-canary", "proxy-password-canary"]) {
        assert!(!all.contains(secret), "{secret} is in\n{all}");
    }
    assert!(!all.contains(&rig.identity().token), "{all}");
}

#[tokio::test]
async fn tokens_are_in_no_file_that_is_not_theirs() {
    let mut rig = Rig::plane().await.started().await;
    let folder = tempfile::tempdir().unwrap();
    let go = folder.path().join("go");
    let script = format!("env; echo waiting; while [ ! -e {} ]; do sleep 0.02; done", go.display());
    let job = rig.user.submit("program", &json!({ "program": "/bin/sh", "args": ["-c", script] })).await;
    rig.log_has(&job, "waiting").await;

    let token = rig.identity().token.clone();
    let (data, state) = (rig.plane.data_dir(), rig.home.state_dir().to_owned());
    let [directory] = &rig.home.job_dirs()[..] else { panic!("one job runs") };
    let claim: Value = serde_json::from_slice(&fs::read(directory.join("claim.json")).unwrap()).unwrap();
    let state_token =
        claim["settings"]["plane"]["state_token"].as_str().expect("a job may use the state backend").to_owned();
    let admin_token = fs::read_to_string(data.join("admin-token")).unwrap().trim().to_owned();
    let nowhere: [PathBuf; 0] = [];
    assert_eq!(files_with(&state, &token), nowhere);
    assert_eq!(files_with(&data, &token), nowhere);
    assert_eq!(files_with(&data, &state_token), nowhere);
    assert_eq!(files_with(&data, &admin_token), [data.join("admin-token")]);
    assert_eq!(files_with(&state, &state_token), [directory.join("claim.json")]);
    for file in [data.join("admin-token"), directory.join("claim.json")] {
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o077, 0, "{}", file.display());
    }

    fs::write(go, "").unwrap();
    let ended = rig.ended(&job).await;
    assert_eq!(ended["status"], "SUCCESS");
    let messages = rig.messages();
    rig.stop_runner().await;
    for token in [&token, &state_token] {
        assert_eq!((files_with(&state, token), files_with(&data, token)), (vec![], vec![]));
        for text in [&messages, &ended.to_string(), &rig.log(&job).await] {
            assert!(!text.contains(token.as_str()), "{text}");
        }
    }
}

const STACK: &str = r#"
variable "password" { sensitive = true }
resource "terraform_data" "it" {
  input = { password = var.password, nested = [sensitive("nested-canary")] }
  provisioner "local-exec" { command = "echo the environment:; env" }
}
output "password" {
  value     = var.password
  sensitive = true
}
output "nested" {
  value     = { list = [sensitive("nested-canary")], plain = "plain-text" }
  sensitive = true
}
"#;

/// The real terraform behind a script that writes down the state token of each call.
struct Eavesdropper(tempfile::TempDir);

impl Eavesdropper {
    fn new(terraform: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let script = format!(
            "#!/bin/sh\nif [ -n \"$TF_HTTP_PASSWORD\" ]; then echo \"$TF_HTTP_PASSWORD\" >> {0}/tokens; fi\nexec {1} \"$@\"\n",
            folder.path().display(),
            terraform.display()
        );
        let program = folder.path().join("terraform");
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        Self(folder)
    }

    fn tokens(&self) -> Vec<String> {
        let mut tokens: Vec<_> =
            fs::read_to_string(self.0.path().join("tokens")).unwrap().lines().map(str::to_owned).collect();
        tokens.dedup();
        tokens
    }
}

#[tokio::test]
async fn what_a_stack_calls_sensitive_and_the_state_token_are_seen_nowhere() {
    let Some(terraform) = tool("terraform") else { return };
    let script = Eavesdropper::new(&terraform);
    let program = script.0.path().join("terraform").display().to_string();
    let rig = Rig::with(|home| home.with_env("ALETHIA_TERRAFORM", program)).await.started().await;
    let payload = |action: &str| {
        json!({ "action": action, "source": { "files": { "main.tf": STACK } },
                "variables": { "password": "password-canary" }, "backend": { "type": "plane", "name": "net" } })
    };
    let planned = rig.user.submit("terraform", &payload("plan")).await;
    rig.ended(&planned).await;
    let apply =
        json!({ "job_type": "terraform", "config_snapshot": { "action": "apply" }, "plan_job_id": planned.clone() });
    let applied = rig.user.submit_as(&apply).await;
    rig.ended(&applied).await;
    let mut jobs = vec![planned.clone(), applied.clone()];
    for action in ["output", "plan", "drift", "destroy"] {
        let job = rig.user.submit("terraform", &payload(action)).await;
        rig.ended(&job).await;
        jobs.push(job);
    }

    let tokens = script.tokens();
    assert_eq!(tokens.len(), jobs.len(), "each attempt has its own");
    for id in &jobs {
        let (mut job, log) = (rig.job(id).await, rig.log(id).await);
        assert_eq!(job["status"], "SUCCESS", "{job}\n{log}");
        // What the user sent is the user's.
        job["config_snapshot"] = Value::Null;
        for secret in ["password-canary", "nested-canary"].into_iter().chain(tokens.iter().map(String::as_str)) {
            assert!(!job.to_string().contains(secret), "{secret} is in {job}");
            assert!(!log.contains(secret), "{secret} is in the log:\n{log}");
        }
    }
    let log = rig.log(&applied).await;
    assert!(log.contains("TF_HTTP_PASSWORD=***"), "the masker hid it: {log}");
    for name in ["plan.txt", "plan.json"] {
        let text = rig.artifact(&planned, name).await;
        for secret in ["password-canary", "nested-canary", &tokens[0]] {
            assert!(!has(&text, secret), "{secret} is in {name}: {}", String::from_utf8_lossy(&text));
        }
    }
    let plan = unzipped(&rig.artifact(&planned, "terraform.plan.out").await);
    assert!(has(&plan, "terraform_data"), "the plan was unpacked");
    let workspace = gunzipped(&rig.artifact(&planned, "workspace.tar.gz").await);
    assert!(has(&workspace, "main.tf"), "the workspace was unpacked");
    for token in &tokens {
        assert!(!has(&plan, token) && !has(&workspace, token), "a state token is in an artifact");
        assert!(!rig.messages().contains(token.as_str()));
    }
}

/// All files of a zip archive, one after another.
fn unzipped(archive: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    let starts = (0..archive.len().saturating_sub(30)).filter(|at| archive[*at..].starts_with(b"PK\x03\x04"));
    for at in starts {
        let number = |at: usize| usize::from(u16::from_le_bytes([archive[at], archive[at + 1]]));
        let data = &archive[at + 30 + number(at + 26) + number(at + 28)..];
        let mut file = Vec::new();
        // What is not compressed is searched as it is.
        if number(at + 8) == 8
            && std::io::Read::read_to_end(&mut flate2::read::DeflateDecoder::new(data), &mut file).is_ok()
        {
            all.extend(file);
        }
    }
    all.extend(archive);
    all
}

fn gunzipped(archive: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(archive), &mut all).unwrap();
    all
}
