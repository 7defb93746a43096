//! What of a kubeconfig is taken, and what is refused.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use executor_api::ExecutorError;
use url::Url;

use super::current::{current, named};
use super::document::{ClusterEntry, ContextEntry, Document};
use super::user::check_user;
use super::written::Kubeconfig;

/// Checks the text of a kubeconfig and takes its current context out. `pointer` is the place of the text in the
/// payload; what is wrong inside is named by a place behind it.
pub(crate) fn read(text: &str, pointer: &str) -> Result<Kubeconfig, ExecutorError> {
    let document = Document::read(text, pointer)?;
    let (at, context) = current(&document, pointer)?;
    let clusters = document.clusters.iter().flatten().map(|one| (one.name.as_str(), &one.cluster));
    let (cluster_at, cluster) = named(clusters, context.cluster.as_deref(), "cluster", &at, pointer)?;
    let users = document.users.iter().flatten().map(|one| (one.name.as_str(), &one.user));
    let (user_at, user) = named(users, context.user.as_deref(), "user", &at, pointer)?;
    let kubeconfig = check_cluster(cluster, &cluster_at)?;
    let namespace = check_namespace(context, &at)?;
    Ok(Kubeconfig { namespace, user: check_user(user, &user_at)?, ..kubeconfig })
}

fn check_cluster(entry: &ClusterEntry, at: &str) -> Result<Kubeconfig, ExecutorError> {
    let refuse = |field: &str, why: &str| Err(ExecutorError::invalid(&format!("{at}/{field}"), why));
    if entry.insecure_skip_tls_verify == Some(true) {
        return refuse(
            "insecure-skip-tls-verify",
            "the server would not be checked; give its certificate authority in certificate-authority-data",
        );
    }
    if given(entry.proxy_url.as_ref()).is_some() {
        return refuse("proxy-url", "a proxy is the runner operator's to set (HTTPS_PROXY); leave it out");
    }
    if given(entry.certificate_authority.as_ref()).is_some() {
        return refuse("certificate-authority", OF_A_FILE);
    }
    let tls_server_name = given(entry.tls_server_name.as_ref());
    if tls_server_name.is_some_and(|name| !is_host(name)) {
        return refuse("tls-server-name", "give the name of a host");
    }
    Ok(Kubeconfig {
        server: check_server(entry.server.as_deref().unwrap_or_default(), &format!("{at}/server"))?,
        certificate_authority_data: pem(entry.certificate_authority_data.as_ref(), at, "certificate-authority-data")?,
        tls_server_name: tls_server_name.map(str::to_owned),
        disable_compression: entry.disable_compression == Some(true),
        ..Kubeconfig::default()
    })
}

pub(super) const OF_A_FILE: &str = "a file of another machine cannot be read here; put its content in base64 into the field of the \
                         same name with `-data`, as `kubectl config view --raw --flatten` does";

