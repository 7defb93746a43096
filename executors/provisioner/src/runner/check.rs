//! What a value must be: each check names the field and the remedy.

use std::net::Ipv4Addr;

use executor_api::ExecutorError;
use url::Url;

/// CPU units that Fargate has, with the least and most memory for each and its steps, in MiB ("Task CPU and memory" in
/// the manual of Amazon ECS). The smallest has 512 besides.
const SIZES: [(u32, u32, u32, u32); 7] = [
    (256, 1024, 2048, 1024),
    (512, 1024, 4096, 1024),
    (1024, 2048, 8192, 1024),
    (2048, 4096, 16_384, 1024),
    (4096, 8192, 30_720, 1024),
    (8192, 16_384, 61_440, 4096),
    (16_384, 32_768, 122_880, 8192),
];
/// What CloudWatch Logs takes.
const RETENTIONS: [u32; 23] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653, 0];

pub(super) fn must(holds: bool, pointer: &str, remedy: &str) -> Result<(), ExecutorError> {
    if holds { Ok(()) } else { Err(ExecutorError::invalid(pointer, remedy)) }
}

/// Letters and digits, and some more, from 1 to `most`.
pub(super) fn is_word(text: &str, more: &str, most: usize) -> bool {
    (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || more.as_bytes().contains(&b))
}

pub(super) fn id(pointer: &str, text: &str) -> Result<(), ExecutorError> {
    must(is_word(text, "-_", 64), pointer, "an id has 1 to 64 letters, digits, '-' or '_'")
}

pub(super) fn token(pointer: &str, text: &str) -> Result<(), ExecutorError> {
    let fits = (16..=512).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    must(fits, pointer, "is no token of a runner: those have 16 to 512 visible characters")
}

pub(super) fn name(pointer: &str, text: &str) -> Result<(), ExecutorError> {
    let fits = (1..=64).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    must(fits, pointer, "a name has 1 to 64 printable characters")
}

pub(super) fn region(text: &str) -> Result<(), ExecutorError> {
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fits = text.len() <= 32 && text.split('-').count() >= 3 && text.split('-').all(is_part);
    must(fits, "/region", "give a region, for example eu-north-1")
}

