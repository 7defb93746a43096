//! AWS on bad days, played by a stand-in: many pages, throttling, a region that fails, a wrong clock, no STS at all.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chrono::{Duration, Utc};
use serde_json::{Value, json};
use tokio::sync::Barrier;

use crate::harness::{Runner, role};
use crate::stand_in::{Answer, Asked, StandIn, sts};

const ROLE: &str = "arn:aws:iam::111122223333:role/deployer";

fn runner(stand_in: &StandIn) -> Runner {
    Runner::default()
        .with("AWS_ENDPOINT_URL", &stand_in.url)
        .with("AWS_ACCESS_KEY_ID", "AKIARUNNER")
        .with("AWS_SECRET_ACCESS_KEY", "runner-secret")
        .with("AWS_REGION", "eu-north-1")
}

fn regions(names: &[&str]) -> Answer {
    let items: String = names.iter().map(|name| format!("<item><regionName>{name}</regionName></item>")).collect();
    Answer::xml(format!("<DescribeRegionsResponse><regionInfo>{items}</regionInfo></DescribeRegionsResponse>"))
}

/// Pages of 75, which no real service has to keep to.
fn vpcs(asked: &Asked, all: usize) -> Answer {
    let from: usize = asked.field("NextToken").map_or(0, |token| token.parse().unwrap());
    let to = (from + 75).min(all);
    let items: String = (from..to)
        .map(|n| format!("<item><vpcId>vpc-{n:05}</vpcId><cidrBlock>10.0.0.0/16</cidrBlock></item>"))
        .collect();
    let next = if to < all { format!("<nextToken>{to}</nextToken>") } else { "<nextToken/>".to_owned() };
    Answer::xml(format!("<DescribeVpcsResponse><vpcSet>{items}</vpcSet>{next}</DescribeVpcsResponse>"))
}

fn ec2_error(status: u16, code: &str) -> Answer {
    let body = format!(
        "<Response><Errors><Error><Code>{code}</Code><Message>because of {code}</Message></Error></Errors></Response>"
    );
    Answer::new(status, "text/xml", body)
}

/// Empty lists of everything that is not asked for by name.
fn rest(asked: &Asked) -> Answer {
    match asked.field("Action").as_deref() {
        Some("DescribeVpcs") => Answer::xml("<DescribeVpcsResponse><vpcSet/></DescribeVpcsResponse>"),
        Some("DescribeSubnets") => Answer::xml("<DescribeSubnetsResponse><subnetSet/></DescribeSubnetsResponse>"),
        Some("ListUsers") => Answer::xml(
            "<ListUsersResponse><ListUsersResult><Users/><IsTruncated>false</IsTruncated></ListUsersResult></ListUsersResponse>",
        ),
        Some(other) => panic!("asked for {other}"),
        None => Answer::xml(
            "<ListHostedZonesResponse><HostedZones/><IsTruncated>false</IsTruncated></ListHostedZonesResponse>",
        ),
    }
}

#[tokio::test]
async fn every_page_is_read_a_throttled_call_is_repeated_and_a_failing_region_is_listed() {
    let throttled = AtomicU32::new(0);
    let stand_in = StandIn::start(move |asked| {
        if let Some(answer) = sts(asked, 3600) {
            return answer;
        }
        match (asked.field("Action").as_deref(), asked.region().as_str()) {
            (Some("DescribeRegions"), _) => regions(&["us-west-2", "eu-north-1", "ap-south-2"]),
            (Some("DescribeVpcs"), "eu-north-1") => vpcs(asked, 200),
            (Some("DescribeVpcs"), "us-west-2") if throttled.fetch_add(1, Ordering::SeqCst) < 3 => {
                ec2_error(503, "RequestLimitExceeded")
            }
            (Some("DescribeVpcs"), "us-west-2") => vpcs(asked, 1),
            (Some("DescribeVpcs" | "DescribeSubnets"), "ap-south-2") => ec2_error(401, "AuthFailure"),
            _ => rest(asked),
        }
    })
    .await;
    let ended = runner(&stand_in).run("FETCH_RESOURCES", &json!({}), Some(role(ROLE, ""))).await;
    let metadata = ended.metadata();
    let vpcs = &metadata["cached_resources"]["vpcs"];
    assert_eq!(vpcs["eu-north-1"].as_array().unwrap().len(), 200);
    assert_eq!(vpcs["us-west-2"].as_array().unwrap().len(), 1);
    assert_eq!(vpcs["ap-south-2"], Value::Null);
    assert_eq!(
        metadata["errors"],
        json!([
            { "service": "ec2", "action": "ec2:DescribeSubnets", "region": "ap-south-2", "code": "AuthFailure",
              "message": "127.0.0.1 answered 401: AuthFailure: because of AuthFailure" },
            { "service": "ec2", "action": "ec2:DescribeVpcs", "region": "ap-south-2", "code": "AuthFailure",
              "message": "127.0.0.1 answered 401: AuthFailure: because of AuthFailure" },
        ])
    );
    let pages = stand_in
        .asked()
        .iter()
        .filter(|asked| asked.region() == "eu-north-1" && asked.body.contains("DescribeVpcs"))
        .count();
    assert_eq!(pages, 3);
}

