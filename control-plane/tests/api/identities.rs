//! Who jobs are at clouds: whose identities they may use, and who vouches for them.

use std::path::Path;

use executor_api::testing::tool;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::plane::{Plane, SOON};

const GUID: &str = "72f988bf-86f1-41af-91ab-2d7cd011db47";
const ROLE: &str = "arn:aws:iam::123456789012:role/AlethiaProvisionerRole";

impl Plane {
    async fn call(&self, token: &str, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let answer = self.user_with(token, method, path).json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    /// An AWS identity of the token's organisation, connected.
    async fn identity(&self, token: &str) -> String {
        let (status, made) = self.call(token, Method::POST, "/api/cli/providers/aws/init", &json!({})).await;
        assert_eq!(status, StatusCode::OK);
        let id = made["identity_id"].as_str().unwrap();
        let body = json!({ "identity_id": id, "credentials": { "role_arn": ROLE } });
        let (status, answer) = self.call(token, Method::POST, "/api/cli/providers/aws/connect", &body).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        id.to_owned()
    }

    /// The token of a new user.
    pub(crate) async fn add_user(&self, name: &str, org: &str) -> String {
        let body = json!({ "name": name, "org": org });
        let (status, added) = self.call(&self.admin, Method::POST, "/api/users", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{added}");
        added["token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn an_identity_is_connected_tested_and_verified() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let admin = plane.admin.clone();
    let (_, made) = plane.call(&admin, Method::POST, "/api/cli/providers/aws/init", &json!({ "label": "prod" })).await;
    let (id, external) = (made["identity_id"].clone(), made["external_id"].clone());
    assert!(external.as_str().is_some_and(|id| id.len() == 36), "{made}");
    let unconnected = json!({ "job_type": "read", "config_snapshot": {}, "cloud_identity_id": id });
    let (status, refused) = plane.call(&admin, Method::POST, "/api/jobs", &unconnected).await;
    assert_eq!((status, &refused["pointer"]), (StatusCode::BAD_REQUEST, &json!("/cloud_identity_id")));

    // A caller cannot choose what the role's trust asks for.
    let body = json!({ "identity_id": id, "credentials": { "role_arn": ROLE, "external_id": "mine" } });
    let (status, connected) = plane.call(&admin, Method::POST, "/api/cli/providers/aws/connect", &body).await;
    assert_eq!(status, StatusCode::OK, "{connected}");
    let verify = json!({ "identity_id": id });
    let early = plane.call(&admin, Method::POST, "/api/cli/providers/aws/verify", &verify).await;
    assert_eq!(early.0, StatusCode::CONFLICT, "{}", early.1);

    let claim = runner.claim(json!({ "request_id": wire::JobId::generate() })).await;
    let (job, identity) = (claim.job.unwrap(), claim.cloud_identity.unwrap());
    assert_eq!((job.job_type.as_str(), identity.role_arn.as_str()), ("CONNECTION_TEST", ROLE));
    assert_eq!(json!(identity.external_id), external);
    let found = json!({ "regions": ["eu-north-1"] });
    let report = json!({ "status": "SUCCESS", "execution_metadata": { "cached_resources": found } });
    assert_eq!(runner.status(job.id.as_str(), 1, report).await, StatusCode::OK);
    let (status, verified) = plane.call(&admin, Method::POST, "/api/cli/providers/aws/verify", &verify).await;
    assert_eq!((status, &verified["cached_resources"]), (StatusCode::OK, &found));
    assert_eq!(plane.get("/api/cli/cloud-identities").await["cloud_identities"][0]["label"], "prod");

    // Connected anew, it has to be tested anew.
    plane.call(&admin, Method::POST, "/api/cli/providers/aws/connect", &body).await;
    assert_eq!(plane.get("/api/cli/cloud-identities").await["cloud_identities"], json!([]));
    let stale = json!({ "identity_id": id, "job_id": job.id });
    let stale = plane.call(&admin, Method::POST, "/api/cli/providers/aws/verify", &stale).await;
    assert_eq!(stale.0, StatusCode::NOT_FOUND, "the test of what was connected before: {}", stale.1);
}

#[tokio::test]
async fn what_is_wrong_with_an_identity_is_said_by_its_field() {
    let plane = Plane::start().await;
    let admin = plane.admin.clone();
    for (provider, credentials, field) in [
        ("aws", json!({}), "/credentials/role_arn"),
        ("aws", json!({ "role_arn": format!("{ROLE}\nx") }), "/credentials/role_arn"),
        ("aws", json!({ "role_arn": ROLE, "tenant_id": "t" }), "/credentials/tenant_id"),
        ("aws", json!({ "role_arn": "arn:aws:iam::1234:role/x" }), "/credentials/role_arn"),
        ("aws", json!({ "role_arn": "arn:aws:iam::123456789012:user/x" }), "/credentials/role_arn"),
        ("gcp", json!({}), "/credentials/wif_config"),
        ("gcp", json!({ "wif_config": "nonsense" }), "/credentials/wif_config"),
        (
            "gcp",
            json!({ "wif_config": "{\"type\":\"service_account\",\"private_key\":\"k\"}" }),
            "/credentials/wif_config",
        ),
        ("azure", json!({ "tenant_id": "t", "client_id": "c", "subscription_id": "s" }), "/credentials/tenant_id"),
        ("azure", json!({ "tenant_id": GUID, "client_id": GUID }), "/credentials/subscription_id"),
    ] {
        let init = format!("/api/cli/providers/{provider}/init");
        let id = plane.call(&admin, Method::POST, &init, &json!({})).await.1["identity_id"].clone();
        let body = json!({ "identity_id": id, "credentials": credentials });
        let connect = format!("/api/cli/providers/{provider}/connect");
        let (status, answer) = plane.call(&admin, Method::POST, &connect, &body).await;
        assert_eq!((status, &answer["pointer"]), (StatusCode::BAD_REQUEST, &json!(field)), "{answer}");
    }
    let unknown = plane.call(&admin, Method::POST, "/api/cli/providers/oracle/init", &json!({})).await;
    assert_eq!(unknown.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn an_identity_says_what_its_provider_has_to_be_told() {
    let plane = Plane::start().await;
    let admin = plane.admin.clone();
    for (provider, request, subject, audience) in [
        ("aws", json!({ "web_identity": true }), "org:default:*", json!("sts.amazonaws.com")),
        ("aws", json!({}), "org:default:*", json!("sts.amazonaws.com")),
        ("gcp", json!({}), "org:default:*", Value::Null),
        ("azure", json!({}), "org:default:identity:ID", json!("api://AzureADTokenExchange")),
    ] {
        let init = format!("/api/cli/providers/{provider}/init");
        let (status, made) = plane.call(&admin, Method::POST, &init, &request).await;
        assert_eq!(status, StatusCode::OK, "{made}");
        let has_external_id = provider == "aws" && request == json!({});
        assert_eq!(made["external_id"].is_string(), has_external_id, "whom the plane vouches for needs none: {made}");
        let id = made["identity_id"].as_str().unwrap();
        let told = &plane.get(&format!("/api/cloud-identities/{id}")).await["federation"];
        assert_eq!((&told["issuer"], &told["audience"]), (&json!("https://plane.example"), &audience));
        assert_eq!(told["subject"], subject.replace("ID", id));
    }
    let other = json!({ "web_identity": true });
    let (status, refused) = plane.call(&admin, Method::POST, "/api/cli/providers/gcp/init", &other).await;
    assert_eq!((status, &refused["pointer"]), (StatusCode::BAD_REQUEST, &json!("/web_identity")));
}

#[tokio::test]
async fn an_identity_belongs_to_one_organisation() {
    let plane = Plane::start().await;
    plane.register("one").await;
    let eve = plane.add_user("eve", "other").await;
    let id = plane.identity(&plane.admin.clone()).await;
    for (method, path, body) in [
        (Method::GET, format!("/api/cloud-identities/{id}"), Value::Null),
        (Method::DELETE, format!("/api/cloud-identities/{id}"), Value::Null),
        (Method::GET, format!("/api/cli/providers/aws/status?identity_id={id}"), Value::Null),
        (
            Method::POST,
            "/api/cli/providers/aws/connect".to_owned(),
            json!({ "identity_id": id, "credentials": { "role_arn": ROLE } }),
        ),
        (Method::POST, "/api/cli/providers/aws/verify".to_owned(), json!({ "identity_id": id })),
        (Method::POST, "/api/cli/providers/aws/disconnect".to_owned(), json!({ "identity_id": id })),
    ] {
        assert_eq!(plane.call(&eve, method, &path, &body).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    let submit = json!({ "job_type": "read", "config_snapshot": {}, "cloud_identity_id": id });
    let (status, answer) = plane.call(&eve, Method::POST, "/api/jobs", &submit).await;
    assert_eq!((status, &answer["pointer"]), (StatusCode::BAD_REQUEST, &json!("/cloud_identity_id")));
    let register = json!({ "name": "r", "cloud_identity_id": id });
    let (status, answer) = plane.call(&eve, Method::POST, "/api/runners/register", &register).await;
    assert_eq!((status, &answer["pointer"]), (StatusCode::BAD_REQUEST, &json!("/cloud_identity_id")));
    assert_eq!(plane.get(&format!("/api/cloud-identities/{id}")).await["is_verified"], false, "and nothing changed");
}

#[tokio::test]
async fn only_who_runs_the_plane_adds_people_and_runners_for_all() {
    let plane = Plane::start().await;
    let eve = plane.add_user("eve", "other").await;
    let more = json!({ "name": "mallory" });
    assert_eq!(plane.call(&eve, Method::POST, "/api/users", &more).await.0, StatusCode::FORBIDDEN);
    assert_eq!(plane.call(&eve, Method::GET, "/api/users", &Value::Null).await.0, StatusCode::FORBIDDEN);
    assert_eq!(plane.call(&eve, Method::DELETE, "/api/users/admin", &Value::Null).await.0, StatusCode::FORBIDDEN);
    let shared = json!({ "name": "shared", "mode": "cloud-hosted" });
    let (status, answer) = plane.call(&eve, Method::POST, "/api/runners/register", &shared).await;
    assert_eq!((status, &answer["pointer"]), (StatusCode::FORBIDDEN, &json!("/mode")));
    let (status, made) = plane.call(&plane.admin, Method::POST, "/api/runners/register", &shared).await;
    assert_eq!(status, StatusCode::CREATED);
    let id = made["runner"]["id"].as_str().unwrap();
    for path in [format!("/api/runners/{id}/drain"), format!("/api/runners/{id}/rotate-token")] {
        assert_eq!(plane.call(&eve, Method::POST, &path, &Value::Null).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for wrong in [json!({ "name": "" }), json!({ "name": "a b" }), json!({ "name": "x", "org": "../x" })] {
        assert_eq!(plane.call(&plane.admin, Method::POST, "/api/users", &wrong).await.0, StatusCode::BAD_REQUEST);
    }
    let removed = plane.call(&plane.admin, Method::DELETE, "/api/users/eve", &Value::Null).await;
    assert_eq!(removed.0, StatusCode::OK);
    assert_eq!(plane.call(&eve, Method::GET, "/api/jobs", &Value::Null).await.0, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn a_cloud_hosted_runner_works_for_one_identity_at_a_time() {
    let plane = Plane::start().await;
    let eve = plane.add_user("eve", "other").await;
    let shared = json!({ "name": "shared", "mode": "cloud-hosted" });
    let made = plane.call(&plane.admin, Method::POST, "/api/runners/register", &shared).await.1;
    let runner = plane.runner(made["runner"]["id"].as_str().unwrap(), made["runner_token"].as_str().unwrap());
    let submit = async |token: &str, identity: &Value| {
        let body = json!({ "job_type": "read", "config_snapshot": {}, "cloud_identity_id": identity });
        let (status, answer) = plane.call(token, Method::POST, "/api/jobs", &body).await;
        assert_eq!(status, StatusCode::CREATED, "{answer}");
        answer["job"]["id"].as_str().unwrap().to_owned()
    };
    let claim = async || runner.claim(json!({ "request_id": wire::JobId::generate() })).await.job;

    let mine = submit(&plane.admin, &Value::Null).await;
    let hers = submit(&eve, &Value::Null).await;
    let mine_too = submit(&plane.admin, &Value::Null).await;
    assert_eq!(claim().await.unwrap().id.as_str(), mine);
    assert_eq!(claim().await.unwrap().id.as_str(), mine_too, "the next of the same organisation and identity");
    assert!(claim().await.is_none(), "hers waits until the runner is free");
    let explained = plane.call(&eve, Method::GET, &format!("/api/jobs/{hers}/explain"), &Value::Null).await.1;
    assert_eq!(explained["runners"][0]["verdict"], "works for another identity now");

    // A claim that is parked meanwhile hears that the runner has become free.
    let parked = runner.clone();
    let parked =
        tokio::spawn(
            async move { parked.claim(json!({ "request_id": wire::JobId::generate(), "wait_s": 9 })).await.job },
        );
    for job in [mine, mine_too] {
        assert_eq!(runner.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    }
    let given = tokio::time::timeout(SOON, parked).await.expect("the claim is answered").unwrap();
    assert_eq!(given.unwrap().id.as_str(), hers);
}

#[tokio::test]
async fn a_runner_of_one_identity_takes_its_jobs_and_what_is_assigned_to_it() {
    let plane = Plane::start().await;
    plane.register("tester").await;
    let admin = plane.admin.clone();
    let id = plane.identity(&admin).await;
    let made = plane
        .call(&admin, Method::POST, "/api/runners/register", &json!({ "name": "bound", "cloud_identity_id": id }))
        .await
        .1;
    let runner = plane.runner(made["runner"]["id"].as_str().unwrap(), made["runner_token"].as_str().unwrap());
    let claim = async || runner.claim(json!({ "request_id": wire::JobId::generate(), "kinds": ["read"] })).await.job;

    plane.submit("read").await;
    assert!(claim().await.is_none(), "a job without its identity");
    let own = plane.submit_as(json!({ "job_type": "read", "config_snapshot": {}, "cloud_identity_id": id })).await;
    let assigned =
        plane.submit_as(json!({ "job_type": "read", "config_snapshot": {}, "assigned_runner_id": runner.id })).await;
    assert_eq!(claim().await.unwrap().id.as_str(), assigned, "what is assigned comes first");
    assert_eq!(claim().await.unwrap().id.as_str(), own);
    assert!(claim().await.is_none());
}

#[tokio::test]
async fn a_job_whose_identity_was_removed_is_nobody() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let admin = plane.admin.clone();
    let id = plane.identity(&admin).await;
    let job = plane.submit_as(json!({ "job_type": "read", "config_snapshot": {}, "cloud_identity_id": id })).await;
    assert_eq!(
        plane.call(&admin, Method::DELETE, &format!("/api/cloud-identities/{id}?force=true"), &Value::Null).await.0,
        StatusCode::OK
    );
    let claim = runner.claim(json!({ "request_id": wire::JobId::generate(), "kinds": ["read"] })).await;
    assert_eq!(claim.job.unwrap().id.as_str(), job);
    assert_eq!(claim.cloud_identity, Some(wire::CloudIdentity::default()), "an identity that no runner accepts");
}

#[tokio::test]
async fn an_identity_does_not_leave_its_jobs() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let admin = plane.admin.clone();
    let id = plane.identity(&admin).await;
    let test = plane.get("/api/jobs").await["jobs"][0]["id"].as_str().unwrap().to_owned();
    let job = plane.submit_as(json!({ "job_type": "read", "config_snapshot": {}, "cloud_identity_id": id })).await;
    let disconnect =
        async |body: Value| plane.call(&admin, Method::POST, "/api/cli/providers/aws/disconnect", &body).await;
    let remove =
        async || plane.call(&admin, Method::DELETE, &format!("/api/cloud-identities/{id}"), &Value::Null).await;

    for (status, refused) in [disconnect(json!({ "identity_id": id })).await, remove().await] {
        assert_eq!(status, StatusCode::CONFLICT, "{refused}");
        let error = refused["error"].as_str().unwrap();
        assert!(error.contains(&format!("1 job of this identity has not ended, the oldest is {job}")), "{error}");
    }
    let claim = runner.claim(json!({ "request_id": wire::JobId::generate(), "kinds": ["read"] })).await;
    assert_eq!(claim.cloud_identity.unwrap().role_arn, ROLE, "it is still somebody");
    assert_eq!(disconnect(json!({ "identity_id": id })).await.0, StatusCode::CONFLICT, "while it runs, too");
    assert_eq!(runner.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);

    let (status, gone) = disconnect(json!({ "identity_id": id })).await;
    assert_eq!(
        (status, &gone["success"], &gone["isConnected"]),
        (StatusCode::OK, &json!(true), &json!(false)),
        "{gone}"
    );
    assert_eq!(plane.get(&format!("/api/jobs/{test}")).await["status"], "CANCELLED", "nobody waits for its test");
    let kept = plane.get(&format!("/api/cloud-identities/{id}")).await;
    assert_eq!((&kept["identity"], kept["external_id"].is_string()), (&Value::Null, true), "{kept}");
    let submit = json!({ "job_type": "read", "config_snapshot": {}, "cloud_identity_id": id });
    assert_eq!(plane.call(&admin, Method::POST, "/api/jobs", &submit).await.0, StatusCode::BAD_REQUEST);
    assert_eq!(disconnect(json!({ "identity_id": id })).await.0, StatusCode::OK, "again");
    assert_eq!(remove().await.0, StatusCode::OK);
}

#[tokio::test]
async fn in_need_an_identity_leaves_at_once_and_its_jobs_are_nobody() {
    let plane = Plane::start().await;
    let runner = plane.register("one").await;
    let admin = plane.admin.clone();
    let id = plane.identity(&admin).await;
    plane.submit_as(json!({ "job_type": "read", "config_snapshot": {}, "cloud_identity_id": id })).await;
    let body = json!({ "identity_id": id, "force": true });
    let (status, gone) = plane.call(&admin, Method::POST, "/api/cli/providers/aws/disconnect", &body).await;
    assert_eq!(status, StatusCode::OK, "{gone}");
    let claim = runner.claim(json!({ "request_id": wire::JobId::generate(), "kinds": ["read"] })).await;
    assert_eq!(claim.cloud_identity, Some(wire::CloudIdentity::default()), "an identity that no runner accepts");
}

#[tokio::test]
async fn a_runner_of_an_identity_waits_until_that_is_connected_again() {
    let plane = Plane::start().await;
    plane.register("tester").await;
    let admin = plane.admin.clone();
    let id = plane.identity(&admin).await;
    let register = json!({ "name": "bound", "cloud_identity_id": id });
    let made = plane.call(&admin, Method::POST, "/api/runners/register", &register).await.1;
    let bound = plane.runner(made["runner"]["id"].as_str().unwrap(), made["runner_token"].as_str().unwrap());
    let body = json!({ "identity_id": id });
    let (status, gone) = plane.call(&admin, Method::POST, "/api/cli/providers/aws/disconnect", &body).await;
    assert_eq!((status, &gone["boundRunners"]), (StatusCode::OK, &json!(["bound"])), "{gone}");
    let path = format!("/api/cloud-identities/{id}");
    let (status, refused) = plane.call(&admin, Method::DELETE, &path, &Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT, "{refused}");
    assert!(
        refused["error"].as_str().unwrap().contains("runner \"bound\" takes only jobs of this identity"),
        "{refused}"
    );

    let body = json!({ "identity_id": id, "credentials": { "role_arn": ROLE } });
    assert_eq!(plane.call(&admin, Method::POST, "/api/cli/providers/aws/connect", &body).await.0, StatusCode::OK);
    let claim = bound.claim(json!({ "request_id": wire::JobId::generate() })).await;
    assert_eq!(claim.cloud_identity.unwrap().role_arn, ROLE, "its test goes to the runner that was made for it");
}

#[tokio::test]
async fn the_plane_vouches_for_a_job_to_its_runner_while_it_runs() {
    let plane = Plane::start().await;
    let (runner, other) = (plane.register("one").await, plane.register("two").await);
    let job = plane.submit("read").await;
    let claim = runner.claim(json!({})).await;
    assert_eq!(claim.access.unwrap().issues_tokens, Some(true), "a runner need not ask a plane that cannot");
    let ask = async |who: &crate::plane::Runner, attempt: u32, audience: &str| {
        let call = who.call(Method::POST, &format!("/api/jobs/{job}/oidc-token")).header("X-Job-Attempt", attempt);
        let answer = call.json(&json!({ "audience": audience })).send().await.unwrap();
        (answer.status(), answer.json::<Value>().await.unwrap())
    };
    assert_eq!(ask(&other, 1, "a").await.0, StatusCode::FORBIDDEN);
    assert_eq!(ask(&runner, 2, "a").await.0, StatusCode::CONFLICT);
    for wrong in ["", "a b", "a\n"] {
        let (status, answer) = ask(&runner, 1, wrong).await;
        assert_eq!((status, &answer["pointer"]), (StatusCode::BAD_REQUEST, &json!("/audience")));
    }
    let (status, answer) = ask(&runner, 1, "sts.amazonaws.com").await;
    assert_eq!(status, StatusCode::OK);

    let configuration = plane.get("/.well-known/openid-configuration").await;
    assert_eq!(configuration["issuer"], "https://plane.example");
    assert_eq!(configuration["jwks_uri"], "https://plane.example/.well-known/jwks.json");
    let keys = plane.get("/.well-known/jwks.json").await;
    let azure = ask(&runner, 1, "api://AzureADTokenExchange").await.1;

    assert_eq!(runner.status(&job, 1, json!({ "status": "SUCCESS" })).await, StatusCode::OK);
    assert_eq!(ask(&runner, 1, "sts.amazonaws.com").await.0, StatusCode::FORBIDDEN);

    let Some(node) = tool("node") else { return };
    let claims = openssl_reads(&node, answer["token"].as_str().unwrap(), &keys, "sts.amazonaws.com");
    assert_eq!(claims["sub"], format!("org:default:kind:read:job:{job}"));
    assert_eq!(
        (&claims["iss"], &claims["job_id"], &claims["attempt"]),
        (&json!("https://plane.example"), &json!(job), &json!(1))
    );
    let life = claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap();
    assert_eq!(life, 900);
    let claims = openssl_reads(&node, azure["token"].as_str().unwrap(), &keys, "api://AzureADTokenExchange");
    assert_eq!(claims["sub"], "org:default:identity:none", "Azure compares subjects as a whole");
}

/// Checks a token with another library, as a cloud would: only the published keys are known. That library is the one
/// of Node.js, which has OpenSSL below.
fn openssl_reads(node: &Path, token: &str, keys: &Value, audience: &str) -> Value {
    const CHECK: &str = "const [token, keys, audience] = process.argv.slice(1);\n\
        const crypto = require('node:crypto');\n\
        const [header, body, signature] = token.split('.');\n\
        const { kid, alg } = JSON.parse(Buffer.from(header, 'base64url'));\n\
        const jwk = JSON.parse(keys).keys.find(key => key.kid === kid && key.alg === alg && key.use === 'sig');\n\
        const key = crypto.createPublicKey({ key: jwk, format: 'jwk' });\n\
        const good = crypto.verify('RSA-SHA256', Buffer.from(header + '.' + body), key, Buffer.from(signature, 'base64url'));\n\
        const claims = JSON.parse(Buffer.from(body, 'base64url'));\n\
        const now = Date.now() / 1000;\n\
        if (!good || alg !== 'RS256' || claims.aud !== audience || claims.nbf > now || claims.exp < now) process.exit(1);\n\
        console.log(JSON.stringify(claims));";
    let checked = duct::cmd!(node, "-e", CHECK, token, keys.to_string(), audience)
        .stderr_capture()
        .stdout_capture()
        .unchecked()
        .run()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
    serde_json::from_slice(&checked.stdout).unwrap()
}
