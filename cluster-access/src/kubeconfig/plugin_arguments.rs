//! The arguments of exec plugins: read into types and written anew, because these programs can do much more than print
//! a token. `aws` alone copies files anywhere.

use clap::builder::ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};

/// A name, a region, a role: never an option, and never the `file://` or `https://` that `aws` would read.
fn word() -> ValueParser {
    ValueParser::from(|text: &str| {
        let inside = |c: char| c.is_ascii_alphanumeric() || "._:/@+=,-".contains(c);
        let fits = (1..=512).contains(&text.len()) && text.chars().all(inside);
        let fits = fits && !text.starts_with(['-', '@']) && !text.contains("://");
        if fits { Ok(text.to_owned()) } else { Err("no word") }
    })
}

/// `--name=value` for what is there.
fn options<const N: usize>(options: [(&str, Option<String>); N]) -> impl Iterator<Item = String> {
    options.map(|(name, value)| value.map(|value| format!("--{name}={value}"))).into_iter().flatten()
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
pub(super) struct Aws {
    #[arg(long, global = true, value_parser = word())]
    region: Option<String>,
    #[arg(long, global = true, value_parser = ["json"])]
    output: Option<String>,
    #[command(subcommand)]
    verb: AwsVerb,
}

#[derive(Subcommand)]
enum AwsVerb {
    Eks(AwsEks),
}

#[derive(Args)]
#[command(disable_help_flag = true, disable_help_subcommand = true)]
struct AwsEks {
    #[command(subcommand)]
    verb: AwsEksVerb,
}

#[derive(Subcommand)]
enum AwsEksVerb {
    #[command(disable_help_flag = true)]
    GetToken {
        #[arg(long, value_parser = word())]
        cluster_name: String,
        #[arg(long, alias = "role", value_parser = word())]
        role_arn: Option<String>,
    },
}

impl Aws {
    pub(super) fn anew(args: &[String]) -> Option<Vec<String>> {
        let Self { region, output: _, verb: AwsVerb::Eks(AwsEks { verb }) } = Self::try_parse_from(args).ok()?;
        let AwsEksVerb::GetToken { cluster_name, role_arn } = verb;
        let fixed = ["eks", "get-token", "--output=json"].map(str::to_owned);
        let given = [("cluster-name", Some(cluster_name)), ("region", region), ("role-arn", role_arn)];
        Some(fixed.into_iter().chain(options(given)).collect())
    }
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
pub(super) enum Authenticator {
    #[command(disable_help_flag = true)]
    Token {
        #[arg(long, short = 'i', value_parser = word())]
        cluster_id: String,
        #[arg(long, value_parser = word())]
        region: Option<String>,
        #[arg(long, short = 'r', value_parser = word())]
        role: Option<String>,
    },
}

impl Authenticator {
    pub(super) fn anew(args: &[String]) -> Option<Vec<String>> {
        let Self::Token { cluster_id, region, role } = Self::try_parse_from(args).ok()?;
        let given = [("cluster-id", Some(cluster_id)), ("region", region), ("role", role)];
        Some(std::iter::once("token".to_owned()).chain(options(given)).collect())
    }
}

#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true)]
pub(super) struct Gke {
    #[arg(long = "use_application_default_credentials")]
    application_default: bool,
}

impl Gke {
    pub(super) fn anew(args: &[String]) -> Option<Vec<String>> {
        let Self { application_default } = Self::try_parse_from(args).ok()?;
        let flag = "--use_application_default_credentials".to_owned();
        Some(application_default.then_some(flag).into_iter().collect())
    }
}

/// Azure's. A secret of a service principal goes through the environment: everybody can read arguments.
#[derive(Parser)]
#[command(no_binary_name = true, disable_help_flag = true, disable_help_subcommand = true)]
pub(super) enum Kubelogin {
    #[command(disable_help_flag = true)]
    GetToken {
        #[arg(long, short = 'l')]
        login: Option<Login>,
        #[arg(long, value_parser = word())]
        server_id: String,
        #[arg(long, value_parser = word())]
        client_id: Option<String>,
        #[arg(long, short = 't', value_parser = word())]
        tenant_id: Option<String>,
        #[arg(long, short = 'e', value_parser = word())]
        environment: Option<String>,
    },
}

/// The ways of kubelogin that ask nobody.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "lower")]
pub(crate) enum Login {
    Spn,
    WorkloadIdentity,
    Msi,
    AzureCli,
}

impl Kubelogin {
    /// `set` is the login that the environment says. There is one, and it stands in the arguments: left to itself the
    /// program asks a person.
    pub(super) fn anew(args: &[String], set: Option<Login>) -> Option<(Vec<String>, Login)> {
        let Self::GetToken { login, server_id, client_id, tenant_id, environment } = Self::try_parse_from(args).ok()?;
        let login = login.or(set).filter(|login| set.is_none_or(|set| set == *login))?;
        let given = [
            ("login", Some(login.to_possible_value()?.get_name().to_owned())),
            ("server-id", Some(server_id)),
            ("client-id", client_id),
            ("tenant-id", tenant_id),
            ("environment", environment),
        ];
        Some((std::iter::once("get-token".to_owned()).chain(options(given)).collect(), login))
    }
}
