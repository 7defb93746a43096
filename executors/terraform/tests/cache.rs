//! The cache of providers, with the real program. The provider is a stand-in: `init` unpacks it and does not run it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use executor_api::testing::{TestJob, TestJobBuilder, tool};
use executor_api::{ExecutorError, ExecutorRegistry, Input, Outcome};
use executor_terraform as _;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::task::{JoinSet, spawn_blocking};
use zip::write::SimpleFileOptions;

const STACK: &str = r#"
terraform {
  required_providers { random = { source = "hashicorp/random" } }
}
"#;
const PROVIDER: &str = "registry.terraform.io/hashicorp/random";

/// A folder that jobs share, and where they get the provider from if it has none: a packed mirror.
struct Place {
    folder: TempDir,
    platform: String,
}

impl Place {
    /// The provider is `/bin/sh`, which waits when it is told to. The files beside it have names whose order as paths
    /// is another than as texts.
    fn new() -> Option<Self> {
        tool("terraform")?;
        let arch = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let platform = format!("{}_{arch}", std::env::consts::OS);
        let place = Self { folder: tempfile::tempdir().unwrap(), platform };
        fs::create_dir_all(place.release().parent().unwrap()).unwrap();
        let mut release = zip::ZipWriter::new(fs::File::create(place.release()).unwrap());
        let options = SimpleFileOptions::default().unix_permissions(0o755);
        release.start_file("terraform-provider-random_v3.7.2", options).unwrap();
        release.write_all(&fs::read("/bin/sh").unwrap()).unwrap();
        for name in ["LICENSE.txt", "docs/index.md", "docs-of-old.md"] {
            release.start_file(name, SimpleFileOptions::default()).unwrap();
            release.write_all(name.as_bytes()).unwrap();
        }
        release.finish().unwrap();
        let mirror = place.path("mirror").display().to_string();
        let config = format!("provider_installation {{\n  filesystem_mirror {{\n    path = {mirror:?}\n  }}\n}}\n");
        fs::write(place.path("config"), config).unwrap();
        Some(place)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn release(&self) -> PathBuf {
        let name = format!("terraform-provider-random_3.7.2_{}.zip", self.platform);
        self.path("mirror").join(PROVIDER).join(name)
    }

    /// Below a folder of providers.
    fn program(&self, providers: &Path) -> PathBuf {
        providers.join(PROVIDER).join("3.7.2").join(&self.platform).join("terraform-provider-random_v3.7.2")
    }

    fn job(&self, files: &Value) -> TestJob {
        let mut all = json!({ "main.tf": STACK });
        all.as_object_mut().unwrap().extend(files.as_object().unwrap().clone());
        self.builder(&json!({ "files": all })).build().unwrap()
    }

    fn builder(&self, source: &Value) -> TestJobBuilder {
        let payload = json!({ "action": "output", "source": source,
                              "backend": { "type": "local", "path": self.path("state") } });
        TestJob::builder("terraform", &payload).settings(|settings| {
            settings.cache_dir = Some(self.path("cache"));
            settings.env.insert("TF_CLI_CONFIG_FILE".to_owned(), self.path("config").display().to_string());
        })
    }

    /// What is in the cache, by name.
    fn cached(&self) -> Vec<String> {
        let entries = fs::read_dir(self.path("cache/providers")).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

async fn run(job: &TestJob) -> Result<Outcome, ExecutorError> {
    let registry = ExecutorRegistry::from_linked().unwrap();
    registry.get("terraform").unwrap().executor().execute(&job.context).await
}

fn lock_file(job: &TestJob) -> Value {
    let name = ".terraform.lock.hcl";
    json!({ name: fs::read_to_string(job.context.work_dir().join(name)).unwrap() })
}

#[tokio::test(flavor = "multi_thread")]
async fn inits_go_on_while_another_job_runs_the_provider() {
    let Some(place) = Place::new() else { return };
    let first = place.job(&json!({}));
    run(&first).await.unwrap();
    let lock_file = lock_file(&first);

    let pipe = place.path("pipe");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let provider = place.program(&first.context.work_dir().join(".terraform/providers"));
    let waits = format!("read line < {}", pipe.display());
    let command = first.context.command(provider).args(["-c".to_owned(), waits]);
    let running = tokio::spawn(async move { first.context.run(command).await.map(|finished| (finished, first)) });
    // Opens when the provider does.
    let pipe = spawn_blocking(move || fs::OpenOptions::new().write(true).open(pipe)).await.unwrap().unwrap();

    for files in [json!({}), lock_file] {
        let job = place.job(&files);
        run(&job).await.unwrap_or_else(|error| panic!("{files}: {error}\n{}", job.log()));
    }
    drop(pipe);
    assert!(running.await.unwrap().unwrap().0.exit.code.is_some());
}

#[tokio::test]
async fn what_a_lock_file_names_comes_from_the_cache() {
    let Some(place) = Place::new() else { return };
    let first = place.job(&json!({}));
    run(&first).await.unwrap();
    assert!(first.log().contains("- Installing hashicorp/random v3.7.2"), "{}", first.log());
    fs::write(place.release(), "no archive").unwrap();

    let locked = place.job(&lock_file(&first));
    run(&locked).await.unwrap_or_else(|error| panic!("{error}\n{}", locked.log()));
    assert!(locked.log().contains("- Using previously-installed hashicorp/random v3.7.2"), "{}", locked.log());
    // Terraform trusts nobody about a provider that it does not know yet.
    run(&place.job(&json!({}))).await.unwrap_err();

    // Nor does it take another for it.
    let cached = place.program(&place.path("cache/providers"));
    fs::write(&cached, "something else").unwrap();
    run(&place.job(&lock_file(&first))).await.unwrap_err();
}

#[tokio::test]
async fn a_file_that_is_not_of_the_package_is_not_brought() {
    let Some(place) = Place::new() else { return };
    let first = place.job(&json!({}));
    run(&first).await.unwrap();
    // Terraform would start this one: its name comes first.
    let name = "terraform-provider-random";
    fs::copy("/bin/sh", place.program(&place.path("cache/providers")).with_file_name(name)).unwrap();

    let locked = place.job(&lock_file(&first));
    run(&locked).await.unwrap_or_else(|error| panic!("{error}\n{}", locked.log()));
    let provider = place.program(&locked.context.work_dir().join(".terraform/providers"));
    assert!(provider.exists() && !provider.with_file_name(name).exists(), "{}", locked.log());
    assert_eq!(lock_file(&locked), lock_file(&first), "it means what it meant");
}

#[tokio::test]
async fn a_package_that_a_stack_brings_is_its_own() {
    let Some(place) = Place::new() else { return };
    let stack = place.path("stack");
    let brought = stack.join("terraform.d/plugins").join(PROVIDER);
    fs::create_dir_all(&brought).unwrap();
    fs::write(stack.join("main.tf"), STACK).unwrap();
    fs::copy(place.release(), brought.join(place.release().file_name().unwrap())).unwrap();
    // Terraform looks into the stack where nothing else is said.
    fs::write(place.path("config"), "").unwrap();
    let archive = job_source::pack(&stack).unwrap();
    let id = hex::encode(Sha256::digest(&archive));
    let job = place.builder(&json!({ "archive": id })).input(Input::Source(id), archive).build().unwrap();
    run(&job).await.unwrap_or_else(|error| panic!("{error}\n{}", job.log()));
    let installed = place.program(&job.context.work_dir().join(".terraform/providers"));
    assert!(installed.exists(), "{}", job.log());
    assert!(!place.path("cache").exists(), "{}", job.log());
}

#[tokio::test]
async fn nothing_of_a_source_gets_into_the_cache() {
    let Some(place) = Place::new() else { return };
    let brought = place.program(Path::new(".terraform/providers"));
    let other = brought.to_str().unwrap().replace("3.7.2", "9.9.9");
    let job = place.job(&json!({ brought.to_str().unwrap(): "of the source", other: "of the source" }));
    run(&job).await.unwrap();
    let cached = place.path("cache/providers");
    assert_eq!(fs::read(place.program(&cached)).unwrap(), fs::read("/bin/sh").unwrap());
    assert!(!cached.join(PROVIDER).join("9.9.9").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_inits_at_once_fill_an_empty_cache() {
    let Some(place) = Place::new() else { return };
    let mut running = JoinSet::new();
    for _ in 0..8 {
        let job = place.job(&json!({}));
        running.spawn(async move { run(&job).await.map_err(|error| format!("{error}\n{}", job.log())) });
    }
    for ended in running.join_all().await {
        ended.unwrap_or_else(|error| panic!("{error}"));
    }
    assert!(place.program(&place.path("cache/providers")).exists());
    assert_eq!(place.cached(), ["registry.terraform.io"], "nothing unfinished is left");
}
