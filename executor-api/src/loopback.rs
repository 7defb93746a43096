//! What stays on this machine for certain: no network sees it, and no proxy need.

use url::{Host, Url};

/// Whether this address is on this machine for certain.
#[must_use]
pub fn goes_to_loopback(address: &str) -> bool {
    Url::parse(address).is_ok_and(|url| is_loopback(url.host().as_ref()))
}

/// Whether what goes there meets neither a proxy nor TLS. Who asks there needs no root certificates: to read the system's takes
/// milliseconds, for each job and each start.
#[must_use]
pub fn needs_no_roots(address: &str) -> bool {
    goes_to_loopback(address) && Url::parse(address).is_ok_and(|url| url.scheme() == "http")
}

/// Whether this host is this machine for certain. Names below `localhost` are not: who resolves them may ask the network.
#[must_use]
pub fn is_loopback(host: Option<&Host<&str>>) -> bool {
    match host {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.to_canonical().is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_certain_counts() {
        for local in [
            "http://localhost:1/x",
            "https://127.1",
            "http://127.0.0.2",
            "http://[::1]:80",
            "http://[::ffff:127.0.0.1]",
        ] {
            assert!(goes_to_loopback(local), "{local}");
            assert_eq!(needs_no_roots(local), local.starts_with("http:"), "{local}");
        }
        for other in
            ["http://a.localhost", "http://127.0.0.1.example", "http://10.0.0.1", "http://0.0.0.0", "localhost", ""]
        {
            assert!(!goes_to_loopback(other) && !needs_no_roots(other), "{other}");
        }
    }
}
