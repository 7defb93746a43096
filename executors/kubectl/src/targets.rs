//! What a command works on: the objects of manifests, named objects, or all of some kinds that a selector finds.

use std::ffi::OsString;
use std::fmt;

use executor_api::Command;

use crate::manifests::ManifestFiles;
use crate::names::{is_kind, is_name, is_selector};

/// A named object in kubectl's notation: `deployment/web`, `deployments.apps/web`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource {
    kind: String,
    name: String,
}

impl Resource {
    /// Reads `kind/name`.
    ///
    /// # Errors
    /// What would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.split_once('/') {
            Some((kind, name)) if is_kind(kind) && is_name(name) => {
                Ok(Self { kind: kind.to_owned(), name: name.to_owned() })
            }
            _ => Err("name an object as `kind/name`, for example `deployment/web`".to_owned()),
        }
    }

    /// Its kind, as it was given.
    #[must_use]
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind, self.name)
    }
}

/// What a command works on.
#[derive(Clone, Debug)]
pub enum Targets {
    /// The objects of these manifests.
    Manifests(ManifestFiles),
    /// These objects.
    Named(Vec<Resource>),
    /// All objects of these kinds.
    Kinds {
        /// For example `pods`, `deployments.apps`.
        kinds: Vec<String>,
        /// Only those with these labels.
        selector: Option<String>,
    },
}

impl Targets {
    /// One named object.
    #[must_use]
    pub fn one(resource: Resource) -> Self {
        Self::Named(vec![resource])
    }

    /// Of words that are all `kind/name` or all kinds.
    ///
    /// # Errors
    /// The number of the word that is wrong, and why; none if it is the selector.
    pub(crate) fn of_words(words: &[String], selector: Option<&str>) -> Result<Self, (Option<usize>, String)> {
        if let Some(selector) = selector.filter(|selector| !is_selector(selector)) {
            let start: String = selector.chars().take(20).collect();
            return Err((None, format!("{start:?} is no selector of labels; give for example `app=web`")));
        }
        if words.iter().all(|word| is_kind(word)) {
            return Ok(Self::Kinds { kinds: words.to_vec(), selector: selector.map(str::to_owned) });
        }
        let named = words.iter().enumerate().map(|(at, word)| Resource::parse(word).map_err(|why| (Some(at), why)));
        let named = named.collect::<Result<_, _>>()?;
        match selector {
            None => Ok(Self::Named(named)),
            Some(_) => Err((None, "a selector goes with kinds, for example `pods`, and not with names".to_owned())),
        }
    }

    /// What they are when asked: files as they are, the rest behind `--`. Nothing may follow.
    pub(crate) fn add_to(&self, command: Command) -> Command {
        match self {
            Self::Manifests(files) => files.add_to(command),
            Self::Named(named) => command.arg("--").args(named.iter().map(ToString::to_string)),
            Self::Kinds { kinds, selector } => {
                let selector = selector.iter().map(|selector| OsString::from(format!("--selector={selector}")));
                command.args(selector).arg("--").arg(kinds.join(","))
            }
        }
    }
}
