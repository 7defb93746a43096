//! A server that plays a cloud's API: it remembers what it was asked, byte for byte.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use serde_json::Value;
use tokio::sync::Barrier;

/// What it was asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// What it answers.
pub(crate) struct Answer {
    response: Response,
    after: Option<Arc<Barrier>>,
}

type Play = dyn Fn(&Asked) -> Answer + Send + Sync;

/// One server.
#[derive(Clone)]
pub(crate) struct StandIn {
    pub(crate) url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl StandIn {
    /// Serves until the test's runtime ends.
    pub(crate) async fn start(play: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let play: Arc<Play> = Arc::new(play);
        let remembered = Arc::clone(&asked);
        let handler = move |request: Request| {
            let (play, remembered) = (Arc::clone(&play), Arc::clone(&remembered));
            async move {
                let (parts, body) = request.into_parts();
                let body: Bytes = axum::body::to_bytes(body, 1 << 20).await.unwrap();
                let asked = Asked {
                    method: parts.method.to_string(),
                    path: parts.uri.to_string(),
                    headers: parts.headers,
                    body: String::from_utf8_lossy(&body).into_owned(),
                };
                remembered.lock().unwrap().push(asked.clone());
                let answer = play(&asked);
                if let Some(others) = answer.after {
                    others.wait().await;
                }
                answer.response
            }
        };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, Router::new().fallback(handler)).await });
        Self { url, asked }
    }

    /// Everything that it was asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A field of a form, decoded.
    pub(crate) fn field(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(self.body.as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    }

    /// A part of the query, decoded.
    pub(crate) fn query(&self, name: &str) -> Option<String> {
        let query = self.path.split_once('?')?.1;
        url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }

    /// The region that a request to AWS was signed for.
    pub(crate) fn region(&self) -> String {
        self.header("authorization").split('/').nth(2).unwrap_or_default().to_owned()
    }

    /// The service that a request to AWS was signed for.
    pub(crate) fn service(&self) -> String {
        self.header("authorization").split('/').nth(3).unwrap_or_default().to_owned()
    }
}

impl Answer {
    pub(crate) fn new(status: u16, kind: &str, body: impl Into<String>) -> Self {
        let body = Body::from(body.into());
        let status = StatusCode::from_u16(status).unwrap();
        let response = Response::builder().status(status).header("content-type", kind).body(body).unwrap();
        Self { response, after: None }
    }

    pub(crate) fn json(body: &Value) -> Self {
        Self::new(200, "application/json", body.to_string())
    }

    pub(crate) fn refused(status: u16, body: &Value) -> Self {
        Self::new(status, "application/json", body.to_string())
    }

    pub(crate) fn xml(body: impl Into<String>) -> Self {
        Self::new(200, "text/xml", body)
    }

    pub(crate) fn html() -> Self {
        Self::new(
            200,
            "text/html; charset=utf-8",
            "<!DOCTYPE html><html><body>Sign in to the hotel's network</body></html>",
        )
    }

    pub(crate) fn header(mut self, name: &'static str, value: &str) -> Self {
        self.response.headers_mut().insert(name, value.parse().unwrap());
        self
    }

    /// Not before as many have asked as the barrier counts.
    pub(crate) fn after(mut self, others: &Arc<Barrier>) -> Self {
        self.after = Some(Arc::clone(others));
        self
    }
}

/// The two answers of STS that every job under a role needs.
pub(crate) fn sts(asked: &Asked, seconds: i64) -> Option<Answer> {
    let now = chrono::Utc::now();
    let until = (now + chrono::Duration::seconds(seconds)).to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    match asked.field("Action")?.as_str() {
        "AssumeRole" | "AssumeRoleWithWebIdentity" => {
            let action = asked.field("Action")?;
            let (role, session) = (asked.field("RoleArn")?, asked.field("RoleSessionName")?);
            let key = format!("ASIA{:016X}", now.timestamp_micros());
            Some(Answer::xml(format!(
                "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result><Credentials>\
                 <AccessKeyId>{key}</AccessKeyId><SecretAccessKey>secret-of-{key}</SecretAccessKey>\
                 <SessionToken>token-of-{key}</SessionToken><Expiration>{until}</Expiration></Credentials>\
                 <AssumedRoleUser><Arn>{role}/{session}</Arn><AssumedRoleId>AROA:{session}</AssumedRoleId></AssumedRoleUser>\
                 </{action}Result></{action}Response>"
            )))
        }
        "GetCallerIdentity" => Some(Answer::xml(
            "<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:sts::111122223333:assumed-role/runner/i-1\
             </Arn><UserId>AIDA</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>",
        )),
        _ => None,
    }
}
