//! GCP, played by a stand-in that checks the token exchange byte for byte and gives its lists in pages.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use executor_api::{CloudCluster, CloudIdentity, Input, credential_source};
use serde_json::{Value, json};

use crate::harness::{Runner, verbs};
use crate::stand_in::{Answer, Asked, StandIn};

const AUDIENCE: &str = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/alethia";
const ACCOUNT: &str = "deployer@my-project.iam.gserviceaccount.com";

fn jwt(seconds: i64) -> String {
    let claims = json!({ "iss": "https://plane", "exp": chrono::Utc::now().timestamp() + seconds });
    format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()))
}

fn identity(source: &Value) -> CloudIdentity {
    let mut config = json!({
        "type": "external_account",
        "audience": AUDIENCE,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url":
            format!("https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"),
        "credential_source": source,
    });
    if source["environment_id"] == "aws1" {
        config["subject_token_type"] = json!("urn:ietf:params:aws:token-type:aws4_request");
    }
    CloudIdentity { provider: "gcp".into(), wif_config: config.to_string(), ..CloudIdentity::default() }
}

/// What a well-behaved Google answers.
fn google(asked: &Asked) -> Answer {
    let path = asked.path.split('?').next().unwrap();
    if path == "/v1/token" {
        return Answer::json(
            &json!({ "access_token": "federated-token-1", "issued_token_type": "x", "token_type": "Bearer", "expires_in": 3599 }),
        );
    }
    if path.ends_with(":generateAccessToken") {
        let until =
            (chrono::Utc::now() + chrono::Duration::hours(1)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true);
        return Answer::json(&json!({ "accessToken": "ya29.access-token-1", "expireTime": until }));
    }
    if path == "/tokeninfo" {
        return Answer::json(&json!({ "email": ACCOUNT, "expires_in": "3599" }));
    }
    if asked.header("authorization") != "Bearer ya29.access-token-1" {
        return Answer::refused(
            401,
            &json!({ "error": { "code": 401, "status": "UNAUTHENTICATED", "message": "no" } }),
        );
    }
    let second = asked.query("pageToken").as_deref() == Some("next/1=");
    let page = |items: [Value; 2]| {
        let [first, last] = items;
        if second { json!({ "items": last }) } else { json!({ "items": first, "nextPageToken": "next/1=" }) }
    };
    let region = |name: &str, status: &str| json!([{ "name": name, "status": status }]);
    let subnet = |region: &str, name: &str| {
        let region_url = format!("https://www.googleapis.com/compute/v1/projects/my-project/regions/{region}");
        json!({ format!("regions/{region}"): { "subnetworks": [{ "name": name, "region": region_url, "ipCidrRange": "10.0.0.0/20", "network": "net" }] },
                "regions/empty": { "warning": {} } })
    };
    Answer::json(&match path {
        "/compute/v1/projects/my-project/regions" => page([region("us-west1", "UP"), region("europe-west1", "UP")]),
        "/compute/v1/projects/my-project/global/networks" => page([
            json!([{ "name": "z", "selfLink": "link-z", "autoCreateSubnetworks": true }]),
            json!([{ "name": "a", "selfLink": "link-a" }]),
        ]),
        "/compute/v1/projects/my-project/aggregated/subnetworks" => {
            page([subnet("us-west1", "b"), subnet("us-west1", "a")])
        }
        "/dns/v1/projects/my-project/managedZones" => {
            json!({ "managedZones": [{ "name": "zone", "dnsName": "example.com.", "visibility": "public" }] })
        }
        other => panic!("asked for {other}"),
    })
}

fn runner(stand_in: &StandIn) -> Runner {
    let services = ["sts", "iamcredentials", "compute", "dns", "oauth2", "container", "metadata"];
    services.iter().fold(Runner::default(), |runner, name| runner.endpoint(&format!("gcp.{name}"), &stand_in.url))
}

fn planes_token() -> Input {
    Input::OidcToken { audience: format!("https:{AUDIENCE}") }
}

