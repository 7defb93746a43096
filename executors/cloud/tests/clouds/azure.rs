//! Azure, played by a stand-in that checks the token exchange byte for byte and gives its lists in pages.

use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use executor_api::{CloudCluster, CloudIdentity, Input, credential_source};
use serde_json::{Value, json};

use crate::harness::{Runner, verbs};
use crate::stand_in::{Answer, Asked, StandIn};

const TENANT: &str = "11111111-1111-1111-1111-111111111111";
const CLIENT: &str = "22222222-2222-2222-2222-222222222222";
const SUBSCRIPTION: &str = "33333333-3333-3333-3333-333333333333";

fn identity() -> CloudIdentity {
    CloudIdentity {
        provider: "azure".into(),
        tenant_id: TENANT.into(),
        client_id: CLIENT.into(),
        subscription_id: SUBSCRIPTION.into(),
        ..CloudIdentity::default()
    }
}

fn jwt(claims: &Value) -> String {
    format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn access_token() -> String {
    jwt(&json!({ "appid": CLIENT, "oid": "44444444-4444-4444-4444-444444444444", "tid": TENANT }))
}

/// What a well-behaved Azure answers. `base` is itself.
fn microsoft(asked: &Asked, base: &str) -> Answer {
    let path = asked.path.split('?').next().unwrap();
    if path.ends_with("/oauth2/v2.0/token") {
        return Answer::json(&json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": access_token() }));
    }
    if path == "/metadata/identity/oauth2/token" {
        assert_eq!(asked.header("metadata"), "true");
        return Answer::json(&json!({ "access_token": access_token(), "expires_in": "86399" }));
    }
    if asked.header("authorization") != format!("Bearer {}", access_token()) {
        return Answer::refused(401, &json!({ "error": { "code": "InvalidAuthenticationToken", "message": "no" } }));
    }
    let rest = path.strip_prefix(&format!("/subscriptions/{SUBSCRIPTION}")).unwrap();
    let vnet = |name: &str| {
        json!({ "name": name, "id": format!("/id/{name}"), "location": "northeurope",
                "properties": { "addressSpace": { "addressPrefixes": ["10.0.0.0/16"] },
                                "subnets": [{ "name": "s", "id": format!("/id/{name}/s"), "properties": { "addressPrefix": "10.0.1.0/24" } }] } })
    };
    let second = asked.query("$skiptoken").is_some();
    let next = format!("{base}{path}?api-version=2024-05-01&$skiptoken=x%2F1");
    Answer::json(&match rest {
        "" => json!({ "displayName": "Main", "state": "Enabled" }),
        "/locations" => json!({ "value": [{ "name": "westeurope" }, { "name": "northeurope" }] }),
        "/providers/Microsoft.Network/virtualNetworks" if second => json!({ "value": [vnet("a")] }),
        "/providers/Microsoft.Network/virtualNetworks" => json!({ "value": [vnet("b")], "nextLink": next }),
        "/providers/Microsoft.Network/dnszones" => {
            json!({ "value": [{ "name": "example.com", "id": "/id/zone", "properties": { "zoneType": "Public" } }] })
        }
        other => panic!("asked for {other}"),
    })
}

async fn azure(play: impl Fn(&Asked, &str) -> Answer + Send + Sync + 'static) -> StandIn {
    let own: Arc<OnceLock<String>> = Arc::default();
    let known = Arc::clone(&own);
    let stand_in = StandIn::start(move |asked| play(asked, known.get().map_or("", String::as_str))).await;
    own.set(stand_in.url.clone()).unwrap();
    stand_in
}

fn runner(stand_in: &StandIn) -> Runner {
    let services = ["login", "management", "metadata"];
    services.iter().fold(Runner::default(), |runner, name| runner.endpoint(&format!("azure.{name}"), &stand_in.url))
}

fn planes_token() -> Input {
    Input::OidcToken { audience: "api://AzureADTokenExchange".to_owned() }
}

#[tokio::test]
async fn the_exchange_is_what_entra_documents() {
    let stand_in = azure(microsoft).await;
    let runner = runner(&stand_in);
    assert_eq!(executor_api::credential_inputs(Some(&identity()), &runner.settings).unwrap(), [planes_token()]);
    let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), "a.b.c\n").build().unwrap();
    let outcome = runner.run_job(&job, Some(identity())).await.unwrap();
    let exchanged = &stand_in.asked()[0];
    let expected = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", CLIENT)
        .append_pair("grant_type", "client_credentials")
        .append_pair("scope", "https://management.azure.com/.default")
        .append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        .append_pair("client_assertion", "a.b.c")
        .finish();
    assert_eq!(
        (exchanged.method.as_str(), exchanged.path.as_str()),
        ("POST", format!("/{TENANT}/oauth2/v2.0/token").as_str())
    );
    assert_eq!(exchanged.body, expected);
    let connection = &outcome.metadata["connection"];
    assert_eq!(
        connection["who"],
        format!("the application {CLIENT} (object 44444444-4444-4444-4444-444444444444) of the tenant {TENANT}")
    );
    assert_eq!(connection["account"], format!("{SUBSCRIPTION} (Main, Enabled)"));
    assert_eq!(connection["remedy"], Value::Null);
    assert!(!job.log().contains(&access_token()));
}

