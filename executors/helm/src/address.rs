//! Addresses of repositories and registries: which are refused, and where credentials may be sent.

use executor_api::{is_loopback, is_metadata_service};
use url::{Host, Url};

/// True if credentials may be sent there.
pub(crate) fn check_repository(text: &str) -> Result<bool, String> {
    let form = "give the https:// address of the folder that holds index.yaml";
    if text.len() > 2048 || text.contains(|c: char| c.is_control() || c.is_whitespace() || c == '\\') {
        return Err(format!("{form}, without white space and backslashes"));
    }
    let url = Url::parse(text).map_err(|error| format!("{error}; {form}"))?;
    if !matches!(url.scheme(), "http" | "https") || !text[url.scheme().len()..].starts_with("://") {
        return Err(format!("the scheme {:?} is refused; {form}", url.scheme()));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("an address must not hold a user or a password; give `username` and `password`".to_owned());
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(format!("{form}, without query and fragment"));
    }
    let is_here = check_host(url.host().as_ref())?;
    Ok(url.scheme() == "https" || is_here)
}

/// The host with its port, and whether it is this machine.
pub(crate) fn check_reference(text: &str) -> Result<(String, bool), String> {
    let form = "give oci://host/path of the chart, without a version";
    let rest = text.strip_prefix("oci://").ok_or_else(|| form.to_owned())?;
    let (host, path) = rest.split_once('/').ok_or_else(|| form.to_owned())?;
    let is_part = |part: &str| {
        let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        !part.is_empty() && part.bytes().all(fits) && !part.starts_with(['.', '-', '_'])
    };
    if text.len() > 512 || !path.split('/').all(is_part) {
        return Err(format!("{form}: lower-case letters, digits, '.', '_', '-'"));
    }
    let is_host = |b: u8| b.is_ascii_alphanumeric() || b".-:[]".contains(&b);
    if host.is_empty() || host.starts_with('-') || !host.bytes().all(is_host) {
        return Err(form.to_owned());
    }
    let url = Url::parse(&format!("https://{host}/")).map_err(|error| format!("{error}; {form}"))?;
    Ok((host.to_owned(), check_host(url.host().as_ref())?))
}

/// True for this machine. A cloud's metadata service is none of a job's business.
fn check_host(host: Option<&Host<&str>>) -> Result<bool, String> {
    let host = host.ok_or("the address names no host")?;
    if is_metadata_service(host) {
        return Err("the host is a cloud's metadata service; that is refused".to_owned());
    }
    match host {
        Host::Domain(name) if name.starts_with('-') => Err("a host does not begin with '-'".to_owned()),
        _ => Ok(is_loopback(Some(host))),
    }
}
