//! What an AWS identity may look like, and in which partition of AWS it is.

use executor_api::{CloudIdentity, CloudSettings, ExecutorError, JobId};

use crate::identity::{check_provider, check_text, refusal};

/// A role's parts.
pub(super) struct RoleArn<'a> {
    pub(super) partition: &'a str,
    pub(super) account: &'a str,
}

/// Checks an identity without asking anybody.
pub(super) fn check(identity: &CloudIdentity, settings: &CloudSettings) -> Result<(), ExecutorError> {
    check_provider(identity, "aws")?;
    check_account(&identity.account_id)?;
    if identity.role_arn.is_empty() {
        return check_ambient(identity, settings);
    }
    let role = RoleArn::parse(&identity.role_arn)?;
    if !identity.account_id.is_empty() && identity.account_id != role.account {
        let why = format!("is not the account of the role, which is {}", role.account);
        return Err(refusal("account_id", why));
    }
    check_external_id(&identity.external_id)
}

fn check_ambient(identity: &CloudIdentity, settings: &CloudSettings) -> Result<(), ExecutorError> {
    if !identity.external_id.is_empty() {
        return Err(refusal("role_arn", "is missing, and the external id belongs to a role; give the role's ARN"));
    }
    if settings.ambient_identity {
        return Ok(());
    }
    Err(refusal("role_arn", "is missing; give the ARN of the role that jobs assume"))
}

fn check_account(account: &str) -> Result<(), ExecutorError> {
    if account.is_empty() || is_account(account) {
        return Ok(());
    }
    Err(refusal("account_id", "is no AWS account: give its 12 digits"))
}

fn is_account(text: &str) -> bool {
    text.len() == 12 && text.bytes().all(|b| b.is_ascii_digit())
}

/// The characters that STS takes.
fn check_external_id(id: &str) -> Result<(), ExecutorError> {
    let fits = |c: char| c.is_ascii_alphanumeric() || "_+=,.@:/-".contains(c);
    check_text("external_id", id, 1224)?;
    if id.is_empty() || id.len() >= 2 && id.chars().all(fits) {
        return Ok(());
    }
    Err(refusal("external_id", "has 2 to 1224 letters, digits and '_+=,.@:/-'"))
}

impl<'a> RoleArn<'a> {
    pub(super) fn parse(arn: &'a str) -> Result<Self, ExecutorError> {
        check_text("role_arn", arn, 2048)?;
        let wrong = || {
            let why = "is no role's ARN; it looks like arn:aws:iam::123456789012:role/deployer";
            refusal("role_arn", why)
        };
        let mut parts = arn.splitn(6, ':');
        let mut next = || parts.next().unwrap_or_default();
        let (head, partition, service, region, account, resource) = (next(), next(), next(), next(), next(), next());
        let is_partition = partition == "aws" || partition.starts_with("aws-");
        let name = resource.strip_prefix("role/").unwrap_or_default();
        let is_name = !name.is_empty()
            && !name.ends_with('/')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@/-".contains(c));
        if head == "arn" && is_partition && service == "iam" && region.is_empty() && is_account(account) && is_name {
            Ok(Self { partition, account })
        } else {
            Err(wrong())
        }
    }

    /// Refuses a role that cannot be assumed from where the runner is: partitions do not know each other.
    pub(super) fn check_partition(&self, region: &str) -> Result<(), ExecutorError> {
        if partition_of(region) == self.partition {
            return Ok(());
        }
        let why = format!(
            "is a role of the partition {}, and this runner works in {} (region {region}); give a role of that \
             partition, or a runner of the other",
            self.partition,
            partition_of(region)
        );
        Err(refusal("role_arn", why))
    }
}

/// The partition of a region.
pub(super) fn partition_of(region: &str) -> &'static str {
    const PREFIXES: [(&str, &str); 7] = [
        ("cn-", "aws-cn"),
        ("us-gov-", "aws-us-gov"),
        ("us-isob-", "aws-iso-b"),
        ("us-isof-", "aws-iso-f"),
        ("us-iso-", "aws-iso"),
        ("eu-isoe-", "aws-iso-e"),
        ("eusc-", "aws-eusc"),
    ];
    PREFIXES.iter().find(|(prefix, _)| region.starts_with(prefix)).map_or("aws", |(_, partition)| partition)
}

