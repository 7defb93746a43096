//! The cluster that the runner itself runs in.

use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use executor_api::{ExecutorError, JobContext};

use crate::kubeconfig::{Kubeconfig, User};

/// Where Kubernetes puts the service account of a pod.
pub(crate) const SERVICE_ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// The name that every cluster has for its own API server.
const BY_NAME: &str = "kubernetes.default.svc";

/// The way to it as the service account whose token lies in `pod`. The token is named as a file, so that tools read it
/// again when the kubelet replaces it.
pub(crate) fn kubeconfig(job: &JobContext, pod: &Path, pointer: &str) -> Result<Kubeconfig, ExecutorError> {
    if !job.settings().cloud.ambient_identity {
        let error = "this runner does not lend its own service account to jobs; its operator allows it with \
                     ALETHIA_AMBIENT_IDENTITY=true, or give a kubeconfig";
        return Err(ExecutorError::invalid(pointer, error));
    }
    let read = |name: &str| fs::read_to_string(pod.join(name));
    let (Ok(token), Ok(authority)) = (read("token"), read("ca.crt")) else {
        let error = format!(
            "this runner does not run in a cluster: there is no service account in {}; give a kubeconfig",
            pod.display()
        );
        return Err(ExecutorError::invalid(pointer, error));
    };
    job.mask(token.trim());
    let user = User { token_file: Some(pod.join("token")), ..User::default() };
    Ok(Kubeconfig {
        server: server(job),
        certificate_authority_data: Some(STANDARD.encode(authority)),
        namespace: read("namespace").ok().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()),
        user,
        ..Kubeconfig::default()
    })
}

/// As the pod was told, where that reaches us; else by name.
fn server(job: &JobContext) -> String {
    let variable = |name: &str| job.settings().env.get(name).filter(|value| !value.is_empty());
    match (variable("KUBERNETES_SERVICE_HOST"), variable("KUBERNETES_SERVICE_PORT")) {
        (Some(host), Some(port)) if host.contains(':') => format!("https://[{host}]:{port}"),
        (Some(host), Some(port)) => format!("https://{host}:{port}"),
        _ => format!("https://{BY_NAME}"),
    }
}

#[cfg(test)]
mod tests {
    use executor_api::testing::TestJob;
    use serde_json::{Value, json};

    use super::*;
    use crate::Cluster;

    fn pod(token: &str) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("token"), format!("{token}\n")).unwrap();
        fs::write(folder.path().join("ca.crt"), "-----BEGIN CERTIFICATE-----").unwrap();
        fs::write(folder.path().join("namespace"), "runners").unwrap();
        folder
    }

    fn job(lends_itself: bool, env: &[(&str, &str)]) -> TestJob {
        let env: Vec<_> = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let settings = |settings: &mut executor_api::JobSettings| {
            settings.cloud.ambient_identity = lends_itself;
            settings.env.extend(env);
        };
        TestJob::builder("kubectl", &json!({})).settings(settings).build().unwrap()
    }

    #[tokio::test]
    async fn the_token_is_named_and_not_copied() {
        let pod = pod("a-token-of-the-pod");
        let env = [("KUBERNETES_SERVICE_HOST", "fd00::1"), ("KUBERNETES_SERVICE_PORT", "443")];
        let job = job(true, &env);
        let kubeconfig = Cluster::InCluster {}.kubeconfig(&job.context, "/cluster", pod.path()).await.unwrap();
        let access = kubeconfig.write(&job.context).unwrap();
        assert_eq!(access.server(), "https://[fd00::1]:443");
        assert_eq!(access.namespace(), Some("runners"));
        let text = fs::read_to_string(access.kubeconfig()).unwrap();
        assert!(!text.contains("a-token-of-the-pod"));
        let written: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(written["users"][0]["user"], json!({ "tokenFile": pod.path().join("token") }));
        assert_eq!(job.context.log().masked("say a-token-of-the-pod"), "say ***");
        let pointed = access.point(job.context.command("/bin/kubectl"));
        assert!(pointed.env.get("KUBERNETES_SERVICE_HOST").is_none(), "a tool cannot find the pod's cluster by itself");
    }

    #[tokio::test]
    async fn without_the_variables_the_server_has_its_name() {
        let pod = pod("a-token-of-the-pod");
        let kubeconfig =
            Cluster::InCluster {}.kubeconfig(&job(true, &[]).context, "/cluster", pod.path()).await.unwrap();
        assert_eq!(kubeconfig.server, "https://kubernetes.default.svc");
    }

    #[tokio::test]
    async fn it_is_refused_elsewhere_and_where_the_operator_does_not_allow_it() {
        let refusal = async |job: TestJob, pod: &Path| {
            let refused = Cluster::InCluster {}.kubeconfig(&job.context, "/cluster", pod).await.err().unwrap();
            refused.to_string()
        };
        let pod = pod("a-token-of-the-pod");
        let text = refusal(job(false, &[]), pod.path()).await;
        assert!(text.starts_with("/cluster/in_cluster: ") && text.contains("ALETHIA_AMBIENT_IDENTITY"), "{text}");
        let text = refusal(job(true, &[]), Path::new("/nowhere")).await;
        assert!(text.starts_with("/cluster/in_cluster: this runner does not run in a cluster"), "{text}");
    }

    #[tokio::test]
    async fn a_real_server_knows_the_service_account() {
        let Some(file) = executor_api::testing::kubeconfig() else { return };
        let admin: Value = serde_saphyr::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let cluster = &admin["clusters"][0]["cluster"];
        let (host, port) = cluster["server"].as_str().unwrap().trim_start_matches("https://").split_once(':').unwrap();
        let job = job(true, &[("KUBERNETES_SERVICE_HOST", host), ("KUBERNETES_SERVICE_PORT", port)]);
        let kubectl = || job.context.command(job.context.tool("kubectl").unwrap());
        let create = kubectl().env("KUBECONFIG", file).args(["create", "token", "default", "--namespace=default"]);
        let token = job.context.capture(create).await.unwrap();
        let pod = pod(String::from_utf8(token.stdout).unwrap().trim());
        let authority = cluster["certificate-authority-data"].as_str().unwrap();
        fs::write(pod.path().join("ca.crt"), STANDARD.decode(authority).unwrap()).unwrap();

        let way = Cluster::InCluster {}.kubeconfig(&job.context, "/cluster", pod.path()).await.unwrap();
        let access = way.write(&job.context).unwrap();
        let who = access.point(kubectl()).arg(access.flag()).args(["auth", "whoami", "-o", "json"]);
        let who = job.context.capture(who).await.unwrap();
        let answer: Value = serde_json::from_slice(&who.stdout).unwrap_or_else(|_| panic!("{}", who.stderr_tail));
        assert_eq!(answer["status"]["userInfo"]["username"], "system:serviceaccount:default:default");
    }
}