/// The stand-in answers none of them before it was asked for all.
#[tokio::test]
async fn all_regions_are_looked_into_at_the_same_time() {
    const NAMES: [&str; 17] = [
        "a-1", "a-2", "a-3", "a-4", "a-5", "a-6", "a-7", "a-8", "a-9", "b-1", "b-2", "b-3", "b-4", "b-5", "b-6", "b-7",
        "b-8",
    ];
    let both_lists_of_each = Arc::new(Barrier::new(2 * NAMES.len()));
    let stand_in = StandIn::start(move |asked| match asked.field("Action").as_deref() {
        Some("AssumeRole") => sts(asked, 3600).unwrap(),
        Some("DescribeRegions") => regions(&NAMES),
        Some("DescribeVpcs") => vpcs(asked, 5).after(&both_lists_of_each),
        Some("DescribeSubnets") => rest(asked).after(&both_lists_of_each),
        _ => rest(asked),
    })
    .await;
    let metadata = runner(&stand_in).run("FETCH_RESOURCES", &json!({}), Some(role(ROLE, ""))).await.metadata();
    let regions = metadata["cached_resources"]["vpcs"].as_object().unwrap();
    assert_eq!(regions.keys().collect::<Vec<_>>(), NAMES);
    assert!(regions.values().all(|vpcs| vpcs.as_array().unwrap().len() == 5));
}

#[tokio::test]
async fn lists_of_users_and_zones_are_read_to_their_end() {
    let stand_in = StandIn::start(|asked| {
        if let Some(answer) = sts(asked, 3600) {
            return answer;
        }
        match asked.field("Action").as_deref() {
            Some("DescribeRegions") => regions(&[]),
            Some("ListUsers") => {
                let (name, more) = if asked.field("Marker").as_deref() == Some("m/1=") { ("a", "<IsTruncated>false</IsTruncated>") } else { ("b", "<IsTruncated>true</IsTruncated><Marker>m/1=</Marker>") };
                Answer::xml(format!("<ListUsersResponse><ListUsersResult><Users><member><UserName>{name}</UserName><Arn>arn</Arn><Path>/</Path></member></Users>{more}</ListUsersResult></ListUsersResponse>"))
            }
            None => {
                let (name, more) = if asked.query("marker").as_deref() == Some("Z/2+") { ("a.", "<IsTruncated>false</IsTruncated>") } else { ("b.", "<IsTruncated>true</IsTruncated><NextMarker>Z/2+</NextMarker>") };
                Answer::xml(format!("<ListHostedZonesResponse><HostedZones><HostedZone><Id>/hostedzone/Z</Id><Name>{name}</Name><Config><PrivateZone>true</PrivateZone></Config><ResourceRecordSetCount>3</ResourceRecordSetCount></HostedZone></HostedZones>{more}</ListHostedZonesResponse>"))
            }
            _ => rest(asked),
        }
    })
    .await;
    let metadata = runner(&stand_in).run("FETCH_RESOURCES", &json!({}), Some(role(ROLE, ""))).await.metadata();
    let cached = &metadata["cached_resources"];
    let zone = |name: &str| json!({ "ID": "Z", "Name": name, "RecordCount": 3, "IsPrivate": true });
    assert_eq!(cached["hosted_zones"], json!([zone("a."), zone("b.")]));
    let names: Vec<_> = cached["iam_users"].as_array().unwrap().iter().map(|user| &user["username"]).collect();
    assert_eq!(json!(names), json!(["a", "b"]));
}