/// A region that exists in a partition, for services that are everywhere the same.
pub(super) fn home_region(partition: &str) -> &'static str {
    match partition {
        "aws-cn" => "cn-north-1",
        "aws-us-gov" => "us-gov-west-1",
        "aws-iso" => "us-iso-east-1",
        "aws-iso-b" => "us-isob-east-1",
        "aws-iso-f" => "us-isof-south-1",
        "aws-iso-e" => "eu-isoe-west-1",
        "aws-eusc" => "eusc-de-east-1",
        _ => "us-east-1",
    }
}

/// What CloudTrail shows of the job: a role session's name has 2 to 64 letters, digits and `_+=,.@-`.
pub(super) fn session_name(job: &JobId) -> String {
    let id = job.as_str().chars().map(|c| if c.is_ascii_alphanumeric() || "_-".contains(c) { c } else { '-' });
    "alethia-".chars().chain(id).take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(role_arn: &str, external_id: &str, account_id: &str) -> String {
        let identity = CloudIdentity {
            provider: "aws".to_owned(),
            role_arn: role_arn.to_owned(),
            external_id: external_id.to_owned(),
            account_id: account_id.to_owned(),
            ..CloudIdentity::default()
        };
        check(&identity, &CloudSettings::default()).err().map(|error| error.to_string()).unwrap_or_default()
    }

    #[test]
    fn only_a_roles_arn_is_one() {
        let arn = "arn:aws:iam::123456789012:role/path/deployer";
        assert_eq!(refused(arn, "ext-1", "123456789012"), "");
        for wrong in [
            "",
            "arn:aws:iam::123456789012:user/x",
            "arn:aws:iam::1234:role/x",
            "arn:aws:iam::123456789012:role/",
            "arn:aws:iam::123456789012:role/x\n",
            "arn:aws:iam::123456789012:role/x,y z",
            "arn:evil:iam::123456789012:role/x",
            "--profile",
            "@/etc/passwd",
            "arn:aws:iam::123456789012:role/$(id)",
            &format!("arn:aws:iam::123456789012:role/{}", "x".repeat(100_000)),
            "arn:aws:iam::123456789012:role/x\0",
        ] {
            let error = refused(wrong, "", "");
            assert!(error.starts_with("/cloud_identity/role_arn: "), "{wrong:?}: {error:?}");
            assert!(error.len() < 300, "{} bytes", error.len());
        }
        assert!(refused(arn, "a b", "").starts_with("/cloud_identity/external_id"));
        assert!(refused(arn, "x", "").starts_with("/cloud_identity/external_id"));
        assert!(refused(arn, "", "210987654321").starts_with("/cloud_identity/account_id"));
        assert!(refused("", "ext-1", "").starts_with("/cloud_identity/role_arn"));
    }

    #[test]
    fn partitions_do_not_mix() {
        let role = RoleArn::parse("arn:aws-cn:iam::123456789012:role/x").unwrap();
        assert!(role.check_partition("cn-north-1").is_ok());
        let error = role.check_partition("eu-north-1").unwrap_err().to_string();
        assert!(error.starts_with("/cloud_identity/role_arn: ") && error.contains("aws-cn"), "{error}");
        for partition in ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"] {
            assert_eq!(partition_of(home_region(partition)), partition);
        }
    }

    #[test]
    fn a_sessions_name_is_one_whatever_the_job_is_called() {
        for id in ["01a20c45-b488-7673-aec0-ae228e1bc790", "x", &"a_b-".repeat(16)] {
            let name = session_name(&id.parse().unwrap());
            assert!((2..=64).contains(&name.len()) && name.starts_with("alethia-"), "{name}");
            assert!(name.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@-".contains(&b)), "{name}");
        }
    }
}
