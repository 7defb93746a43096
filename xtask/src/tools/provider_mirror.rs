//! A mirror of terraform's providers, where the machine carries one: no package registry has the one of AWS.

use std::fs;
use std::path::{Path, PathBuf};

use crate::process::variable;

/// Says to the tests where it is; who sets it says so to us.
pub(crate) const PROVIDERS: &str = "ALETHIA_TEST_PROVIDERS";
const AWS: &str = "registry.terraform.io/hashicorp/aws";

/// Where terraform itself looks, and one folder deeper where add-on software is.
const PLACES: [&str; 3] = ["/usr/local/share/terraform/plugins", "/usr/share/terraform/plugins", "/opt"];

/// The first that has the provider of AWS.
pub(crate) fn find() -> Option<PathBuf> {
    if let Some(said) = variable(PROVIDERS) {
        return Some(said.into());
    }
    let home = variable("HOME").map(|home| Path::new(&home).join(".terraform.d/plugins"));
    let places = home.into_iter().chain(PLACES.map(PathBuf::from));
    let below = |place: &Path| fs::read_dir(place).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut candidates = places.flat_map(|place| below(&place).chain([place.clone()]).collect::<Vec<_>>());
    candidates.find(|folder| folder.join(AWS).is_dir())
}
