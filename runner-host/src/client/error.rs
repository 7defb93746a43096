//! Why a request did not succeed, and what that means for what was asked.

use std::time::Duration;

use reqwest::StatusCode;

use super::STALLED;

/// Why a request did not succeed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ClientError {
    /// No answer.
    #[error("cannot reach the control plane")]
    Unreachable(#[source] reqwest::Error),
    /// No answer any more: nothing moves.
    #[error("nothing has come from the control plane for {} s", STALLED.as_secs())]
    Stalled,
    /// An answer that says no.
    #[error("the control plane answered {status}: {text}")]
    Refused {
        /// Its status.
        status: StatusCode,
        /// What it says, shortened.
        text: String,
        /// How long it asks to be left alone.
        pause: Duration,
    },
    /// An answer that is not the plane's: a proxy's that has no route to it, or a portal's.
    #[error("something on the way to the control plane answered {status}: {text}")]
    Stranger {
        /// Its status.
        status: StatusCode,
        /// What it says, shortened.
        text: String,
        /// How long it asks to be left alone.
        pause: Duration,
    },
    /// An answer that is none.
    #[error("the control plane's answer makes no sense: {0}")]
    Nonsense(String),
    /// The report came before the end of the log.
    #[error("the control plane has the log only up to {0}")]
    LogBehind(u64),
}

/// What an error means for what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// The same may succeed later: hours of silence, 5xx and a token that was revoked meanwhile are no reason to give up a
    /// result.
    Again,
    /// It was damaged on its way, or is wrong in itself; a few more times will tell.
    MayBeDamaged,
    /// It is about what was sent: that costs what was sent, not the job.
    CostsItself,
    /// It is about the job: nothing more of it is taken.
    Refused,
}

impl ClientError {
    /// The one place that says what an answer means, by who gave it and its status.
    pub(crate) fn verdict(&self) -> Verdict {
        let status = match self {
            Self::Unreachable(_) | Self::Stalled | Self::Nonsense(_) => return Verdict::Again,
            Self::LogBehind(_) => return Verdict::CostsItself,
            _ if self.is_too_large() => return Verdict::CostsItself,
            // Whoever it is, it is no word of the plane about the job, nor about what was sent.
            Self::Stranger { .. } => return Verdict::Again,
            Self::Refused { status, .. } => *status,
        };
        match status {
            // A body that was cut off or damaged on its way, too many requests, a token that somebody may bring back.
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS | StatusCode::UNAUTHORIZED => Verdict::Again,
            StatusCode::BAD_REQUEST => Verdict::MayBeDamaged,
            StatusCode::UNPROCESSABLE_ENTITY => Verdict::CostsItself,
            _ if status.is_server_error() => Verdict::Again,
            _ => Verdict::Refused,
        }
    }

    /// Whether the same request may succeed later.
    pub(crate) fn is_retryable(&self) -> bool {
        self.verdict() == Verdict::Again
    }

    /// Whether so much at once does not pass: a proxy has limits of its own.
    pub(crate) fn is_too_large(&self) -> bool {
        self.status() == Some(StatusCode::PAYLOAD_TOO_LARGE)
    }

    /// How long whoever has answered asks to be left alone.
    pub(crate) fn pause(&self) -> Duration {
        match self {
            Self::Refused { pause, .. } | Self::Stranger { pause, .. } => *pause,
            _ => Duration::ZERO,
        }
    }

    pub(crate) fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Refused { status, .. } | Self::Stranger { status, .. } => Some(*status),
            _ => None,
        }
    }
}