#[tokio::test]
async fn the_exchange_is_what_google_documents() {
    let stand_in = StandIn::start(google).await;
    let runner = runner(&stand_in);
    let identity = identity(&json!({ "file": "oidc-token" }));
    assert_eq!(executor_api::credential_inputs(Some(&identity), &runner.settings).unwrap(), [planes_token()]);
    let token = jwt(900);
    let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), token.as_str()).build().unwrap();
    let outcome = runner.run_job(&job, Some(identity)).await.unwrap();
    let asked = stand_in.asked();
    let expected = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange")
        .append_pair("audience", AUDIENCE)
        .append_pair("scope", "https://www.googleapis.com/auth/cloud-platform")
        .append_pair("requested_token_type", "urn:ietf:params:oauth:token-type:access_token")
        .append_pair("subject_token", &token)
        .append_pair("subject_token_type", "urn:ietf:params:oauth:token-type:jwt")
        .finish();
    assert_eq!((asked[0].method.as_str(), asked[0].path.as_str(), &asked[0].body), ("POST", "/v1/token", &expected));
    assert_eq!(asked[0].header("content-type"), "application/x-www-form-urlencoded");
    assert_eq!(asked[0].header("authorization"), "");
    assert_eq!(asked[1].path, format!("/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"));
    assert_eq!(asked[1].header("authorization"), "Bearer federated-token-1");
    assert_eq!(
        asked[1].body,
        "{\"scope\":[\"https://www.googleapis.com/auth/cloud-platform\"],\"lifetime\":\"3600s\"}"
    );
    assert!(asked.iter().all(|asked| !asked.path.contains("ya29")), "no token in an address");
    assert_eq!(outcome.metadata["connection"]["who"], ACCOUNT);
    assert_eq!(outcome.metadata["connection"]["account"], "my-project");
    assert!(!job.log().contains("ya29") && !job.log().contains(&token), "{}", job.log());
}

#[tokio::test]
async fn lists_have_both_spellings_all_pages_and_one_order() {
    let stand_in = StandIn::start(google).await;
    let runner = runner(&stand_in);
    let job = runner.job("FETCH_RESOURCES", &json!({})).input(planes_token(), jwt(900)).build().unwrap();
    let outcome = runner.run_job(&job, Some(identity(&Value::Null))).await.unwrap();
    let cached = &outcome.metadata["cached_resources"];
    assert_eq!(cached["regions"], json!(["europe-west1", "us-west1"]));
    let network = |name: &str, auto: bool| {
        let link = format!("link-{name}");
        json!({ "AutoCreateSubnetworks": auto, "Name": name, "SelfLink": link, "autoCreateSubnetworks": auto, "name": name, "selfLink": link })
    };
    assert_eq!(cached["networks"], json!([network("a", false), network("z", true)]));
    let subnet = |name: &str| {
        json!({ "IpCidrRange": "10.0.0.0/20", "Name": name, "Network": "net", "Region": "us-west1",
                "ipCidrRange": "10.0.0.0/20", "name": name, "network": "net", "region": "us-west1" })
    };
    assert_eq!(cached["subnets"], json!({ "us-west1": [subnet("a"), subnet("b")] }));
    assert_eq!(cached["managed_zones"][0]["dnsName"], "example.com.");
    assert_eq!(outcome.metadata["errors"], json!([]));
}

#[tokio::test]
async fn tools_get_a_document_that_leads_to_a_file_of_the_job() {
    let stand_in = StandIn::start(google).await;
    let runner = runner(&stand_in);
    let token = jwt(900);
    let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), token.as_str()).build().unwrap();
    let script = "cat $GOOGLE_APPLICATION_CREDENTIALS; echo; cat $CLOUDSDK_AUTH_ACCESS_TOKEN_FILE; echo; echo $GOOGLE_PROJECT $CLOUDSDK_CORE_PROJECT; \
                  sed -n 's/.*\"file\":\"\\([^\"]*\\)\".*/\\1/p' $GOOGLE_APPLICATION_CREDENTIALS | xargs cat";
    let seen = runner
        .run_under(&job, identity(&json!({ "file": "oidc-token" })), async |job| {
            job.capture(job.command("/bin/sh").args(["-c", script])).await
        })
        .await
        .unwrap();
    let seen = String::from_utf8(seen.stdout).unwrap();
    let lines: Vec<_> = seen.lines().collect();
    let document: Value = serde_json::from_str(lines[0]).unwrap();
    assert_eq!(document["type"], "external_account");
    assert_eq!(document["credential_source"]["executable"], Value::Null);
    assert_eq!(&lines[1..], ["ya29.access-token-1", "my-project my-project", token.as_str()]);
}