#[tokio::test]
async fn lists_have_both_spellings_all_pages_and_one_order() {
    let stand_in = azure(microsoft).await;
    let runner = runner(&stand_in);
    let job = runner.job("FETCH_RESOURCES", &json!({})).input(planes_token(), "a.b.c").build().unwrap();
    let outcome = runner.run_job(&job, Some(identity())).await.unwrap();
    let cached = &outcome.metadata["cached_resources"];
    assert_eq!(cached["locations"], json!(["northeurope", "westeurope"]));
    let network = |name: &str| {
        let id = format!("/id/{name}");
        json!({ "AddressPrefixes": ["10.0.0.0/16"], "ID": id, "Location": "northeurope", "Name": name,
                "addressPrefixes": ["10.0.0.0/16"], "id": id, "location": "northeurope", "name": name })
    };
    assert_eq!(cached["vnets"], json!([network("a"), network("b")]));
    assert_eq!(cached["subnets"]["a"][0]["addressPrefix"], "10.0.1.0/24");
    assert_eq!(cached["subnets"]["a"][0]["VnetName"], "a");
    assert_eq!(cached["dns_zones"][0]["ZoneType"], "Public");
    assert_eq!(outcome.metadata["errors"], json!([]));
}

#[tokio::test]
async fn a_next_page_elsewhere_does_not_get_our_token() {
    let elsewhere = StandIn::start(|_| Answer::json(&json!({ "value": [] }))).await;
    let lure = elsewhere.url.clone();
    let stand_in = azure(move |asked, base| match asked.path.contains("virtualNetworks") {
        true => Answer::json(&json!({ "value": [], "nextLink": format!("{lure}/next") })),
        false => microsoft(asked, base),
    })
    .await;
    let runner = runner(&stand_in);
    let job = runner.job("FETCH_RESOURCES", &json!({})).input(planes_token(), "a.b.c").build().unwrap();
    let outcome = runner.run_job(&job, Some(identity())).await.unwrap();
    assert_eq!(outcome.metadata["errors"].as_array().unwrap().len(), 1);
    assert_eq!(elsewhere.asked().len(), 0);
}

#[tokio::test]
async fn tools_get_what_they_look_for() {
    let stand_in = azure(microsoft).await;
    let runner = runner(&stand_in);
    let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), "a.b.c").build().unwrap();
    let script = "cat $AZURE_FEDERATED_TOKEN_FILE; echo; \
                  echo $AZURE_TENANT_ID $ARM_CLIENT_ID $ARM_SUBSCRIPTION_ID $ARM_USE_OIDC $ARM_USE_CLI$ARM_CLIENT_SECRET";
    let seen =
        runner.run_under(&job, identity(), async |job| job.capture(job.command("/bin/sh").args(["-c", script])).await);
    let seen = String::from_utf8(seen.await.unwrap().stdout).unwrap();
    assert_eq!(seen, format!("a.b.c\n{TENANT} {CLIENT} {SUBSCRIPTION} true false\n"));
}

/// Terraform's providers ask anew for each access token, and get the token of that moment.
#[tokio::test]
async fn providers_ask_for_the_token_of_the_moment() {
    let stand_in = azure(microsoft).await;
    let runner = runner(&stand_in);
    let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), "a.b.c").build().unwrap();
    let asked = runner.run_under(&job, identity(), async |job| {
        let script = "echo $ARM_OIDC_REQUEST_URL $ARM_OIDC_REQUEST_TOKEN $AZURE_FEDERATED_TOKEN_FILE";
        let said = job.capture(job.command("/bin/sh").args(["-c", script])).await?.stdout;
        let said = String::from_utf8(said).unwrap();
        let [url, bearer, file] = said.split_whitespace().collect::<Vec<_>>()[..] else { panic!("{said}") };
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let ask = async |bearer: &str| {
            let request = client.get(format!("{url}?audience=api%3A%2F%2FAzureADTokenExchange")).bearer_auth(bearer);
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json().await.unwrap_or(Value::Null))
        };
        let first = ask(bearer).await;
        std::fs::write(file, "d.e.f").unwrap();
        Ok([first, ask(bearer).await, ask("somebody").await])
    });
    let value = |token: &str| json!({ "value": token });
    assert_eq!(asked.await.unwrap(), [(200, value("a.b.c")), (200, value("d.e.f")), (401, Value::Null)]);
}

