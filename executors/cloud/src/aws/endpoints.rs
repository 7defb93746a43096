//! Where AWS's services are: by partition and region, by FIPS, and by what the operator says.

use executor_api::{Ambient, ExecutorError};

use super::names::{home_region, partition_of};
use crate::endpoint;

/// A service that we call ourselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Service {
    Ec2,
    Eks,
    Iam,
    Route53,
    Sts,
}

/// Where to call a service, and as what region the call is signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) url: String,
    pub(super) region: String,
}

impl Service {
    /// The name in signatures.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Eks => "eks",
            Self::Iam => "iam",
            Self::Route53 => "route53",
            Self::Sts => "sts",
        }
    }

    /// The name in `AWS_ENDPOINT_URL_...`.
    fn variable(self) -> &'static str {
        match self {
            Self::Ec2 => "AWS_ENDPOINT_URL_EC2",
            Self::Eks => "AWS_ENDPOINT_URL_EKS",
            Self::Iam => "AWS_ENDPOINT_URL_IAM",
            Self::Route53 => "AWS_ENDPOINT_URL_ROUTE_53",
            Self::Sts => "AWS_ENDPOINT_URL_STS",
        }
    }

    /// Some services have one region for a whole partition.
    fn signed_in(self, region: &str) -> &str {
        match (self, partition_of(region)) {
            (Self::Route53, "aws-cn") => "cn-northwest-1",
            (Self::Iam | Self::Route53, partition) => home_region(partition),
            (Self::Ec2 | Self::Eks | Self::Sts, _) => region,
        }
    }

    /// Where it is, seen from `region`.
    pub(super) fn endpoint(self, ambient: &Ambient, region: &str) -> Result<Endpoint, ExecutorError> {
        let url = match operators(ambient, self.variable())? {
            Some(url) => url,
            None => format!("https://{}", self.host(region, uses_fips(ambient))),
        };
        Ok(Endpoint { url, region: self.signed_in(region).to_owned() })
    }

    fn host(self, region: &str, fips: bool) -> String {
        let partition = partition_of(region);
        let suffix = match partition {
            "aws-cn" => "amazonaws.com.cn",
            "aws-iso" => "c2s.ic.gov",
            "aws-iso-b" => "sc2s.sgov.gov",
            "aws-iso-e" => "cloud.adc-e.uk",
            "aws-iso-f" => "csp.hci.ic.gov",
            "aws-eusc" => "amazonaws.eu",
            _ => "amazonaws.com",
        };
        // GovCloud's own endpoints are FIPS endpoints.
        let fips = fips && partition != "aws-us-gov";
        let name = if fips { format!("{}-fips", self.name()) } else { self.name().to_owned() };
        match (self, partition) {
            (Self::Iam, "aws") | (Self::Route53, "aws" | "aws-cn") => format!("{name}.{suffix}"),
            (Self::Iam, "aws-us-gov") | (Self::Route53, "aws-us-gov") => format!("{name}.us-gov.{suffix}"),
            (Self::Iam | Self::Route53, _) => format!("{name}.{}.{suffix}", home_region(partition)),
            (Self::Eks, _) if fips => format!("fips.eks.{region}.{suffix}"),
            (Self::Ec2 | Self::Eks | Self::Sts, _) => format!("{name}.{region}.{suffix}"),
        }
    }
}

/// What the operator says of one service, else of all.
pub(super) fn operators(ambient: &Ambient, variable: &str) -> Result<Option<String>, ExecutorError> {
    for name in [variable, "AWS_ENDPOINT_URL"] {
        if let Some(url) = ambient.get(name) {
            endpoint::check(url, name)?;
            return Ok(Some(url.trim_end_matches('/').to_owned()));
        }
    }
    Ok(None)
}

/// Whether only FIPS endpoints will do.
pub(super) fn uses_fips(ambient: &Ambient) -> bool {
    ambient.get("AWS_USE_FIPS_ENDPOINT").is_some_and(|text| text.eq_ignore_ascii_case("true"))
}

/// The operator's region.
pub(super) fn operators_region(ambient: &Ambient) -> Option<&str> {
    ambient.get("AWS_REGION").or_else(|| ambient.get("AWS_DEFAULT_REGION"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(service: Service, region: &str, variables: &[(&str, &str)]) -> String {
        let ambient: Ambient = variables.iter().copied().collect();
        let endpoint = service.endpoint(&ambient, region).unwrap();
        format!("{} {}", endpoint.url, endpoint.region)
    }

    #[test]
    fn every_partition_has_its_own_hosts() {
        let fips = &[("AWS_USE_FIPS_ENDPOINT", "true")];
        for (service, region, variables, expected) in [
            (Service::Ec2, "eu-north-1", &[][..], "https://ec2.eu-north-1.amazonaws.com eu-north-1"),
            (Service::Ec2, "cn-north-1", &[], "https://ec2.cn-north-1.amazonaws.com.cn cn-north-1"),
            (Service::Iam, "eu-north-1", &[], "https://iam.amazonaws.com us-east-1"),
            (Service::Iam, "us-gov-east-1", &[], "https://iam.us-gov.amazonaws.com us-gov-west-1"),
            (Service::Iam, "cn-northwest-1", &[], "https://iam.cn-north-1.amazonaws.com.cn cn-north-1"),
            (Service::Route53, "eu-north-1", &[], "https://route53.amazonaws.com us-east-1"),
            (Service::Route53, "cn-north-1", &[], "https://route53.amazonaws.com.cn cn-northwest-1"),
            (Service::Sts, "us-east-2", fips, "https://sts-fips.us-east-2.amazonaws.com us-east-2"),
            (Service::Sts, "us-gov-west-1", fips, "https://sts.us-gov-west-1.amazonaws.com us-gov-west-1"),
            (Service::Eks, "us-east-2", fips, "https://fips.eks.us-east-2.amazonaws.com us-east-2"),
            (Service::Iam, "us-east-2", fips, "https://iam-fips.amazonaws.com us-east-1"),
        ] {
            assert_eq!(at(service, region, variables), expected);
        }
    }

    #[test]
    fn the_operator_says_where_a_service_is_and_never_the_metadata_address() {
        let both = &[("AWS_ENDPOINT_URL", "http://127.0.0.1:1/"), ("AWS_ENDPOINT_URL_EC2", "http://127.0.0.1:2")];
        assert_eq!(at(Service::Ec2, "eu-north-1", both), "http://127.0.0.1:2 eu-north-1");
        assert_eq!(at(Service::Sts, "eu-north-1", both), "http://127.0.0.1:1 eu-north-1");
        let ambient: Ambient = [("AWS_ENDPOINT_URL", "http://169.254.169.254/latest")].into_iter().collect();
        let error = Service::Sts.endpoint(&ambient, "eu-north-1").unwrap_err().to_string();
        assert!(error.starts_with("AWS_ENDPOINT_URL "), "{error}");
    }
}