/// Google takes a signed GetCallerIdentity; the stand-in checks its form.
#[tokio::test]
async fn aws_vouches_for_a_runner_that_is_on_aws() {
    let stand_in = StandIn::start(google).await;
    let runner = runner(&stand_in)
        .with("AWS_ACCESS_KEY_ID", "AKIARUNNER")
        .with("AWS_SECRET_ACCESS_KEY", "runner-secret")
        .with("AWS_SESSION_TOKEN", "runner-token")
        .with("AWS_REGION", "eu-north-1");
    let source = json!({ "environment_id": "aws1", "region_url": "http://169.254.169.254/latest/meta-data/placement/availability-zone",
                         "url": "http://169.254.169.254/latest/meta-data/iam/security-credentials",
                         "regional_cred_verification_url": "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15" });
    let ended = runner.run("CONNECTION_TEST", &json!({}), Some(identity(&source))).await;
    ended.metadata();
    let exchanged = &stand_in.asked()[0];
    assert_eq!(exchanged.field("subject_token_type").as_deref(), Some("urn:ietf:params:aws:token-type:aws4_request"));
    let token = exchanged.field("subject_token").unwrap();
    let (question, _) = url::form_urlencoded::parse(token.as_bytes()).next().unwrap();
    let question: Value = serde_json::from_str(&question).unwrap();
    assert_eq!(question["url"], "https://sts.eu-north-1.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15");
    assert_eq!(question["method"], "POST");
    let header = |name: &str| {
        let all = question["headers"].as_array().unwrap();
        let one = all.iter().find(|one| one["key"].as_str().unwrap().eq_ignore_ascii_case(name)).unwrap();
        one["value"].as_str().unwrap().to_owned()
    };
    assert_eq!(header("host"), "sts.eu-north-1.amazonaws.com");
    assert_eq!(header("x-goog-cloud-target-resource"), AUDIENCE);
    assert_eq!(header("x-amz-security-token"), "runner-token");
    let signed = header("authorization");
    assert!(signed.contains("/eu-north-1/sts/aws4_request, SignedHeaders=host;x-amz-date;x-amz-security-token;x-goog-cloud-target-resource, Signature="), "{signed}");
}

#[tokio::test]
async fn a_file_and_a_server_vouch_where_the_operator_lets_jobs_be_the_runner() {
    let stand_in = StandIn::start(|asked| match asked.path.as_str() {
        "/subject?x=1" => {
            assert_eq!(asked.header("x-proof"), "yes");
            Answer::json(&json!({ "value": "from-the-server" }))
        }
        _ => google(asked),
    })
    .await;
    let folder = std::env::temp_dir().join(format!("subject-{}", executor_api::JobId::generate()));
    std::fs::write(&folder, "from-the-file\n").unwrap();
    let format = json!({ "type": "json", "subject_token_field_name": "value" });
    let from_server =
        json!({ "url": format!("{}/subject?x=1", stand_in.url), "headers": { "x-proof": "yes" }, "format": format });
    for (source, expected) in [(json!({ "file": folder }), "from-the-file"), (from_server, "from-the-server")] {
        let before = stand_in.asked().len();
        let runner = runner(&stand_in).lends_itself();
        runner.run("FETCH_RESOURCES", &json!({}), Some(identity(&source))).await.metadata();
        let exchanged = stand_in.asked()[before..].iter().find(|asked| asked.path == "/v1/token").unwrap().clone();
        assert_eq!(exchanged.field("subject_token").as_deref(), Some(expected));
    }
    std::fs::remove_file(folder).unwrap();
}