#[tokio::test]
async fn a_secret_is_shown_for_its_own_application_only() {
    let stand_in = azure(microsoft).await;
    let with =
        |client: &str| runner(&stand_in).with("AZURE_CLIENT_ID", client).with("AZURE_CLIENT_SECRET", "s3cret-canary");
    let ended = with(CLIENT).run("CONNECTION_TEST", &json!({}), Some(identity())).await;
    ended.metadata();
    assert_eq!(stand_in.asked()[0].field("client_secret").as_deref(), Some("s3cret-canary"));
    let shared = with(CLIENT).works_for_all().run("CONNECTION_TEST", &json!({}), Some(identity())).await;
    assert!(
        shared.error().starts_with("/cloud_identity/client_id: can be shown by the control plane alone"),
        "{}",
        shared.error()
    );
    let other = with(TENANT).run("CONNECTION_TEST", &json!({}), Some(identity())).await;
    assert!(other.error().starts_with("/cloud_identity/client_id: cannot be shown to anybody"), "{}", other.error());
    assert!(!ended.job.log().contains("s3cret"));
}

#[tokio::test]
async fn the_machine_is_the_identity_only_where_that_is_allowed() {
    let stand_in = azure(microsoft).await;
    let refused = runner(&stand_in).run("CONNECTION_TEST", &json!({}), Some(identity())).await;
    assert!(refused.error().starts_with("/cloud_identity/client_id: "), "{}", refused.error());
    assert_eq!(stand_in.asked().len(), 0);
    runner(&stand_in).lends_itself().run("CONNECTION_TEST", &json!({}), Some(identity())).await.metadata();
    let asked = &stand_in.asked()[0];
    assert_eq!(asked.query("resource").as_deref(), Some("https://management.azure.com/"));
    assert_eq!(asked.query("client_id").as_deref(), Some(CLIENT));
}

#[tokio::test]
async fn what_entra_refuses_is_said_with_what_mends_it() {
    for (message, start, mend) in [
        (
            "AADSTS700213: No matching federated identity record found for presented assertion subject 'org:o'",
            "/cloud_identity/client_id: ",
            "az ad app federated-credential create --id 22222222",
        ),
        ("AADSTS90002: Tenant '1' not found.", "/cloud_identity/tenant_id: ", "no tenant"),
        ("AADSTS700016: Application not found", "/cloud_identity/client_id: ", "no application of the tenant"),
        ("AADSTS700024: Client assertion is not within its valid time range.", "the token has expired", "clocks"),
    ] {
        let body = json!({ "error": "invalid_client", "error_description": format!("{message}\r\nTrace ID: x") });
        let ten_minutes_ago =
            (chrono::Utc::now() - chrono::Duration::minutes(10)).format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let stand_in = StandIn::start(move |_| Answer::refused(400, &body).header("date", &ten_minutes_ago)).await;
        let runner = runner(&stand_in);
        let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), "a.b.c").build().unwrap();
        let error = runner.run_job(&job, Some(identity())).await.unwrap_err().to_string();
        assert!(error.starts_with(start) && error.contains(mend) && !error.contains("Trace"), "{error}");
        assert!(error.contains("the runner's clock is 10 minutes ahead of"), "{error}");
    }
    let hotel = StandIn::start(|_| Answer::html()).await;
    let runner = runner(&hotel);
    let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), "a.b.c").build().unwrap();
    let error = runner.run_job(&job, Some(identity())).await.unwrap_err().to_string();
    assert!(error.contains("a page of HTML"), "{error}");
}

#[tokio::test]
async fn an_aks_cluster_is_found_and_its_token_is_for_it() {
    let kubeconfig = "apiVersion: v1\nclusters:\n- name: main\n  cluster:\n    server: https://main.hcp.northeurope.azmk8s.io:443\n    certificate-authority-data: Q0E=\nusers:\n- name: u\n  user:\n    exec: {command: kubelogin}\n";
    let stand_in = azure(move |asked, base| match asked.path.contains("listClusterUserCredential") {
        true => {
            assert_eq!(asked.method, "POST");
            Answer::json(&json!({ "kubeconfigs": [{ "name": "x", "value": STANDARD.encode(kubeconfig) }] }))
        }
        false => microsoft(asked, base),
    })
    .await;
    let runner = runner(&stand_in);
    let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), "a.b.c").build().unwrap();
    let credential = runner
        .run_under(&job, identity(), async |job| {
            let cluster = CloudCluster { name: "main".into(), place: "group".into(), pointer: "/cluster/aks".into() };
            let found = credential_source("azure")?.cluster(job, &cluster).await?.expect("it is there");
            assert_eq!(
                (found.server.as_str(), found.certificate_authority_data.as_str()),
                ("https://main.hcp.northeurope.azmk8s.io:443", "Q0E=")
            );
            assert_eq!(found.program, verbs());
            let printed = job.capture(job.command(found.program).args(found.args)).await?;
            Ok(serde_json::from_slice::<Value>(&printed.stdout).unwrap())
        })
        .await
        .unwrap();
    assert_eq!(credential["status"]["token"], access_token());
    let scopes: Vec<_> = stand_in.asked().iter().filter_map(|asked| asked.field("scope")).collect();
    assert_eq!(scopes, ["https://management.azure.com/.default", "6dae42f8-4368-4678-94ff-3960e28e3630/.default"]);
}
