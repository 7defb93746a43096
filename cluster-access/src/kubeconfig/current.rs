//! Which context of a kubeconfig counts, and what it refers to.

use executor_api::ExecutorError;

use super::checked::given;
use super::document::{ContextEntry, Document};

/// The context that `current-context` names, or the only one.
pub(super) fn current<'a>(document: &'a Document, pointer: &str) -> Result<(String, &'a ContextEntry), ExecutorError> {
    let contexts = document.contexts.as_deref().unwrap_or_default();
    let wrong = |field: &str, why: &str| ExecutorError::invalid(&format!("{pointer}/{field}"), why);
    match (given(document.current_context.as_ref()), contexts) {
        (Some(name), _) => {
            let contexts = contexts.iter().map(|one| (one.name.as_str(), &one.context));
            find(contexts, name, "contexts", pointer)?
                .ok_or_else(|| wrong("current-context", "there is no context of this name"))
        }
        (None, [only]) => Ok((format!("{pointer}/contexts/0/context"), &only.context)),
        (None, []) => Err(wrong("contexts", "there is no context; add one")),
        (None, _) => Err(wrong("current-context", "there are several contexts; say which one counts")),
    }
}

/// What a context refers to by its name.
pub(super) fn named<'a, T>(
    entries: impl Iterator<Item = (&'a str, &'a T)>,
    name: Option<&str>,
    what: &str,
    context: &str,
    pointer: &str,
) -> Result<(String, &'a T), ExecutorError> {
    let wrong = |why: &str| ExecutorError::invalid(&format!("{context}/{what}"), why);
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| wrong(&format!("the context names no {what}")))?;
    find(entries, name, &format!("{what}s"), pointer)?.ok_or_else(|| wrong(&format!("there is no {what} of this name")))
}

/// The one entry of this name, and its place.
fn find<'a, T>(
    entries: impl Iterator<Item = (&'a str, &'a T)>,
    name: &str,
    list: &str,
    pointer: &str,
) -> Result<Option<(String, &'a T)>, ExecutorError> {
    let mut found = None;
    for (index, (_, entry)) in entries.enumerate().filter(|(_, (other, _))| *other == name) {
        let at = format!("{pointer}/{list}/{index}");
        if found.is_some() {
            return Err(ExecutorError::invalid(&format!("{at}/name"), "another entry has the same name"));
        }
        found = Some((format!("{at}/{}", list.trim_end_matches('s')), entry));
    }
    Ok(found)
}
