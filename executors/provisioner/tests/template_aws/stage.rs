//! A copy of the template and the terraform that works on it.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use executor_api::testing::{aws_provider, missing, variable};
use serde_json::Value;
use tempfile::TempDir;

use crate::moto::Account;

/// What moto does not do, and where it is.
pub(crate) const FOR_MOTO: &str = include_str!("moto_override.tf");

/// Where it is, and nothing else: for a plan of what moto could not make.
pub(crate) const WHERE_MOTO_IS: &str = include_str!("moto_endpoint_override.tf");

pub(crate) struct Stage {
    terraform: PathBuf,
    env: Vec<(String, String)>,
    folder: TempDir,
}

impl Stage {
    /// Ready to plan. None if something is missing here.
    pub(crate) fn new(account: &Account, overrides: &str) -> Option<Self> {
        let terraform = terraform()?;
        let mirror = aws_provider()?;
        let folder = tempfile::tempdir().unwrap();
        for file in template_files() {
            std::fs::copy(&file, folder.path().join(file.file_name().unwrap())).unwrap();
        }
        std::fs::write(folder.path().join("moto_override.tf"), overrides).unwrap();
        let config = folder.path().join("terraformrc");
        let installation =
            format!("provider_installation {{ filesystem_mirror {{ path = \"{}\" }} }}\n", mirror.display());
        std::fs::write(&config, installation).unwrap();
        let here = folder.path().display().to_string();
        let env = [
            ("AWS_ENDPOINT_URL", account.url.as_str()),
            ("AWS_ACCESS_KEY_ID", &account.key),
            ("AWS_SECRET_ACCESS_KEY", "not-checked"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("CHECKPOINT_DISABLE", "1"),
            ("HOME", &here),
            ("PATH", &variable("PATH").unwrap_or_default()),
            ("TF_CLI_CONFIG_FILE", &config.display().to_string()),
        ];
        let env = env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        let stage = Self { terraform, env, folder };
        stage.run(&["init", "-input=false"]);
        Some(stage)
    }

    /// What a plan would change, by address.
    pub(crate) fn plan(&self, wishes: &Value, args: &[&str]) -> Plan {
        self.wish(wishes);
        self.run(&[&["plan", "-input=false", "-parallelism=40", "-out=plan"], args].concat());
        Plan(serde_json::from_str(&self.run(&["show", "-json", "plan"])).unwrap())
    }

    /// What terraform says against wishes.
    pub(crate) fn refusal(&self, wishes: &Value) -> String {
        self.wish(wishes);
        let output = self.output(&["plan", "-input=false"]);
        assert!(!output.status.success(), "it was planned");
        // Lines are broken and framed.
        let said = String::from_utf8_lossy(&output.stderr).replace(['│', '╷', '╵'], " ");
        said.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What terraform says while it applies.
    pub(crate) fn apply(&self, wishes: &Value) -> String {
        self.wish(wishes);
        self.run(&["apply", "-input=false", "-auto-approve", "-parallelism=40"])
    }

    /// The state with all that is secret in it.
    pub(crate) fn state(&self) -> String {
        self.run(&["state", "pull"])
    }

    /// Leaves a resource to itself.
    pub(crate) fn forget(&self, address: &str) {
        self.run(&["state", "rm", address]);
    }

    pub(crate) fn destroy(&self) {
        self.run(&["destroy", "-input=false", "-auto-approve", "-parallelism=40"]);
    }

    pub(crate) fn outputs(&self) -> Value {
        serde_json::from_str(&self.run(&["output", "-json"])).unwrap()
    }

    /// What the state knows of, but for what was only looked up.
    pub(crate) fn made(&self) -> Vec<String> {
        let listed = self.run(&["state", "list"]);
        listed.lines().filter(|address| !address.starts_with("data.")).map(str::to_owned).collect()
    }

    fn wish(&self, wishes: &Value) {
        std::fs::write(self.folder.path().join("terraform.tfvars.json"), wishes.to_string()).unwrap();
    }

    #[track_caller]
    fn run(&self, args: &[&str]) -> String {
        let output = self.output(args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "terraform {args:?}: {stderr}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn output(&self, args: &[&str]) -> Output {
        let mut command = command(&self.terraform);
        // Of what is asked of the state it is a stranger.
        let color = if args[0] == "state" { &[][..] } else { &["-no-color"] };
        command.arg(args[0]).args(color).args(&args[1..]).current_dir(self.folder.path()).env_clear();
        command.envs(self.env.iter().map(|(name, value)| (name, value))).output().unwrap()
    }
}

/// A plan as JSON.
pub(crate) struct Plan(pub(crate) Value);

impl Plan {
    /// The address and the actions of all that changes, with what the actions are in words: `create`, `delete,create`.
    pub(crate) fn changes(&self) -> Vec<(String, String)> {
        let changes = self.0["resource_changes"].as_array().cloned().unwrap_or_default();
        let change = |resource: &Value| {
            let actions = resource["change"]["actions"].as_array().unwrap();
            let actions = actions.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(",");
            (resource["address"].as_str().unwrap().to_owned(), actions)
        };
        changes.iter().map(change).filter(|(_, actions)| actions != "no-op" && actions != "read").collect()
    }

    /// The values of what will be at an address.
    pub(crate) fn after(&self, address: &str) -> &Value {
        let changes = self.0["resource_changes"].as_array().expect("something changes");
        let found = changes.iter().find(|change| change["address"] == address);
        &found.unwrap_or_else(|| panic!("{address} is not planned"))["change"]["after"]
    }
}

pub(crate) fn template() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/environment/aws")
}

pub(crate) fn template_files() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(template()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|ending| ending == "tf")).collect()
}

pub(crate) fn terraform() -> Option<PathBuf> {
    let path = variable("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path).map(|folder| folder.join("terraform")).find(|file| file.is_file());
    if found.is_none() {
        missing("no terraform on the PATH");
    }
    found
}

#[expect(clippy::disallowed_methods, reason = "a test starts terraform as a person would")]
pub(crate) fn command(program: &Path) -> Command {
    Command::new(program)
}
