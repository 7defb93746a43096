//! Who the job's credentials are, as AWS itself says.

use executor_api::{ExecutorError, JobContext};
use serde::Deserialize;

use super::calls::{Call, Caller};
use super::endpoints::Service;
use crate::connection_test::Connection;

pub(super) const VERSION: &str = "2011-06-15";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    get_caller_identity_result: Identity,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Identity {
    arn: String,
    account: String,
}

/// A real call with the job's own credentials; nobody needs a permission for it.
pub(crate) async fn connect(job: &JobContext) -> Result<Connection, ExecutorError> {
    let caller = Caller::of(job)?;
    let call = Call { service: Service::Sts, region: caller.region(), action: "sts:GetCallerIdentity" };
    let answer = caller.query::<Answer>(&call, VERSION, &[]).await;
    let answer = answer.map_err(|error| {
        ExecutorError::Other(format!("the credentials were given but do not work: {}: {error}", call.action))
    })?;
    let Identity { arn, account } = answer.get_caller_identity_result;
    Ok(Connection { who: arn, account })
}
