//! The payload of the `terraform` kind: what it may say, and what of it is refused.

use std::collections::BTreeMap;

use executor_api::{Environment, ExecutorError, Tool};
use job_source::Source;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::backend::Backend;
use crate::{TERRAFORM, TOFU};

/// The payload of the `terraform` kind.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TerraformParams {
    /// What to do.
    pub action: Action,
    /// The stack. May be missing where a plan is applied: the plan brings its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<Source>,
    /// Values of the stack's input variables.
    #[serde(default)]
    pub variables: Map<String, Value>,
    /// More of them, beside and over the others. Each text in them is hidden from the log and wherever the job is shown.
    /// A plan holds them, but for the ephemeral ones, which who applies it gives again.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    #[schemars(extend("writeOnly" = true))]
    pub secret_variables: Map<String, Value>,
    /// Where the state is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<Backend>,
    /// Which program; whichever the runner has if missing, terraform first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engine: Option<Engine>,
    /// The versions of the program that will do, for example `>=1.9, <2`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Plan the destruction of everything.
    #[serde(default)]
    pub destroy: bool,
    /// Only these resources and what they need, for example `module.network`.
    #[serde(default)]
    #[schemars(length(max = 100))]
    pub targets: Vec<String>,
    /// How many resources are worked on at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 256))]
    pub parallelism: Option<u16>,
    /// How long to wait for a lock that another holds, for example `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"^[0-9]{1,5}(s|m|h)$"))]
    pub lock_timeout: Option<String>,
    /// More environment for the program, for example what a provider reads. For secrets there is `secret_env`.
    #[serde(default)]
    pub env: BTreeMap<String, String>,
    /// More of it, beside and over the other, for example a provider's token. Each value is hidden from the log and
    /// wherever the job is shown. No plan holds them: who applies it gives them, too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("writeOnly" = true))]
    pub secret_env: BTreeMap<String, String>,
}

/// What to do with a stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Say what would change, and keep that plan.
    Plan,
    /// Change it: exactly a plan of before (`plan_job_id`), or what a plan made now says.
    Apply,
    /// Take everything away.
    Destroy,
    /// Check the stack without looking at the world.
    Validate,
    /// Read the outputs.
    Output,
    /// Say what has changed in the world since the last apply.
    Drift,
}

/// Which program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Engine {
    /// HashiCorp Terraform.
    Terraform,
    /// OpenTofu.
    Tofu,
}

impl Engine {
    /// The name of the program.
    #[must_use]
    pub fn program(self) -> &'static str {
        self.tool().name
    }

    /// The program, with the versions that work.
    pub(crate) fn tool(self) -> Tool {
        match self {
            Self::Terraform => TERRAFORM,
            Self::Tofu => TOFU,
        }
    }
}

impl TerraformParams {
    /// Checks what the schema cannot say.
    ///
    /// # Errors
    /// [`ExecutorError::InvalidInput`] with the place of what is wrong.
    pub fn check(&self) -> Result<(), ExecutorError> {
        if let Some(source) = &self.source {
            source.check("/source")?;
        }
        if let Some(backend) = &self.backend {
            backend.check()?;
        }
        for (at, target) in self.targets.iter().enumerate() {
            check_target(target).map_err(|why| ExecutorError::invalid(&format!("/targets/{at}"), why))?;
        }
        if self.parallelism.is_some_and(|n| n == 0 || n > 256) {
            return Err(ExecutorError::invalid("/parallelism", "give a number from 1 to 256"));
        }
        if self.lock_timeout.as_ref().is_some_and(|text| !is_duration(text)) {
            return Err(ExecutorError::invalid("/lock_timeout", "give a number and a unit, for example 30s or 5m"));
        }
        self.check_version()?;
        check_env(&self.env, "/env")?;
        check_env(&self.secret_env, "/secret_env")
    }

    /// All environment for the program.
    pub(crate) fn environment(&self) -> Environment {
        self.env.iter().chain(&self.secret_env).collect()
    }

    /// The values of all input variables.
    pub(crate) fn all_variables(&self) -> Map<String, Value> {
        let mut all = self.variables.clone();
        all.extend(self.secret_variables.clone());
        all
    }

    fn check_version(&self) -> Result<(), ExecutorError> {
        let wrong = |error| ExecutorError::invalid("/version", format!("{error}; give for example `>=1.9, <2`"));
        self.version.as_deref().map(semver::VersionReq::parse).transpose().map(drop).map_err(wrong)
    }
}