/// A stand-in for an AWS whose clock is ten minutes ahead: it refuses what is signed with ours.
#[tokio::test]
async fn a_clock_that_is_ten_minutes_wrong_is_mended() {
    let stand_in = StandIn::start(|asked| {
        let theirs = Utc::now() + Duration::minutes(10);
        let date = theirs.format("%a, %d %b %Y %H:%M:%S GMT").to_string();
        let signed = asked.header("x-amz-date").to_owned();
        let signed = chrono::NaiveDateTime::parse_from_str(&signed, "%Y%m%dT%H%M%SZ").unwrap().and_utc();
        if theirs.signed_duration_since(signed).num_minutes().abs() >= 5 {
            let said = if asked.service() == "ec2" { ec2_error(403, "RequestExpired") } else {
                Answer::new(403, "text/xml", "<ErrorResponse><Error><Code>SignatureDoesNotMatch</Code><Message>Signature expired</Message></Error></ErrorResponse>")
            };
            return said.header("date", &date);
        }
        let answer = sts(asked, 3600 + 600).unwrap_or_else(|| match asked.field("Action").as_deref() {
            Some("DescribeRegions") => regions(&["eu-north-1"]),
            _ => rest(asked),
        });
        answer.header("date", &date)
    })
    .await;
    let ended = runner(&stand_in).run("FETCH_RESOURCES", &json!({}), Some(role(ROLE, ""))).await;
    let metadata = ended.metadata();
    assert_eq!(metadata["errors"], json!([]), "{metadata}");
    assert_eq!(metadata["cached_resources"]["vpcs"]["eu-north-1"], json!([]));
}

#[tokio::test]
async fn what_answers_in_place_of_aws_is_told_from_aws() {
    let hotel = StandIn::start(|_| Answer::html()).await;
    let ended = runner(&hotel).run("CONNECTION_TEST", &json!({}), Some(role(ROLE, ""))).await;
    let error = ended.error();
    assert!(error.contains("is not STS") && error.contains("AWS_ENDPOINT_URL"), "{error}");
    let half = StandIn::start(|asked| match asked.field("Action").as_deref() {
        Some("AssumeRole" | "GetCallerIdentity") => sts(asked, 3600).unwrap(),
        _ => Answer::html(),
    })
    .await;
    let ended = runner(&half).run("FETCH_RESOURCES", &json!({}), Some(role(ROLE, ""))).await;
    let error = ended.error();
    assert!(error.contains("a page of HTML") && error.contains("proxy"), "{error}");
}

#[tokio::test]
async fn a_role_is_assumed_once_with_what_the_operator_set() {
    let stand_in = StandIn::start(|asked| {
        sts(asked, 3600).unwrap_or_else(|| match asked.field("Action").as_deref() {
            Some("DescribeRegions") => regions(&[]),
            _ => rest(asked),
        })
    })
    .await;
    let mut runner = runner(&stand_in);
    runner.settings.aws_session_s = Some(7200);
    runner.settings.aws_session_tags = true;
    let ended = runner.run("FETCH_RESOURCES", &json!({}), Some(role(ROLE, "ext-1"))).await;
    ended.metadata();
    let asked = stand_in.asked();
    let assumed: Vec<_> = asked.iter().filter(|asked| asked.body.contains("Action=AssumeRole")).collect();
    assert_eq!(assumed.len(), 1, "one round trip");
    let assumed = assumed[0];
    let id = ended.job.context.job().id.to_string();
    assert_eq!(assumed.field("RoleArn").as_deref(), Some(ROLE));
    assert_eq!(assumed.field("ExternalId").as_deref(), Some("ext-1"));
    assert_eq!(assumed.field("DurationSeconds").as_deref(), Some("7200"));
    assert_eq!(assumed.field("RoleSessionName"), Some(format!("alethia-{id}")));
    assert_eq!(
        (assumed.field("Tags.member.1.Key").as_deref(), assumed.field("Tags.member.1.Value")),
        (Some("alethia:job"), Some(id))
    );
    assert_eq!(assumed.field("Tags.member.2.Value").as_deref(), Some("FETCH_RESOURCES"));
}