#[tokio::test]
async fn what_google_refuses_is_said_with_what_mends_it() {
    let cases = [
        (
            400,
            json!({ "error": "invalid_target", "error_description": "The target service indicated by the \"audience\" parameters is invalid." }),
            false,
            "/cloud_identity/wif_config/audience: ",
            "gcloud iam workload-identity-pools providers describe projects/1",
        ),
        (
            400,
            json!({ "error": "invalid_grant", "error_description": "The given credential is rejected by the attribute condition." }),
            false,
            "/cloud_identity/wif_config/credential_source: ",
            "attribute condition",
        ),
        (
            403,
            json!({ "error": { "code": 403, "status": "PERMISSION_DENIED", "message": "Permission 'iam.serviceAccounts.getAccessToken' denied" } }),
            true,
            "/cloud_identity/wif_config/service_account_impersonation_url: ",
            "roles/iam.workloadIdentityUser --member='principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/*'",
        ),
    ];
    for (status, body, at_impersonation, start, mend) in cases {
        let stand_in = StandIn::start(move |asked| match asked.path == "/v1/token" {
            true if at_impersonation => google(asked),
            _ => Answer::refused(status, &body),
        })
        .await;
        let runner = runner(&stand_in);
        let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), jwt(900)).build().unwrap();
        let error = runner.run_job(&job, Some(identity(&Value::Null))).await.unwrap_err().to_string();
        assert!(error.starts_with(start) && error.contains(mend), "{error}");
    }
    let hotel = StandIn::start(|_| Answer::html()).await;
    let runner = runner(&hotel);
    let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), jwt(900)).build().unwrap();
    let error = runner.run_job(&job, Some(identity(&Value::Null))).await.unwrap_err().to_string();
    assert!(error.contains("a page of HTML"), "{error}");
    let job = runner.job("CONNECTION_TEST", &json!({})).build().unwrap();
    let error = runner.run_job(&job, Some(identity(&Value::Null))).await.unwrap_err().to_string();
    assert!(error.contains("this plane issues none"), "{error}");
}

#[tokio::test]
async fn a_list_that_is_denied_is_listed_and_mended() {
    let stand_in = StandIn::start(|asked| match asked.path.contains("/dns/") {
        true => Answer::refused(403, &json!({ "error": { "code": 403, "status": "PERMISSION_DENIED", "message": "dns.managedZones.list denied" } })),
        false => google(asked),
    })
    .await;
    let runner = runner(&stand_in);
    let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), jwt(900)).build().unwrap();
    let outcome = runner.run_job(&job, Some(identity(&Value::Null))).await.unwrap();
    assert_eq!(outcome.metadata["errors"][0]["code"], "PERMISSION_DENIED");
    assert_eq!(
        outcome.metadata["connection"]["remedy"],
        format!(
            "gcloud projects add-iam-policy-binding my-project --member='serviceAccount:{ACCOUNT}' --role=roles/dns.reader"
        )
    );
    assert_eq!(outcome.metadata["cached_resources"]["managed_zones"], Value::Null);
}

#[tokio::test]
async fn a_gke_cluster_is_found_and_its_token_is_the_jobs() {
    let stand_in = StandIn::start(|asked| match asked.path.as_str() {
        "/v1/projects/my-project/locations/europe-west1/clusters/main" => {
            Answer::json(&json!({ "endpoint": "34.1.2.3", "masterAuth": { "clusterCaCertificate": "Q0E=" } }))
        }
        _ => google(asked),
    })
    .await;
    let runner = runner(&stand_in);
    let job = runner.job("CONNECTION_TEST", &json!({})).input(planes_token(), jwt(900)).build().unwrap();
    let credential = runner
        .run_under(&job, identity(&Value::Null), async |job| {
            let cluster =
                CloudCluster { name: "main".into(), place: "europe-west1".into(), pointer: "/cluster/gke".into() };
            let found = credential_source("gcp")?.cluster(job, &cluster).await?.expect("it is there");
            assert_eq!(
                (found.server.as_str(), found.certificate_authority_data.as_str()),
                ("https://34.1.2.3", "Q0E=")
            );
            assert_eq!(found.program, verbs());
            let printed = job.capture(job.command(found.program).args(found.args)).await?;
            Ok(serde_json::from_slice::<Value>(&printed.stdout).unwrap())
        })
        .await
        .unwrap();
    assert_eq!(credential["status"]["token"], "ya29.access-token-1");
}