fn is_duration(text: &str) -> bool {
    let number = text.strip_suffix(['s', 'm', 'h']);
    number.is_some_and(|digits| (1..=5).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// An address of a resource or a module; never an option, because it is passed behind `-target=`.
fn check_target(target: &str) -> Result<(), String> {
    let fits = (1..=512).contains(&target.len())
        && !target.starts_with('-')
        && !target.chars().any(|c| c.is_control() || c == '\\')
        && target.contains('.');
    if fits { Ok(()) } else { Err("give an address, for example `module.network` or `aws_vpc.main[0]`".to_owned()) }
}

const MOST_VARIABLES: usize = 200;
const MOST_VALUE_BYTES: usize = 128 * 1024;

/// Variables that would change which code runs, where it talks to, or what it prints.
const REFUSED: [&str; 12] = [
    "PATH",
    "HOME",
    "TMPDIR",
    "BASH_ENV",
    "ENV",
    "SHELLOPTS",
    "TF_REATTACH_PROVIDERS",
    "TF_DATA_DIR",
    "TF_WORKSPACE",
    "TF_IN_AUTOMATION",
    "TF_INPUT",
    // The old name of TF_CLI_CONFIG_FILE.
    "TERRAFORM_CONFIG",
];
/// Those of XDG are folders where terraform looks for providers, and tofu for its settings.
const REFUSED_PREFIXES: [&str; 8] = ["LD_", "TF_CLI_", "TF_LOG", "TF_HTTP_", "TF_PLUGIN_", "XDG_", "GIT_", "SSL_CERT_"];

fn check_env(env: &BTreeMap<String, String>, place: &str) -> Result<(), ExecutorError> {
    if env.len() > MOST_VARIABLES {
        return Err(ExecutorError::invalid(place, format!("give at most {MOST_VARIABLES} variables")));
    }
    for (name, value) in env {
        let refuse = |why: &str| Err(ExecutorError::invalid(&format!("{place}/{}", name.escape_debug()), why));
        let is_name = !name.is_empty()
            && name.len() <= 256
            && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
            && !name.as_bytes()[0].is_ascii_digit();
        if !is_name {
            return refuse("a variable's name has letters, digits and '_'");
        }
        let upper = name.to_ascii_uppercase();
        let changes_the_program = REFUSED.contains(&upper.as_str())
            || REFUSED_PREFIXES.iter().any(|prefix| upper.starts_with(prefix))
            || upper.ends_with("_PROXY");
        if changes_the_program {
            return refuse("this variable is the runner operator's to set, not the job's; leave it out");
        }
        if value.len() > MOST_VALUE_BYTES || value.contains('\0') {
            return refuse("a value has at most 128 KiB and no NUL byte");
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refusal(change: &Value) -> String {
        let mut payload = json!({ "action": "plan" });
        payload.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let params: TerraformParams = serde_json::from_value(payload).unwrap();
        params.check().err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn variables_that_change_the_program_are_refused_by_name() {
        for name in [
            "LD_PRELOAD",
            "LD_LIBRARY_PATH",
            "BASH_ENV",
            "PATH",
            "TF_CLI_ARGS_apply",
            "TF_CLI_CONFIG_FILE",
            "TERRAFORM_CONFIG",
            "TF_REATTACH_PROVIDERS",
            "TF_LOG",
            "TF_HTTP_PASSWORD",
            "XDG_DATA_HOME",
            "GIT_SSH_COMMAND",
            "GIT_CONFIG_COUNT",
            "HTTPS_PROXY",
            "https_proxy",
            "SSL_CERT_FILE",
            "A=B",
            "A\nB",
            "",
            "1A",
            "A\0",
        ] {
            for place in ["env", "secret_env"] {
                let text = refusal(&json!({ place: { name: "x" } }));
                assert!(text.starts_with(&format!("/{place}/")), "{name:?}: {text:?}");
            }
        }
        assert_eq!(refusal(&json!({ "env": { "TF_VAR_name": "x", "AWS_REGION": "eu-north-1" } })), "");
        assert!(refusal(&json!({ "env": { "A": "x\0" } })).starts_with("/env/A"));
    }

    #[test]
    fn targets_and_numbers_are_never_options() {
        for target in ["-lock=false", "--help", "", "a", "a.b\nc", "a.\0"] {
            assert!(refusal(&json!({ "targets": [target] })).starts_with("/targets/0"), "{target:?}");
        }
        assert_eq!(refusal(&json!({ "targets": ["module.x[\"a b\"].aws_vpc.main[0]"] })), "");
        for timeout in ["-1s", "5", "5 m", "s", "999999s"] {
            assert!(refusal(&json!({ "lock_timeout": timeout })).starts_with("/lock_timeout"), "{timeout:?}");
        }
        assert!(refusal(&json!({ "parallelism": 0 })).starts_with("/parallelism"));
        assert!(refusal(&json!({ "version": "latest" })).starts_with("/version"));
    }
}
