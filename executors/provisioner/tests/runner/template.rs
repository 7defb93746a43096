//! The template itself: formatted, valid for the real provider, and nothing in it that is written nowhere.

use std::fs;
use std::path::{Path, PathBuf};

use executor_api::JobContext;
use executor_api::testing::{TestJob, aws_provider, missing};
use serde_json::json;

fn template() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/runner/aws")
}

fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let all = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    all.filter(|path| path.to_string_lossy().ends_with(ending)).collect()
}

async fn terraform(job: &JobContext, args: &[&str]) -> Option<String> {
    let Ok(program) = job.tool("terraform") else {
        missing("no terraform on the PATH");
        return None;
    };
    let config = job.paths().temp.join("terraformrc");
    let finished = job.tee(job.command(program).env("TF_CLI_CONFIG_FILE", config).args(args)).await.unwrap();
    let said = String::from_utf8_lossy(&finished.stdout).into_owned();
    assert!(finished.exit.is_success(), "{args:?}: {said}{}", finished.stderr_tail);
    Some(said)
}

#[tokio::test]
async fn it_is_formatted() {
    let job = TestJob::builder("DEPLOY_RUNNER", &json!({})).build().unwrap();
    let folder = template().display().to_string();
    terraform(&job.context, &["fmt", "-check", "-diff", &folder]).await;
}

#[tokio::test]
async fn it_is_valid_for_the_real_provider() {
    let Some(mirror) = aws_provider() else { return };
    let job = TestJob::builder("DEPLOY_RUNNER", &json!({})).build().unwrap();
    let context = &job.context;
    for file in files(&template(), "") {
        fs::copy(&file, context.work_dir().join(file.file_name().unwrap())).unwrap();
    }
    fs::write(context.work_dir().join("scaler.zip"), "a package").unwrap();
    let config = format!("provider_installation {{ filesystem_mirror {{ path = \"{}\" }} }}\n", mirror.display());
    fs::write(context.paths().temp.join("terraformrc"), config).unwrap();
    if terraform(context, &["init", "-no-color", "-input=false"]).await.is_some() {
        let said = terraform(context, &["validate", "-json"]).await.unwrap();
        assert!(said.contains("\"valid\": true") && said.contains("\"warning_count\": 0"), "{said}");
    }
}

#[test]
fn everything_says_what_it_is_and_secrets_are_ephemeral() {
    let text = |name: &str| fs::read_to_string(template().join(name)).unwrap();
    for (file, block) in [("variables.tf", "variable \""), ("outputs.tf", "output \"")] {
        for block in text(file).split(block).skip(1) {
            assert!(block.contains("description = \""), "{file}: {block}");
        }
    }
    let variables = text("variables.tf");
    for secret in ["runner_token", "storage_key_id", "storage_secret_key", "infracost_api_key"] {
        let block = variables.split(&format!("variable \"{secret}\"")).nth(1).unwrap();
        let block = block.split("\n}").next().unwrap();
        assert!(block.contains("ephemeral   = true") && block.contains("sensitive   = true"), "{secret}");
    }
    let all: String = files(&template(), ".tf").iter().map(|file| fs::read_to_string(file).unwrap()).collect();
    assert!(!all.contains("secret_string ") && !all.contains("module \"") && !all.contains("backend \""), "{all}");
    assert!(!all.contains("ingress"), "nobody asks a runner");
}
