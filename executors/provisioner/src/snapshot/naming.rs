//! Names of the things of an environment: what each cloud allows, and that no two of a kind share one.

use std::collections::HashMap;

use executor_api::ExecutorError;

use super::field::Field;
use super::place::Provider;

/// What is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Thing {
    Database,
    Cache,
    Queue,
    Topic,
    Table,
    Secret,
    Registry,
    Bucket,
}

/// How a name may look. It always begins and ends with a letter or a digit.
struct Form {
    least: usize,
    most: usize,
    upper_case: bool,
    /// What may be between letters and digits, though never two of these in a row.
    between: &'static str,
}

/// The template puts project, stage and region before most names, and the clouds limit the whole.
fn form(thing: Thing, provider: Provider) -> Form {
    let (most, upper_case, between) = match (thing, provider) {
        (Thing::Database, _) => (30, false, "-_"),
        (Thing::Cache, _) => (20, false, "-_"),
        (Thing::Bucket, _) => (24, false, "-"),
        (Thing::Queue | Thing::Topic, _) => (35, true, "-_"),
        (Thing::Table, Provider::Aws) => (128, true, "-_."),
        (Thing::Table, Provider::Gcp) => (30, false, "-"),
        (Thing::Table, Provider::Azure) => (128, true, "-_"),
        (Thing::Secret, Provider::Aws) => (128, true, "-_./"),
        (Thing::Secret, Provider::Gcp) => (128, true, "-_"),
        (Thing::Secret, Provider::Azure) => (80, true, "-"),
        (Thing::Registry, Provider::Gcp) => (40, false, "-"),
        (Thing::Registry, _) => (128, false, "-_./"),
    };
    let least = match (thing, provider) {
        (Thing::Queue | Thing::Topic, Provider::Gcp) | (Thing::Bucket, Provider::Azure) => 3,
        _ => 1,
    };
    Form { least, most, upper_case, between }
}

impl Form {
    fn fits(&self, name: &str) -> bool {
        let is_end =
            |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() || (self.upper_case && c.is_ascii_uppercase());
        let ends = name.starts_with(is_end) && name.ends_with(is_end);
        let mut before = ' ';
        let inside = name.chars().all(|c| {
            let fits = is_end(c) || (self.between.contains(c) && !self.between.contains(before));
            before = c;
            fits
        });
        ends && inside && (self.least..=self.most).contains(&name.len())
    }

    fn remedy(&self) -> String {
        let letters = if self.upper_case { "letters" } else { "lower-case letters" };
        let between: Vec<_> = self.between.chars().map(|c| format!("single {c:?}")).collect();
        let (between, least, most) = (between.join(", "), self.least, self.most);
        format!("give a name of {least} to {most} {letters}, digits and {between} between them")
    }
}

/// What servers of databases have by themselves, or keep for themselves.
const TAKEN: [&str; 12] = [
    "azure-maintenance",
    "azure-sys",
    "cloudsqladmin",
    "information-schema",
    "mysql",
    "performance-schema",
    "postgres",
    "rdsadmin",
    "root",
    "sys",
    "template0",
    "template1",
];

/// The name of a thing.
pub(super) fn name(thing: Thing, provider: Provider, at: &str, given: Option<String>) -> Result<String, ExecutorError> {
    let form = form(thing, provider);
    let begins_with_letter = provider == Provider::Gcp || matches!(thing, Thing::Database | Thing::Cache);
    let fits = |name: String| {
        if !form.fits(&name) {
            Err(form.remedy())
        } else if begins_with_letter && name.starts_with(|c: char| c.is_ascii_digit()) {
            Err("give a name that begins with a letter".to_owned())
        } else if thing == Thing::Database && TAKEN.contains(&name.replace('_', "-").as_str()) {
            Err(format!("{name:?} is what a server has by itself; give another name, for example orders"))
        } else {
            Ok(name)
        }
    };
    Field::at(format!("{at}/name"), given).check(fits)?.required("give each a name of its own")
}

/// Refuses a name that is taken. What differs only in case, or in `-` and `_`, is the same name somewhere.
pub(super) fn refuse_twins<'a>(names: impl IntoIterator<Item = (String, &'a str)>) -> Result<(), ExecutorError> {
    let mut taken: HashMap<String, String> = HashMap::new();
    for (at, name) in names {
        let folded = name.to_ascii_lowercase().replace('_', "-");
        if let Some(before) = taken.insert(folded, at.clone()) {
            let why = format!("{name:?} is the name of {before} already; give it a name of its own");
            return Err(ExecutorError::invalid(&format!("{at}/name"), why));
        }
    }
    Ok(())
}

/// The places of a list's items, with their names.
pub(super) fn places<'a, T>(
    list: &'static str,
    items: &'a [T],
    name: fn(&T) -> &str,
) -> impl Iterator<Item = (String, &'a str)> {
    items.iter().enumerate().map(move |(at, item)| (format!("{list}/{at}"), name(item)))
}