/// Not even for loopback is `http` taken: whoever listens there would get the credentials.
fn check_server(server: &str, at: &str) -> Result<String, ExecutorError> {
    let wrong = |why: &str| ExecutorError::invalid(at, why);
    let odd = |c: char| c.is_control() || c.is_whitespace() || c == '\\';
    let url = Url::parse(server).ok().filter(|_| server.len() <= 2048 && !server.contains(odd));
    let url = url.ok_or_else(|| wrong("give the address of the API server, for example https://10.0.0.1:6443"))?;
    if url.scheme() != "https" || url.host_str().is_none_or(str::is_empty) {
        return Err(wrong("the address of the API server begins with https://"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("an address holds no user; put the credentials into the user"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("the address of an API server has no `?` and no `#`"));
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

fn check_namespace(context: &ContextEntry, at: &str) -> Result<Option<String>, ExecutorError> {
    let namespace = given(context.namespace.as_ref());
    match namespace {
        Some(name) if !is_host(name) || name.contains('.') || name.len() > 63 => {
            Err(ExecutorError::invalid(&format!("{at}/namespace"), "this is no name of a namespace"))
        }
        namespace => Ok(namespace.map(str::to_owned)),
    }
}

/// PEM in base64, in one line.
pub(super) fn pem(data: Option<&String>, at: &str, field: &str) -> Result<Option<String>, ExecutorError> {
    let Some(data) = given(data) else { return Ok(None) };
    let joined: String = data.split_whitespace().collect();
    match STANDARD.decode(&joined) {
        Ok(bytes) if bytes.windows(11).any(|part| part == b"-----BEGIN ") => Ok(Some(joined)),
        Ok(_) => Err(ExecutorError::invalid(&format!("{at}/{field}"), "decoded from base64 this is not PEM")),
        Err(_) => Err(ExecutorError::invalid(&format!("{at}/{field}"), "this is not base64; give PEM in base64")),
    }
}

/// An empty field says nothing.
pub(super) fn given(text: Option<&String>) -> Option<&str> {
    text.map(String::as_str).filter(|text| !text.is_empty())
}

fn is_host(name: &str) -> bool {
    let inside = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'.';
    (1..=253).contains(&name.len()) && name.bytes().all(inside) && !name.starts_with(['-', '.']) && !name.ends_with('-')
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const HIDDEN: &str = "do-not-quote-me";

    fn document() -> Value {
        json!({
            "apiVersion": "v1", "kind": "Config", "preferences": {}, "current-context": "c",
            "contexts": [{ "name": "c", "context": { "cluster": "k", "user": "u", "namespace": "team" } }],
            "clusters": [{ "name": "k", "cluster": { "server": "https://10.0.0.1:6443/" } }],
            "users": [{ "name": "u", "user": { "token": HIDDEN } }],
        })
    }

    fn changed(change: impl FnOnce(&mut Value)) -> String {
        let mut document = document();
        change(&mut document);
        document.to_string()
    }

    fn refusal(text: &str) -> String {
        let refused = read(text, "/cluster/kubeconfig").err().map(|error| error.to_string()).unwrap_or_default();
        assert!(!refused.contains(HIDDEN), "{refused}");
        refused
    }

    #[test]
    fn what_is_good_is_taken_and_made_anew() {
        let text = changed(|it| {
            it["users"][0]["user"]["made-up"] = json!(1);
            it["clusters"][0]["cluster"]["extensions"] = json!([{ "name": "minikube" }]);
            it["clusters"].as_array_mut().unwrap().push(json!({ "name": "other", "cluster": { "server": "" } }));
        });
        let kubeconfig = read(&text, "").unwrap();
        assert_eq!(kubeconfig.server, "https://10.0.0.1:6443");
        assert_eq!(kubeconfig.namespace.as_deref(), Some("team"));
        assert_eq!(json!(kubeconfig.user), json!({ "token": HIDDEN }));
        let yaml = "contexts: [{name: c, context: {cluster: k, user: u}}]\nclusters:\n- name: k\n  cluster: {server: 'https://a.example/k8s'}\nusers:\n- &u\n  name: u\n  user: {username: me, password: 'x y'}\n";
        assert_eq!(read(yaml, "").unwrap().server, "https://a.example/k8s");
    }

    #[test]
    fn what_reaches_out_of_the_job_is_refused_at_its_place() {
        let at_user = |field: &str, value: Value| changed(|it| it["users"][0]["user"] = json!({ field: value }));
        let at_cluster = |field: &str, value: Value| changed(|it| it["clusters"][0]["cluster"][field] = value);
        let exec =
            json!({ "command": "/bin/sh", "args": ["-c", "id"], "apiVersion": "client.authentication.k8s.io/v1" });
        let cases = [
            (at_user("exec", exec), "/users/0/user/exec/command: this program is not on the list: aws, "),
            (at_user("auth-provider", json!({ "name": "oidc" })), "/users/0/user/auth-provider: "),
            (at_user("tokenFile", json!("/etc/passwd")), "/users/0/user/tokenFile: "),
            (at_user("client-certificate", json!("/etc/passwd")), "/users/0/user/client-certificate: "),
            (at_user("client-key", json!("../key")), "/users/0/user/client-key: "),
            (at_cluster("certificate-authority", json!("ca.crt")), "/clusters/0/cluster/certificate-authority: "),
            (at_cluster("proxy-url", json!("http://127.0.0.1")), "/clusters/0/cluster/proxy-url: "),
            (at_cluster("insecure-skip-tls-verify", json!(true)), "/clusters/0/cluster/insecure-skip-tls-verify: "),
        ];
        for (text, place) in cases {
            let refused = refusal(&text);
            assert!(refused.starts_with(&format!("/cluster/kubeconfig{place}")), "{refused}");
        }
        assert_eq!(refusal(&at_cluster("insecure-skip-tls-verify", json!(false))), "");
    }

    #[test]
    fn only_https_to_a_host_and_nothing_else_is_a_server() {
        for server in [
            "",
            "10.0.0.1:6443",
            "http://127.0.0.1:8080",
            "http://localhost",
            "https://",
            "https://me@good.example",
            "https://me:word@good.example",
            "https://good.example?x=1",
            "https://good.example/#x",
            "unix:///run/x",
            "https://good.example\\@evil.example",
            "https://good.example\n.evil.example",
            "--server=x",
            "file:///etc",
        ] {
            let refused = refusal(&changed(|it| it["clusters"][0]["cluster"]["server"] = json!(server)));
            assert!(refused.starts_with("/cluster/kubeconfig/clusters/0/cluster/server: "), "{server:?}: {refused}");
        }
    }

    #[test]
    fn one_context_with_one_cluster_and_one_user_counts() {
        let again = |list: &str| {
            changed(|it| {
                let first = it[list][0].clone();
                it[list].as_array_mut().unwrap().push(first);
            })
        };
        let cases = [
            (changed(|it| it["current-context"] = json!("d")), "/current-context: "),
            (changed(|it| it["contexts"] = json!([])), "/current-context: "),
            (
                changed(|it| {
                    it["contexts"] = json!([]);
                    it["current-context"] = json!("");
                }),
                "/contexts: ",
            ),
            (changed(|it| it["contexts"][0]["context"]["user"] = json!("x")), "/contexts/0/context/user: "),
            (changed(|it| it["contexts"][0]["context"]["cluster"] = json!("")), "/contexts/0/context/cluster: "),
            (changed(|it| it["contexts"][0]["context"]["namespace"] = json!("-n")), "/contexts/0/context/namespace: "),
            (again("contexts"), "/contexts/1/name: "),
            (again("clusters"), "/clusters/1/name: "),
            (again("users"), "/users/1/name: "),
            (changed(|it| it["kind"] = json!("Secret")), "/kind: "),
            (changed(|it| it["users"] = json!({ "token": HIDDEN })), "/users: "),
            (changed(|it| it["users"][0]["user"]["token"] = json!([HIDDEN])), "/users/0/user/token: "),
        ];
        for (text, place) in cases {
            let refused = refusal(&text);
            assert!(refused.starts_with(&format!("/cluster/kubeconfig{place}")), "{place}: {refused}");
        }
        let mut two: Value = serde_json::from_str(&again("contexts")).unwrap();
        two.as_object_mut().unwrap().remove("current-context");
        assert!(refusal(&two.to_string()).contains("there are several contexts"));
    }

    #[test]
    fn credentials_are_whole_and_of_one_kind() {
        let key = STANDARD.encode("-----BEGIN KEY-----\nx");
        for user in [
            json!({}),
            json!({ "token": "" }),
            json!({ "token": "a\nb" }),
            json!({ "token": "a", "username": "b", "password": "c" }),
            json!({ "username": "b" }),
            json!({ "client-key-data": key }),
            json!({ "client-certificate-data": key }),
            json!({ "client-certificate-data": key, "client-key-data": "no base64!" }),
            json!({ "client-certificate-data": key, "client-key-data": STANDARD.encode("no key") }),
        ] {
            let refused = refusal(&changed(|it| it["users"][0]["user"] = user.clone()));
            assert!(refused.starts_with("/cluster/kubeconfig/users/0/user"), "{user}: {refused}");
        }
        let pair = json!({ "client-certificate-data": key, "client-key-data": format!("{key}\n"), "as": "somebody" });
        assert_eq!(refusal(&changed(|it| it["users"][0]["user"] = pair)), "");
    }

    #[test]
    fn what_is_no_kubeconfig_is_refused_without_being_quoted() {
        let bomb =
            format!("a: &a [{HIDDEN}]\n{}", (0..60).fold(String::new(), |text, _| text + "b: &a [*a, *a, *a, *a]\n"));
        for text in ["", "[]", HIDDEN, "--kubeconfig=/x", "a: [", "\0", "a: b\n---\na: b\n", "a: 1\na: 2", &bomb] {
            assert!(refusal(text).starts_with("/cluster/kubeconfig"), "{text:?}");
        }
        assert!(refusal(&"a".repeat(MOST)).contains("at most 1 MiB"));
        assert!(refusal(&"[".repeat(100_000)).starts_with("/cluster/kubeconfig: this is neither"));
    }

    const MOST: usize = 1024 * 1024 + 1;
}
