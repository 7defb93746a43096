//! Where a cloud's metadata service answers: to it, whoever asks is the machine, and no job is that.

use std::net::Ipv4Addr;

use url::Host;

/// Link-local is not where all clouds have theirs: Alibaba, Azure.
const ELSEWHERE: [Ipv4Addr; 2] = [Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(168, 63, 129, 16)];

/// Whether a cloud's metadata service may answer at this host, in any spelling. `0.0.0.0` counts: it is this machine,
/// and no rule about loopback knows it.
#[must_use]
pub fn is_metadata_service<S: AsRef<str>>(host: &Host<S>) -> bool {
    match host {
        Host::Ipv4(ip) => is_address(*ip),
        Host::Ipv6(ip) => match ip.to_ipv4() {
            Some(ip) => is_address(ip),
            None => ip.is_unicast_link_local() || ip.segments()[..2] == [0xfd00, 0x0ec2],
        },
        Host::Domain(name) => {
            let name = name.as_ref().trim_end_matches('.').to_ascii_lowercase();
            name == "metadata"
                || name.ends_with("metadata.google.internal")
                || name.ends_with("metadata.azure.internal")
        }
    }
}

fn is_address(ip: Ipv4Addr) -> bool {
    ip.is_link_local() || ip.is_unspecified() || ELSEWHERE.contains(&ip)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_known_in_every_spelling() {
        let is = |host: &str| is_metadata_service(&Host::parse(host).unwrap());
        for host in [
            "169.254.169.254",
            "169.254.170.2",
            "2852039166",
            "0xa9fea9fe",
            "[::ffff:169.254.169.254]",
            "[fd00:ec2::254]",
            "[fd00:ec2::23]",
            "[fe80::1]",
            "100.100.100.200",
            "168.63.129.16",
            "[::ffff:168.63.129.16]",
            "0.0.0.0",
            "[::]",
            "metadata",
            "metadata.google.internal",
            "Metadata.Google.Internal.",
            "metadata.azure.internal",
        ] {
            assert!(is(host), "{host}");
        }
        for host in ["sts.amazonaws.com", "localhost", "127.0.0.1", "[::1]", "10.0.0.1", "[fd00::1]", "[2001:db8::1]"] {
            assert!(!is(host), "{host}");
        }
    }
}
