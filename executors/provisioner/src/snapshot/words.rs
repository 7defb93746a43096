//! What texts of a snapshot may look like. Each check hands the text back, in its one spelling, or says what would be right.

use std::time::Duration;

use executor_api::{is_label, is_loopback};
use executor_git::GitUrl;
use ipnet::Ipv4Net;
use semver::VersionReq;

use super::place::Provider;

type Checked = Result<String, String>;

/// The text, if it has a length and consists of what is allowed; else `remedy`.
pub(super) fn spelled(text: &str, most: usize, is_allowed: impl Fn(char) -> bool, remedy: &str) -> Checked {
    let fits = (1..=most).contains(&text.len()) && text.chars().all(is_allowed);
    if fits { Ok(text.to_owned()) } else { Err(format!("give {remedy}, at most {most} characters")) }
}

fn is_plain(c: char, more: &str) -> bool {
    c.is_ascii_alphanumeric() || more.contains(c)
}

/// `[a-z0-9][a-z0-9-]*`, at most 25.
pub(super) fn project_name(text: &str) -> Checked {
    let remedy = "lower-case letters, digits and '-', beginning with a letter or a digit";
    if text.starts_with('-') {
        return Err(format!("give {remedy}, at most 25 characters"));
    }
    spelled(text, 25, |c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-', remedy)
}

/// A word that is safe in the key of a state and as a part of its name.
pub(super) fn zone_id(text: &str) -> Checked {
    let remedy = "letters, digits, '.', '_' and '-', beginning with a letter or a digit";
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) || text.contains("..") {
        return Err(format!("give {remedy}, at most 48 characters"));
    }
    spelled(text, 48, |c| is_plain(c, "._-"), remedy)
}

/// A word, with what else than letters and digits may be in it; never an option.
pub(super) fn word(text: &str, most: usize, more: &str) -> Checked {
    let shown: String = more.chars().map(|c| format!(" {c}")).collect();
    let remedy =
        format!("letters, digits and any of{shown}, with a letter, a digit, '/' or '_' first and without '..'");
    if !text.starts_with(|c| is_plain(c, "/_")) || text.contains("..") {
        return Err(format!("give {remedy}"));
    }
    spelled(text, most, |c| is_plain(c, more), &remedy)
}

/// One line that somebody typed.
pub(super) fn line(text: &str, most: usize) -> Checked {
    spelled(text, most, |c| !c.is_control() && !c.is_whitespace(), "a text without white space and control characters")
}

/// A network that the provider's template can divide.
pub(super) fn network_cidr(text: &str, provider: Provider) -> Checked {
    let (largest, smallest) = match provider {
        Provider::Aws => (16, 20),
        Provider::Gcp => (12, 18),
        Provider::Azure => (12, 20),
    };
    let net = ipv4_net(text)?;
    if (largest..=smallest).contains(&net.prefix_len()) {
        return Ok(net.to_string());
    }
    Err(format!("give a network from /{largest} to /{smallest}, for example 10.0.0.0/16"))
}

/// A range of addresses.
pub(super) fn cidr(text: &str) -> Checked {
    ipv4_net(text).map(|net| net.to_string())
}

fn ipv4_net(text: &str) -> Result<Ipv4Net, String> {
    let net: Ipv4Net = text.parse().map_err(|_| "give an IPv4 network, for example 10.0.0.0/16".to_owned())?;
    if net.addr() == net.network() {
        Ok(net)
    } else {
        Err(format!("is an address inside of a network; the network is {}", net.trunc()))
    }
}

/// The name of a domain, as a registrar has it.
pub(super) fn domain_name(text: &str) -> Checked {
    let name = text.trim_end_matches('.').to_ascii_lowercase();
    let has_end = name.rsplit_once('.').is_some_and(|(_, end)| end.len() >= 2);
    let fits = name.len() <= 253 && has_end && name.split('.').all(is_label);
    if fits { Ok(name) } else { Err("give a domain's name, for example shop.example.com".to_owned()) }
}

/// `00000000-0000-0000-0000-000000000000`.
pub(super) fn is_uuid(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// A repository over https or ssh.
pub(super) fn repository(text: &str) -> Checked {
    GitUrl::parse(text).map(|url| url.to_string()).map_err(|error| error.to_string())
}

/// The address of a chart repository.
pub(super) fn chart_repository(text: &str) -> Checked {
    let parsed = url::Url::parse(text).ok().filter(|url| {
        let is_safe =
            matches!(url.scheme(), "https" | "oci") || url.scheme() == "http" && is_loopback(url.host().as_ref());
        is_safe && url.host_str().is_some() && url.username().is_empty()
    });
    match parsed.filter(|url| url.password().is_none() && !text.contains(char::is_whitespace) && text.len() <= 2048) {
        Some(_) => Ok(text.to_owned()),
        None => Err("give a chart repository over https or oci, without user and password".to_owned()),
    }
}

/// Which versions of terraform will do.
pub(super) fn version_requirement(text: &str) -> Checked {
    match VersionReq::parse(text) {
        Ok(_) => Ok(text.to_owned()),
        Err(error) => Err(format!("{error}; give for example 1.10.3 or >=1.9, <2")),
    }
}

/// Who may use a bucket from a browser.
pub(super) fn origin(text: &str) -> Checked {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let fits = host.is_some_and(|host| (1..=253).contains(&host.len()) && host.chars().all(|c| is_plain(c, ".-:*")));
    if fits || text == "*" {
        Ok(text.to_owned())
    } else {
        Err("give an origin, for example https://shop.example.com".to_owned())
    }
}

/// `90s`, `15m` or `1h 30m`, up to a day.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let fits = |limit: &Duration| (1..=86_400).contains(&limit.as_secs());
    humantime::parse_duration(text)
        .ok()
        .filter(fits)
        .ok_or_else(|| "give a time of up to a day, for example 15m".to_owned())
}

/// The minor version of Kubernetes; Google and Azure take a patch too.
pub(super) fn cluster_version(text: &str, provider: Provider) -> Checked {
    let numbers = text.split_once('-').map_or(text, |(numbers, _)| numbers);
    let numbers: Vec<_> = numbers.split('.').collect();
    let is_number = |part: &&str| (1..=4).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
    let fits = match provider {
        Provider::Aws => numbers.len() == 2 && !text.contains('-'),
        Provider::Gcp | Provider::Azure => (2..=3).contains(&numbers.len()),
    };
    let is_known = numbers[0] == "1" && numbers.get(1).is_some_and(|minor| minor.len() == 2);
    if !fits || !is_known || !numbers.iter().all(is_number) {
        return Err("give a version of Kubernetes, for example 1.32".to_owned());
    }
    word(text, 32, ".-")
}
