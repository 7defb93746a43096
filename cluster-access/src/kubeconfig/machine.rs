//! Exec plugins that ask the cloud who the machine is that they run on: a job is that only where the operator lets it.

use executor_api::{ExecutorError, JobContext};

use super::plugin_arguments::Login;
use super::written::{Exec, Kubeconfig, Variable};

/// Keeps the program of a kubeconfig from being who the runner's machine is. `pointer` is the kubeconfig's place in the
/// payload.
pub(crate) fn without_the_machine(
    job: &JobContext,
    mut kubeconfig: Kubeconfig,
    pointer: &str,
) -> Result<Kubeconfig, ExecutorError> {
    let Some(exec) = kubeconfig.user.exec.as_mut().filter(|_| !job.settings().cloud.ambient_identity) else {
        return Ok(kubeconfig);
    };
    let provider = job.credentials().map(|credentials| credentials.identity().provider.as_str());
    if let Some(what) = is_the_machine(exec, provider) {
        let error = format!(
            "{what} is who the runner's machine is, and this runner does not lend that to jobs; its operator allows it \
             with ALETHIA_AMBIENT_IDENTITY=true, or give a token, or submit the job with a cloud_identity_id and give \
             the cluster by its name in the cloud"
        );
        return Err(ExecutorError::invalid(pointer, error));
    }
    if exec.command.to_string_lossy().starts_with("aws") {
        // What it has besides comes from the kubeconfig, or from the job's own identity.
        exec.env.push(Variable { name: "AWS_EC2_METADATA_DISABLED".to_owned(), value: "true".to_owned() });
    }
    Ok(kubeconfig)
}

/// What of it would ask for the machine, and could not be kept from it.
fn is_the_machine(exec: &Exec, provider: Option<&str>) -> Option<&'static str> {
    match exec.command.to_str() {
        // Both ways end at the machine where there is nobody else to be.
        Some("gke-gcloud-auth-plugin") if provider != Some("gcp") => Some("gke-gcloud-auth-plugin without an identity"),
        Some("kubelogin") if exec.login == Some(Login::Msi) => Some("the login msi of kubelogin"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use executor_api::testing::TestJob;
    use serde_json::{Value, json};

    use super::*;

    fn kubeconfig(command: &str, args: &[&str], env: &Value) -> Kubeconfig {
        let exec = json!({ "command": command, "args": args, "env": env,
                           "apiVersion": "client.authentication.k8s.io/v1" });
        let document = json!({
            "contexts": [{ "name": "c", "context": { "cluster": "k", "user": "u" } }],
            "clusters": [{ "name": "k", "cluster": { "server": "https://10.0.0.1" } }],
            "users": [{ "name": "u", "user": { "exec": exec } }],
        });
        crate::kubeconfig::read(&document.to_string(), "").unwrap()
    }

    fn job(lends_itself: bool) -> TestJob {
        let settings = |settings: &mut executor_api::JobSettings| settings.cloud.ambient_identity = lends_itself;
        TestJob::builder("kubectl", &json!({})).settings(settings).build().unwrap()
    }

    #[test]
    fn a_plugin_is_not_the_machine_unless_the_operator_allows_it() {
        let msi = json!([{ "name": "AAD_LOGIN_METHOD", "value": "MSI" }]);
        for (command, args, env, is_refused) in [
            ("kubelogin", &["get-token", "--server-id=s", "--login=msi"][..], &Value::Null, true),
            ("kubelogin", &["get-token", "--server-id=s"], &msi, true),
            ("kubelogin", &["get-token", "--server-id=s", "--login=spn"], &Value::Null, false),
            ("gke-gcloud-auth-plugin", &[], &Value::Null, true),
            ("gke-gcloud-auth-plugin", &["--use_application_default_credentials"], &Value::Null, true),
            ("aws", &["eks", "get-token", "--cluster-name=c"], &Value::Null, false),
        ] {
            let ended = |job: &TestJob| {
                let kubeconfig = kubeconfig(command, args, env);
                without_the_machine(&job.context, kubeconfig, "/cluster/kubeconfig").map_err(|error| error.to_string())
            };
            let refused = ended(&job(false)).err().unwrap_or_default();
            let says = refused.starts_with("/cluster/kubeconfig: ") && refused.contains("ALETHIA_AMBIENT_IDENTITY");
            assert_eq!((says, refused.is_empty()), (is_refused, !is_refused), "{command} {args:?}: {refused}");
            assert!(ended(&job(true)).is_ok(), "{command} {args:?}");
        }
    }

    #[test]
    fn who_the_job_is_at_gcp_its_plugin_may_be() {
        let exec = kubeconfig("gke-gcloud-auth-plugin", &[], &Value::Null).user.exec.unwrap();
        assert_eq!(is_the_machine(&exec, Some("gcp")), None);
        assert!(is_the_machine(&exec, Some("aws")).is_some());
    }

    #[test]
    fn the_plugins_of_aws_do_not_ask_the_machine() {
        let off = json!([{ "name": "AWS_EC2_METADATA_DISABLED", "value": "true" }]);
        for (lends_itself, expected) in [(false, off), (true, json!(null))] {
            for (command, args) in [
                ("aws", &["eks", "get-token", "--cluster-name=c"][..]),
                ("aws-iam-authenticator", &["token", "--cluster-id=c"]),
            ] {
                let kubeconfig = kubeconfig(command, args, &Value::Null);
                let taken = without_the_machine(&job(lends_itself).context, kubeconfig, "").unwrap();
                assert_eq!(json!(taken.user)["exec"]["env"], expected, "{command}");
            }
        }
    }
}
