//! One HTTP client for all that is not an SDK: no redirects, bounded answers, and errors that say what was wrong.

use std::time::Duration;

use backon::ExponentialBuilder;
#[cfg(any(feature = "gcp", feature = "azure"))]
use backon::Retryable;
use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap};
use reqwest::{Client, RequestBuilder, Response, StatusCode};
#[cfg(any(feature = "gcp", feature = "azure"))]
use {serde::de::DeserializeOwned, serde_json::Value};

/// No answer that we ask for is larger.
const LARGEST: usize = 32 * 1024 * 1024;
/// A clock that is further off than this makes signatures and tokens invalid.
const SKEW_SECONDS: i64 = 240;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    /// Nobody answered.
    #[error("cannot reach {host}: {why}")]
    Unreachable { host: String, why: String },
    /// It said no.
    #[error("{host} answered {status}: {}{hint}", said(code, message))]
    Refused {
        host: String,
        status: u16,
        /// The provider's word for it; may be empty.
        code: String,
        message: String,
        /// What we know beyond that.
        hint: String,
    },
    /// Whoever answered is not who should.
    #[error("{host} answered {what}; a proxy or a wrong address answers in its place")]
    Nonsense { host: String, what: String },
}

impl HttpError {
    /// The provider's word for it.
    pub(crate) fn code(&self) -> &str {
        match self {
            Self::Unreachable { .. } => "Unreachable",
            Self::Refused { code, .. } => code,
            Self::Nonsense { .. } => "Nonsense",
        }
    }

    #[cfg(any(feature = "gcp", feature = "azure"))]
    /// Whether the caller may not do this.
    pub(crate) fn is_denied(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403, .. })
    }

    #[cfg(any(feature = "gcp", feature = "azure"))]
    /// Whether there is no such thing.
    pub(crate) fn is_missing(&self) -> bool {
        // Azure answers the same about a subscription that nobody has.
        matches!(self, Self::Refused { status: 404, code, .. } if code != "SubscriptionNotFound")
    }

    #[cfg(any(feature = "gcp", feature = "azure"))]
    /// Whether the same call may work in a moment.
    fn is_passing(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused { status, .. } => *status == 429 || *status >= 500,
            Self::Nonsense { .. } => false,
        }
    }
}

/// The client of one job.
pub(crate) fn client() -> Client {
    Client::builder()
        // A redirect would carry a token to whoever is named in it.
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .timeout(Duration::from_secs(30))
        .user_agent(concat!("alethia-runner/", env!("CARGO_PKG_VERSION")))
        .build()
        .expect("the settings above are valid")
}

/// Pauses between tries: about a minute in all, never in step with others.
pub(crate) fn pauses() -> ExponentialBuilder {
    ExponentialBuilder::default()
        .with_jitter()
        .with_min_delay(Duration::from_millis(200))
        .with_max_delay(Duration::from_secs(20))
        .with_max_times(7)
}

#[cfg(any(feature = "gcp", feature = "azure"))]
/// Sends a request that may be sent again, and reads the JSON of its answer.
pub(crate) async fn json<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, HttpError> {
    let once = || async {
        let request = request.try_clone().expect("no request here streams its body");
        let answer = Answer::of(request).await?;
        answer.json()
    };
    once.retry(pauses()).when(HttpError::is_passing).await
}

/// A whole answer.
pub(crate) struct Answer {
    pub(crate) host: String,
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) async fn of(request: RequestBuilder) -> Result<Self, HttpError> {
        let (client, request) = request.build_split();
        let request =
            request.map_err(|error| HttpError::Nonsense { host: "the address".into(), what: error.to_string() })?;
        let host = request.url().host_str().unwrap_or_default().to_owned();
        let response = client.execute(request).await.map_err(|error| unreachable(&host, &error))?;
        Self::read(response, host).await
    }

    async fn read(mut response: Response, host: String) -> Result<Self, HttpError> {
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(part) = response.chunk().await.map_err(|error| unreachable(&host, &error))? {
            body.extend_from_slice(&part);
            if body.len() > LARGEST {
                return Err(HttpError::Nonsense { host, what: "more than 32 MiB".to_owned() });
            }
        }
        Ok(Self { host, status, headers, body })
    }

    #[cfg(any(feature = "gcp", feature = "azure"))]
    fn json<T: DeserializeOwned>(&self) -> Result<T, HttpError> {
        if !self.status.is_success() {
            return Err(self.refused_json());
        }
        serde_json::from_slice(&self.body).map_err(|_| self.nonsense())
    }

    #[cfg(any(feature = "gcp", feature = "azure"))]
    /// The error forms of OAuth and of the two clouds that speak JSON.
    fn refused_json(&self) -> HttpError {
        let said: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let error = &said["error"];
        let (code, message) = if error.is_object() {
            let code = error["status"].as_str().or_else(|| error["code"].as_str());
            (code.unwrap_or_default(), error["message"].as_str().unwrap_or_default())
        } else {
            (error.as_str().unwrap_or_default(), said["error_description"].as_str().unwrap_or_default())
        };
        self.refused(code, message)
    }

    pub(crate) fn refused(&self, code: &str, message: &str) -> HttpError {
        if code.is_empty() && self.is_html() {
            return self.nonsense();
        }
        HttpError::Refused {
            host: self.host.clone(),
            status: self.status.as_u16(),
            code: code.to_owned(),
            // The rest is trace ids.
            message: message.lines().next().unwrap_or_default().trim().to_owned(),
            hint: self.skew().map(|skew| format!(" ({skew})")).unwrap_or_default(),
        }
    }

    pub(crate) fn nonsense(&self) -> HttpError {
        let form = if self.is_html() { "a page of HTML" } else { "something that is not its protocol" };
        HttpError::Nonsense { host: self.host.clone(), what: format!("{} with {form}", self.status.as_u16()) }
    }

    fn is_html(&self) -> bool {
        let declared = self.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let start: String = String::from_utf8_lossy(&self.body).trim_start().chars().take(14).collect();
        declared.contains("html")
            || start.to_ascii_lowercase().starts_with("<!doctype html")
            || start.starts_with("<html")
    }

    /// How far the answering side's clock is ahead of ours, where that matters.
    pub(crate) fn skew_seconds(&self) -> Option<i64> {
        let date = self.headers.get(DATE)?.to_str().ok()?;
        let theirs = DateTime::parse_from_rfc2822(date).ok()?;
        let ahead = theirs.with_timezone(&Utc).signed_duration_since(Utc::now()).num_seconds();
        (ahead.abs() > SKEW_SECONDS).then_some(ahead)
    }

    fn skew(&self) -> Option<String> {
        let ahead = self.skew_seconds()?;
        let (minutes, side) = (ahead.abs() / 60, if ahead > 0 { "behind" } else { "ahead of" });
        Some(format!("the runner's clock is {minutes} minutes {side} that server's; set it right"))
    }
}

fn said(code: &str, message: &str) -> String {
    [code, message].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(": ")
}

fn unreachable(host: &str, error: &reqwest::Error) -> HttpError {
    let causes = std::iter::successors(std::error::Error::source(error), |error| error.source());
    let why = causes.last().map_or_else(|| error.to_string(), ToString::to_string);
    HttpError::Unreachable { host: host.to_owned(), why }
}

/// The media type of a form.
#[cfg(any(feature = "gcp", feature = "azure"))]
pub(crate) const FORM: &str = "application/x-www-form-urlencoded";

/// The body of a form.
#[cfg(any(feature = "gcp", feature = "azure"))]
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}
