//! Why there are no costs.

use executor_api::{ExecutorError, Finished};

/// Why there are no costs. Within a plan this is a warning ([`Self::into_warning`]); for a job that asks for costs it is
/// the end.
#[derive(Debug, thiserror::Error)]
pub enum CostError {
    /// Nobody gave the runner a key.
    #[error("the runner has no key for Infracost's prices; its operator sets INFRACOST_API_KEY")]
    NoKey,
    /// The key is wrong or was taken back.
    #[error("Infracost's pricing service does not take the runner's key; its operator sets a valid INFRACOST_API_KEY")]
    KeyRefused,
    /// The service did not answer, or not with prices.
    #[error(
        "Infracost's pricing service gave no prices ({0}); the runner must reach it, through a proxy or as \
         INFRACOST_PRICING_API_ENDPOINT"
    )]
    NoPrices(String),
    /// Anything else.
    #[error(transparent)]
    Failed(#[from] ExecutorError),
}

impl CostError {
    /// The text of a warning, for a job that can do without costs.
    ///
    /// # Errors
    /// If the job was asked to stop: that is no matter of costs.
    pub fn into_warning(self) -> Result<String, ExecutorError> {
        match self {
            Self::Failed(stopped @ ExecutorError::Stopped(_)) => Err(stopped),
            other => Ok(format!("no cost estimate: {other}")),
        }
    }

    /// What a program that ended with an error wants to say.
    pub(crate) fn of_exit(verb: &str, finished: &Finished) -> Self {
        let said = finished.stderr_tail.trim();
        let message = said.find("Error: ").map_or_else(|| last_line(said), |at| first_lines(&said[at..]));
        if message.contains("INFRACOST_API_KEY") && message.contains("not set")
            || message.contains("No INFRACOST_API_KEY")
        {
            return Self::NoKey;
        }
        Self::of_message(&message).unwrap_or_else(|| {
            let tool = format!("infracost {verb}");
            Self::Failed(ExecutorError::ToolFailed { tool, exit: finished.exit.clone(), message })
        })
    }

    /// What is meant by an error text of infracost 0.10, if it is about the pricing service.
    pub(crate) fn of_message(message: &str) -> Option<Self> {
        let is_one_of = |signs: &[&str]| signs.iter().any(|sign| message.contains(sign));
        if is_one_of(&["Invalid API Key", "Invalid API key", "invalid_api_key"]) {
            return Some(Self::KeyRefused);
        }
        let of_the_service = [
            "Error sending API request",
            "Invalid API response",
            "Received error from API",
            "giving up after",
            "above_quota",
        ];
        is_one_of(&of_the_service).then(|| Self::NoPrices(last_cause(message)))
    }
}

impl From<CostError> for ExecutorError {
    fn from(error: CostError) -> Self {
        match error {
            CostError::Failed(error) => error,
            other => Self::Other(other.to_string()),
        }
    }
}

/// The end of a chain of causes: the rest repeats the address five times.
fn last_cause(message: &str) -> String {
    let line = message.lines().next().unwrap_or_default();
    let causes: Vec<_> = line.split(": ").collect();
    causes[causes.len().saturating_sub(2)..].join(": ").chars().take(300).collect()
}

fn first_lines(text: &str) -> String {
    text.lines().take_while(|line| !line.starts_with("ERROR ")).take(10).collect::<Vec<_>>().join("\n")
}

fn last_line(text: &str) -> String {
    text.lines().last().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use executor_api::StopReason;

    #[test]
    fn what_infracost_says_of_its_service_is_understood() {
        let refused = "Error sending API request: Post \"http://127.0.0.1:1/graphql\": POST http://127.0.0.1:1/graphql \
                       giving up after 5 attempt(s): Post \"http://127.0.0.1:1/graphql\": dial tcp 127.0.0.1:1: connect: \
                       connection refused";
        let text = CostError::of_message(refused).unwrap().to_string();
        assert!(text.contains("gave no prices (connect: connection refused)"), "{text}");
        let key = "Invalid API Key, please check your INFRACOST_API_KEY environment variable";
        assert!(matches!(CostError::of_message(key), Some(CostError::KeyRefused)));
        assert!(CostError::of_message("No valid terraform files found given path").is_none());
    }

    #[test]
    fn a_plan_can_do_without_costs_but_not_go_on_when_it_is_to_stop() {
        let warning = CostError::NoKey.into_warning().unwrap();
        assert!(warning.starts_with("no cost estimate: ") && warning.contains("INFRACOST_API_KEY"), "{warning}");
        let stopped = CostError::Failed(ExecutorError::Stopped(StopReason::CancelledByUser));
        assert!(matches!(stopped.into_warning(), Err(ExecutorError::Stopped(_))));
    }
}
