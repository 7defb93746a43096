//! Addresses that are not ours to choose: what may be called, and what never.

#[cfg(any(feature = "gcp", feature = "azure"))]
use executor_api::CloudSettings;
use executor_api::{ExecutorError, is_metadata_service};
use url::Url;

#[cfg(any(feature = "gcp", feature = "azure"))]
/// The operator's address of a service, else the public one.
pub(crate) fn of(settings: &CloudSettings, name: &str, public: &str) -> Result<String, ExecutorError> {
    match settings.endpoints.get(name) {
        Some(url) => check(url, &format!("ALETHIA_CLOUD_ENDPOINTS ({name})")).map(|()| url.clone()),
        None => Ok(public.to_owned()),
    }
}

/// Refuses an address of the machine's metadata service: whoever it answers is the runner.
pub(crate) fn check(url: &str, setting: &str) -> Result<(), ExecutorError> {
    let wrong = |why: &str| ExecutorError::Other(format!("{setting} {why}; the runner's operator sets it"));
    let parsed = Url::parse(url).map_err(|_| wrong("is not a URL"))?;
    if !matches!(parsed.scheme(), "https" | "http") {
        return Err(wrong("is neither https:// nor http://"));
    }
    if is_metadata(&parsed) { Err(wrong("is the address of a metadata service, not of this one")) } else { Ok(()) }
}

/// Whether it is the machine itself that answers there with credentials.
pub(crate) fn is_metadata(url: &Url) -> bool {
    url.host().is_none_or(|host| is_metadata_service(&host))
}