/// The plane's token is preferred where the role has no external id, and it is never signed for.
#[tokio::test]
async fn the_planes_token_is_shown_where_there_is_one() {
    use executor_api::Input;
    let stand_in = StandIn::start(|asked| {
        sts(asked, 3600).unwrap_or_else(|| match asked.field("Action").as_deref() {
            Some("DescribeRegions") => regions(&[]),
            _ => rest(asked),
        })
    })
    .await;
    let runner = runner(&stand_in);
    let input = Input::OidcToken { audience: "sts.amazonaws.com".to_owned() };
    let wanted =
        |external_id: &str| executor_api::credential_inputs(Some(&role(ROLE, external_id)), &runner.settings).unwrap();
    assert!(wanted("").contains(&input) && wanted("ext-1").is_empty());
    let job = runner.job("FETCH_RESOURCES", &json!({})).input(input, "header.claims.signature\n").build().unwrap();
    runner.run_job(&job, Some(role(ROLE, ""))).await.unwrap();
    let assumed = &stand_in.asked()[0];
    assert_eq!(assumed.field("Action").as_deref(), Some("AssumeRoleWithWebIdentity"));
    assert_eq!(assumed.field("WebIdentityToken").as_deref(), Some("header.claims.signature"));
    assert_eq!(assumed.header("authorization"), "");
    assert!(!job.log().contains("header.claims"), "{}", job.log());
}

/// Where a role trusts the runner and not the plane, the runner's own word counts; where it trusts neither, the remedy
/// is the token's.
#[tokio::test]
async fn a_role_that_does_not_trust_the_plane_may_trust_the_runner() {
    use base64::Engine;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use executor_api::Input;
    let claims = json!({ "iss": "https://plane.example", "aud": "sts.amazonaws.com", "sub": "org:o:kind:k:job:j" });
    let token = format!("e30.{}.sig", URL_SAFE_NO_PAD.encode(claims.to_string()));
    for trusts_the_runner in [true, false] {
        let stand_in = StandIn::start(move |asked| {
            let no = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>Not authorized</Message></Error></ErrorResponse>";
            match asked.field("Action").as_deref() {
                Some("AssumeRoleWithWebIdentity") => Answer::new(403, "text/xml", no),
                Some("AssumeRole") if !trusts_the_runner => Answer::new(403, "text/xml", no),
                Some("AssumeRole" | "GetCallerIdentity") => sts(asked, 3600).unwrap(),
                Some("DescribeRegions") => regions(&[]),
                _ => rest(asked),
            }
        })
        .await;
        let runner = runner(&stand_in);
        let input = Input::OidcToken { audience: "sts.amazonaws.com".to_owned() };
        let job = runner.job("FETCH_RESOURCES", &json!({})).input(input, token.as_str()).build().unwrap();
        let ended = runner.run_job(&job, Some(role(ROLE, ""))).await;
        if trusts_the_runner {
            ended.unwrap();
            continue;
        }
        let error = ended.unwrap_err().to_string();
        assert!(error.starts_with("/cloud_identity/role_arn: does not trust the control plane"), "{error}");
        for part in [
            "sts:AssumeRoleWithWebIdentity",
            "oidc-provider/plane.example",
            "\"plane.example:sub\": \"org:o:kind:k:job:j\"",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }
}

/// Whoever may name a role on a runner of many organisations must be known by more than the runner's own right.
#[tokio::test]
async fn a_shared_runner_lends_its_own_right_to_nobody() {
    let stand_in = StandIn::start(|asked| sts(asked, 3600).unwrap_or_else(|| rest(asked))).await;
    let shared = runner(&stand_in).works_for_all();
    let refused = shared.run("CONNECTION_TEST", &json!({}), Some(role(ROLE, ""))).await;
    assert!(refused.error().starts_with("/cloud_identity/external_id: is missing"), "{}", refused.error());
    assert_eq!(stand_in.asked().len(), 0, "nobody was asked");
    shared.run("CONNECTION_TEST", &json!({}), Some(role(ROLE, "made-by-the-plane"))).await;
    assert_eq!(stand_in.asked()[0].field("Action").as_deref(), Some("AssumeRole"));
}
