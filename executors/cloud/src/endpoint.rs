//! Addresses that are not ours to choose: what may be called, and what never.

use std::net::Ipv4Addr;

#[cfg(any(feature = "gcp", feature = "azure"))]
use executor_api::CloudSettings;
use executor_api::ExecutorError;
use url::{Host, Url};

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

/// Whether it is the machine itself that answers there with credentials: 169.254.0.0/16 in any spelling, and names.
pub(crate) fn is_metadata(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => is_metadata_ip(ip),
        Some(Host::Ipv6(ip)) => match ip.to_ipv4() {
            Some(ip) => is_metadata_ip(ip),
            None => ip.is_unicast_link_local() || ip.segments()[..2] == [0xfd00, 0x0ec2],
        },
        Some(Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "metadata"
                || name.ends_with("metadata.google.internal")
                || name.ends_with("metadata.azure.internal")
        }
        None => true,
    }
}

/// Link-local, and where the clouds that do not keep to it have theirs.
fn is_metadata_ip(ip: Ipv4Addr) -> bool {
    ip.is_link_local() || [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)].contains(&ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metadata_address_is_known_in_every_spelling() {
        for url in [
            "http://169.254.169.254/",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fd00:ec2::254]/",
            "http://metadata.google.internal/",
            "http://metadata.google.internal./",
            "http://169.254.170.2/v2",
        ] {
            assert!(is_metadata(&Url::parse(url).unwrap()), "{url}");
        }
        assert!(!is_metadata(&Url::parse("https://sts.amazonaws.com").unwrap()));
    }
}
