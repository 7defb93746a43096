//! On ECS: keeps the task from being stopped while the runner holds jobs. Deployments and a smaller count wait for it, where a
//! SIGTERM would leave two minutes at most.
//!
//! See "Task scale-in protection endpoint" in the manual of Amazon ECS. Elsewhere this does nothing.

use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::watch;

/// ECS forgets the protection after so many minutes, so that a runner that is gone does not keep its task for ever.
const LASTS_MINUTES: u32 = 120;
const RENEW: Duration = Duration::from_secs(30 * 60);
const AGAIN: Duration = Duration::from_secs(10);
/// The agent is on the same machine.
const PATIENCE: Duration = Duration::from_secs(5);

/// The agent of the task that we are in, and whether the task is protected.
pub(crate) struct TaskProtection {
    http: Client,
    url: String,
    protected: watch::Sender<bool>,
}

impl TaskProtection {
    /// The one at `ECS_AGENT_URI`.
    pub(crate) fn at(agent: &str) -> Result<Self, reqwest::Error> {
        let http = Client::builder().no_proxy().timeout(PATIENCE).build()?;
        let url = format!("{}/task-protection/v1/state", agent.trim_end_matches('/'));
        Ok(Self { http, url, protected: watch::Sender::new(false) })
    }

    /// Before a job begins. An agent that does not answer, or may not do this, is no reason to run no jobs.
    pub(crate) async fn wait(&self) {
        let mut protected = self.protected.subscribe();
        let waited = tokio::time::timeout(PATIENCE + AGAIN, protected.wait_for(|protected| *protected)).await;
        if waited.is_err() {
            tracing::warn!("the task is not protected; a deployment or a smaller count may end this job");
        }
    }

    /// Follows the number of jobs that are held. Never returns.
    pub(crate) async fn follow(&self, mut held: watch::Receiver<usize>) {
        loop {
            let busy = *held.borrow_and_update() > 0;
            if !busy {
                // A job that begins from here on waits until we have come round.
                self.protected.send_replace(false);
            }
            let said = self.say(busy).await;
            if let Err(why) = &said {
                tracing::warn!(why, "cannot say to ECS whether the task may be stopped; trying again");
            }
            self.protected.send_replace(busy && said.is_ok());
            let again = match (&said, busy) {
                (Err(_), _) => AGAIN,
                (Ok(()), true) => RENEW,
                (Ok(()), false) => Duration::MAX,
            };
            let changed = held.wait_for(|held| (*held > 0) != busy);
            let _ = tokio::time::timeout(again, changed).await;
        }
    }

    async fn say(&self, protected: bool) -> Result<(), String> {
        let lasts = protected.then_some(LASTS_MINUTES);
        let wish = match lasts {
            Some(minutes) => json!({ "ProtectionEnabled": true, "ExpiresInMinutes": minutes }),
            None => json!({ "ProtectionEnabled": false }),
        };
        let answer = self.http.put(&self.url).json(&wish).send().await.map_err(|error| crate::chain(&error))?;
        let answer: Value = answer.json().await.map_err(|error| crate::chain(&error))?;
        match answer["protection"]["ProtectionEnabled"].as_bool() == Some(protected) {
            true => Ok(()),
            false => Err(answer.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use axum::routing::put;
    use axum::{Json, Router};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    /// A stand-in for the agent of ECS: it says what it was asked.
    async fn agent() -> (String, mpsc::UnboundedReceiver<Value>) {
        let (asked, asks) = mpsc::unbounded_channel();
        let answer = move |Json(wish): Json<Value>| {
            let asked = asked.clone();
            async move {
                asked.send(wish.clone()).unwrap();
                Json(json!({ "protection": { "ProtectionEnabled": wish["ProtectionEnabled"], "TaskArn": "arn" } }))
            }
        };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/api/1", listener.local_addr().unwrap());
        let router = Router::new().route("/api/1/task-protection/v1/state", put(answer));
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        (url, asks)
    }

    #[tokio::test]
    async fn the_task_is_protected_while_jobs_are_held() {
        let (url, mut asks) = agent().await;
        let task = Arc::new(TaskProtection::at(&url).unwrap());
        let number = watch::Sender::new(0);
        let (following, held) = (Arc::clone(&task), number.subscribe());
        let following = tokio::spawn(async move { following.follow(held).await });
        assert_eq!(asks.recv().await.unwrap(), json!({ "ProtectionEnabled": false }), "what an earlier start left");
        number.send_replace(1);
        task.wait().await;
        assert_eq!(asks.recv().await.unwrap(), json!({ "ProtectionEnabled": true, "ExpiresInMinutes": 120 }));
        number.send_replace(2);
        task.wait().await;
        number.send_replace(0);
        assert_eq!(
            asks.recv().await.unwrap(),
            json!({ "ProtectionEnabled": false }),
            "once, and not for the second job"
        );
        following.abort();
    }

    #[tokio::test(start_paused = true)]
    async fn an_agent_that_is_not_there_delays_a_job_and_no_more() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        drop(listener);
        let task = Arc::new(TaskProtection::at(&url).unwrap());
        let number = watch::Sender::new(1);
        let (following, held) = (Arc::clone(&task), number.subscribe());
        let following = tokio::spawn(async move { following.follow(held).await });
        task.wait().await;
        assert!(!*task.protected.borrow());
        following.abort();
    }
}
