//! The Applications that are in the cluster already, and whose they are.

use std::collections::BTreeMap;

use executor_api::ExecutorError;
use executor_kubectl::{Kubectl, Resource, Targets};
use serde_json::Value;

use super::applications::{ENVIRONMENT, OWNERS_WAVE, WAVE};

/// The kind.
const APPLICATIONS: &str = "applications.argoproj.io";

/// An Application that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) name: String,
    /// The environment that it belongs to, if it says so.
    pub(super) environment: Option<String>,
    /// When it goes: the highest first. Of what is not ours nobody knows, so it goes with the owner's.
    pub(super) wave: u8,
}

impl Known {
    fn of(object: &Value) -> Option<Self> {
        let metadata = &object["metadata"];
        let text = |field: &str, key: &str| metadata[field][key].as_str();
        let wave = text("annotations", WAVE).and_then(|wave| wave.parse().ok());
        Some(Self {
            name: metadata["name"].as_str()?.to_owned(),
            environment: text("labels", ENVIRONMENT).map(str::to_owned),
            wave: wave.unwrap_or(OWNERS_WAVE),
        })
    }

    pub(super) fn is_of(&self, environment: &str) -> bool {
        self.environment.as_deref() == Some(environment)
    }
}

/// All that are there, those that come last first. `kubectl` works where Argo CD lives. None if Argo CD is not there.
pub(super) async fn read(kubectl: &Kubectl<'_>) -> Result<Option<Vec<Known>>, ExecutorError> {
    if !has_kind(kubectl, APPLICATIONS).await? {
        return Ok(None);
    }
    let all = Targets::Kinds { kinds: vec![APPLICATIONS.to_owned()], selector: None };
    let mut known: Vec<_> = kubectl.get(&all).await?.iter().filter_map(Known::of).collect();
    known.sort_by_key(|one| (std::cmp::Reverse(one.wave), one.name.clone()));
    Ok(Some(known))
}

/// Whether somebody has brought a kind into the cluster.
pub(super) async fn has_kind(kubectl: &Kubectl<'_>, kind: &str) -> Result<bool, ExecutorError> {
    let definition = Resource::parse(&format!("customresourcedefinitions.apiextensions.k8s.io/{kind}"));
    Ok(kubectl.get_one(definition.map_err(ExecutorError::Other)?).await?.is_some())
}

/// An Application of that name which belongs to another environment would be taken over, and with it the Argo CD that
/// it lives in and the repository that this one reads. So this is asked before any of them is touched.
pub(super) fn refuse_others<'a>(
    known: &[Known],
    wanted: impl Iterator<Item = &'a str>,
    environment: &str,
) -> Result<(), ExecutorError> {
    let by_name: BTreeMap<_, _> = known.iter().map(|one| (one.name.as_str(), one)).collect();
    for name in wanted {
        let other = by_name.get(name).and_then(|one| one.environment.as_deref()).filter(|other| *other != environment);
        if let Some(other) = other {
            let why = format!(
                "the application {name} in this cluster belongs to the environment {other}, and is not touched, nor \
                 Argo CD; give each environment a cluster of its own, or leave both to the other with \
                 `argocd: {{ enabled: false }}`"
            );
            return Err(ExecutorError::Unsuccessful(why));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_ours_goes_with_the_owners() {
        let ours = json!({ "metadata": { "name": "a", "labels": { ENVIRONMENT: "e" }, "annotations": { WAVE: "1" } } });
        assert_eq!(Known::of(&ours), Some(Known { name: "a".to_owned(), environment: Some("e".to_owned()), wave: 1 }));
        let other = Known::of(&json!({ "metadata": { "name": "b" } })).unwrap();
        assert_eq!((other.wave, other.is_of("e")), (OWNERS_WAVE, false));
    }

    #[test]
    fn another_environments_application_is_not_taken_over() {
        let of = |environment: Option<&str>| Known {
            name: "a".to_owned(),
            environment: environment.map(str::to_owned),
            wave: 1,
        };
        let refuse = |known| refuse_others(&[of(known)], ["a", "b"].into_iter(), "mine");
        assert!(refuse(None).is_ok() && refuse(Some("mine")).is_ok());
        assert!(refuse(Some("theirs")).unwrap_err().to_string().contains("belongs to the environment theirs"));
    }
}