/// Scheme and host. A token must not travel in clear.
pub(super) fn origin(pointer: &str, text: &str) -> Result<String, ExecutorError> {
    let remedy = "give https and a host without a path, for example https://alethia.example.com";
    let url = Url::parse(text).map_err(|_| ExecutorError::invalid(pointer, remedy))?;
    let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    must(url.scheme() == "https" && url.host().is_some() && plain, pointer, remedy)?;
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

pub(super) fn image(repository: &str, tag: &str) -> Result<(), ExecutorError> {
    let first = repository.bytes().next().is_some_and(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    let fits = first && is_word(repository, "._/:-", 255) && !repository.contains("//") && !repository.ends_with('/');
    must(fits, "/image_repository", "give the image without scheme and tag, for example registry.example.com/alethia")?;
    let is_digest = tag.strip_prefix("sha256:").is_some_and(|hex| hex.len() == 64 && is_word(hex, "", 64));
    let is_tag = is_word(tag, "_.-", 128) && !tag.starts_with(['.', '-']);
    must(is_digest || is_tag, "/image_tag", "give a tag, for example v1.2.3, or a digest (sha256:...)")
}

pub(super) fn size(cpu: u32, memory: u32) -> Result<(), ExecutorError> {
    let Some((_, least, most, step)) = SIZES.iter().find(|size| size.0 == cpu) else {
        return Err(ExecutorError::invalid("/cpu", "Fargate has 256, 512, 1024, 2048, 4096, 8192 and 16384 CPU units"));
    };
    let fits = (*least..=*most).contains(&memory) && memory.is_multiple_of(*step);
    let remedy = format!("with {cpu} CPU units Fargate has {least} to {most} MiB in steps of {step}");
    must(fits || (cpu, memory) == (256, 512), "/memory", &remedy)
}

pub(super) fn subnet(at: usize, text: &str) -> Result<(), ExecutorError> {
    let fits = text.strip_prefix("subnet-").is_some_and(|rest| (8..=17).contains(&rest.len()) && is_word(rest, "", 17));
    must(fits, &format!("/subnet_ids/{at}"), "give the id of a subnet, for example subnet-0a1b2c3d4e5f67890")
}

/// The network is cut into four, and a subnet of AWS has 16 addresses at least.
pub(super) fn cidr(text: &str) -> Result<(), ExecutorError> {
    let parsed = text.split_once('/').and_then(|(ip, bits)| Some((ip.parse::<Ipv4Addr>().ok()?, bits.parse().ok()?)));
    let fits = parsed.is_some_and(|(ip, bits): (Ipv4Addr, u32)| {
        (16..=26).contains(&bits) && ip.to_bits().trailing_zeros() >= 32 - bits
    });
    must(fits, "/vpc_cidr", "give a network from /16 to /26, for example 10.210.0.0/24")
}

/// A pattern that names roles. One that fits them all would make the runner whoever it likes.
pub(super) fn role(at: usize, text: &str) -> Result<(), ExecutorError> {
    let parts: Vec<_> = text.splitn(6, ':').collect();
    let fits = match parts.as_slice() {
        ["arn", partition, "iam", "", account, role] => {
            partition.starts_with("aws")
                && is_word(partition, "-", 20)
                && (*account == "*" || account.len() == 12 && account.bytes().all(|b| b.is_ascii_digit()))
                && role.strip_prefix("role/").is_some_and(|name| {
                    is_word(name, "+=,.@/_*-", 512) && name.bytes().filter(u8::is_ascii_alphanumeric).count() >= 3
                })
        }
        _ => false,
    };
    let remedy = "give a role, or a pattern that says what its name begins with, for example \
                  arn:aws:iam::123456789012:role/AlethiaProvisionerRole-*";
    must(fits, &format!("/assumable_roles/{at}"), remedy)
}

pub(super) fn retention(days: u32) -> Result<(), ExecutorError> {
    must(
        RETENTIONS.contains(&days),
        "/log_retention_days",
        "CloudWatch has 1, 3, 5, 7, 14, 30, 60, 90, ... days; 0 is for ever",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_one_passes() {
        for (good, bad) in [
            ("eu-north-1", vec!["", "eu", "EU-NORTH-1", "eu-north-1\n", "eu--1", "-x-y", "a-b-c d"]),
            ("us-gov-west-1", vec!["us_east_1"]),
        ] {
            assert!(region(good).is_ok());
            bad.iter().for_each(|bad| assert!(region(bad).is_err(), "{bad}"));
        }
        for (good, bad) in
            [("https://a.example", "http://a.example"), ("https://a.example:8443/", "https://a.example/x")]
        {
            assert!(origin("/alethia_url", good).is_ok_and(|url| !url.ends_with('/')));
            assert!(origin("/alethia_url", bad).is_err());
        }
        assert!(origin("/alethia_url", "https://u:p@a.example").is_err());
        for tag in ["v1.2.3", "latest", &format!("sha256:{}", "a".repeat(64))] {
            assert!(image("123456789012.dkr.ecr.eu-north-1.amazonaws.com/x/alethia", tag).is_ok(), "{tag}");
        }
        for (repository, tag) in
            [("https://x/y", "v"), ("-x", "v"), ("x y", "v"), ("x", ""), ("x", "a:b"), ("x", "-v"), ("x/", "v")]
        {
            assert!(image(repository, tag).is_err(), "{repository}:{tag}");
        }
    }

    #[test]
    fn sizes_are_those_of_fargate() {
        for (cpu, memory) in [(256, 512), (256, 2048), (512, 1024), (1024, 8192), (16_384, 122_880)] {
            assert!(size(cpu, memory).is_ok(), "{cpu} {memory}");
        }
        for (cpu, memory) in [(0, 1024), (300, 1024), (512, 512), (512, 1500), (1024, 1024), (8192, 17_408)] {
            assert!(size(cpu, memory).is_err(), "{cpu} {memory}");
        }
    }

    #[test]
    fn a_pattern_names_roles() {
        for good in ["arn:aws:iam::*:role/AlethiaProvisionerRole-*", "arn:aws-cn:iam::123456789012:role/path/deploy"] {
            assert!(role(0, good).is_ok(), "{good}");
        }
        for bad in
            ["*", "arn:aws:iam::*:role/*", "arn:aws:iam::*:user/x", "arn:aws:iam::1:role/abc", "arn:aws:s3::*:role/abc"]
        {
            assert!(role(0, bad).is_err(), "{bad}");
        }
        assert!(cidr("10.0.0.0/16").is_ok() && cidr("10.210.0.0/26").is_ok());
        assert!(["10.0.0.0/27", "10.0.0.0", "10.0.0.1/24", "x/24", "10.0.0.0/8"].iter().all(|bad| cidr(bad).is_err()));
        assert!(subnet(0, "subnet-0a1b2c3d").is_ok() && subnet(0, "vpc-0a1b2c3d").is_err());
    }
}
