//! Reading: `kubectl get` and `kubectl wait`.

use std::collections::BTreeMap;
use std::time::Duration;

use executor_api::ExecutorError;
use serde_json::Value;

use crate::kubectl::{Interrupted, Kubectl};
use crate::lines;
use crate::secrets;
use crate::targets::{Resource, Targets};
use crate::until::Until;

impl Kubectl<'_> {
    /// Objects as the cluster has them, but the data of Secrets, which is hidden. None of it reaches the log.
    ///
    /// # Errors
    /// If one that is named is not there, or the cluster does not answer.
    pub async fn get(&self, targets: &Targets) -> Result<Vec<Value>, ExecutorError> {
        let mut objects = self.objects(targets.add_to(self.request(&["get"]).arg("--output=json"))).await?;
        objects.iter_mut().for_each(secrets::hide);
        Ok(objects)
    }

    /// One object, or none if it is not there. None of it reaches the log.
    ///
    /// # Errors
    /// If the cluster does not answer, or does not know us or the kind.
    pub async fn get_one(&self, resource: Resource) -> Result<Option<Value>, ExecutorError> {
        let command = self.request(&["get"]).args(["--output=json", "--ignore-not-found"]);
        let mut found = self.objects(Targets::one(resource).add_to(command)).await?;
        found.iter_mut().for_each(secrets::hide);
        Ok(found.pop())
    }

    /// All objects of some kinds, whatever namespace they are in. None of it reaches the log.
    ///
    /// # Errors
    /// If the cluster does not answer, or does not know us or a kind.
    pub async fn get_everywhere(&self, kinds: &[&str]) -> Result<Vec<Value>, ExecutorError> {
        let kinds = kinds.iter().map(|kind| (*kind).to_owned()).collect();
        let command = self.request(&["get"]).args(["--output=json", "--all-namespaces"]);
        let mut found = self.objects(Targets::Kinds { kinds, selector: None }.add_to(command)).await?;
        found.iter_mut().for_each(secrets::hide);
        Ok(found)
    }

    /// The data of a Secret, decoded, and hidden from the log from here on. None if there is no such Secret.
    ///
    /// # Errors
    /// If the name is none, or the cluster does not answer.
    pub async fn secret(&self, name: &str) -> Result<Option<BTreeMap<String, Vec<u8>>>, ExecutorError> {
        let resource = Resource::parse(&format!("secret/{name}")).map_err(ExecutorError::Other)?;
        let command = self.request(&["get"]).args(["--output=json", "--ignore-not-found"]);
        let found = self.objects(Targets::one(resource).add_to(command)).await?;
        let Some(secret) = found.first() else { return Ok(None) };
        for value in secrets::values(secret) {
            self.job.mask(&value);
        }
        let entries = secret["data"].as_object().into_iter().flatten();
        let decoded = entries.filter_map(|(key, value)| Some((key.clone(), secrets::decode(value.as_str()?)?)));
        Ok(Some(decoded.collect()))
    }

    /// Waits until something holds for all objects, as long as `limit` for each; says for which it does.
    ///
    /// # Errors
    /// If it does not come about in time, and for which it did.
    pub async fn wait(
        &self,
        targets: &Targets,
        until: &Until,
        limit: Duration,
    ) -> Result<Vec<String>, Interrupted<Vec<String>>> {
        let command = self.command(&["wait"]).arg(format!("--for={}", until.word()));
        let command = command.arg(format!("--timeout={}s", limit.as_secs()));
        let command = match targets {
            Targets::Kinds { selector: None, .. } => command.arg("--all"),
            _ => command,
        };
        let finished = match self.job.tee(targets.add_to(command)).await {
            Ok(finished) => finished,
            Err(error) => return Err(Interrupted { error, known: Vec::new() }),
        };
        let met = lines::met(&finished.stdout);
        match self.succeeded("wait", &finished) {
            Ok(()) => Ok(met),
            Err(error) => Err(Interrupted { error, known: met }),
        }
    }
}
