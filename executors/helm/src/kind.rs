//! The `helm` kind: from payload to calls of the program.

use async_trait::async_trait;
use executor_api::{Executor, ExecutorError, Input, Job, JobContext, Outcome, check_timeout, params_of};
use serde_json::{Value, json};

use crate::fetch::FetchedChart;
use crate::helm::Helm;
use crate::params::{Action, HelmParams};
use crate::release::Release;
use crate::rollback::RollbackOptions;
use crate::uninstall::UninstallOptions;
use crate::upgrade::UpgradeOptions;

/// Runs helm.
pub(crate) struct HelmExecutor;

#[async_trait]
impl Executor for HelmExecutor {
    fn inputs(&self, job: &Job) -> Result<Vec<Input>, ExecutorError> {
        let params: HelmParams = params_of(job)?;
        params.check()?;
        let mut inputs = params.cluster.inputs();
        inputs.extend(params.chart.iter().flat_map(|chart| chart.inputs()));
        Ok(inputs)
    }

    async fn execute(&self, job: &JobContext) -> Result<Outcome, ExecutorError> {
        let params: HelmParams = job.params()?;
        params.check()?;
        if params.timeout.is_some() {
            check_timeout("/timeout", job.job(), params.timeout()?)?;
        }
        let cluster = params.cluster.prepare(job, "/cluster").await?;
        let helm = Helm::find_version(job, &cluster, params.helm_version.as_deref()).await?;
        let (release, timeout, wait) = (params.release()?, params.timeout()?, params.wait);
        match params.action {
            Action::Upgrade => {
                let chart = fetch(&helm, &params).await?;
                Ok(helm.upgrade(&upgrade_options(&params, &chart)?).await?.outcome())
            }
            Action::Diff => {
                let chart = fetch(&helm, &params).await?;
                let diff = helm.diff(&upgrade_options(&params, &chart)?).await?;
                Ok(of(&release).with("has_changes", !diff.changes.is_empty()).with("changes", json!(diff.changes)))
            }
            Action::Rollback => {
                let (revision, recover_pending) = (params.revision, params.recover_pending);
                let options = RollbackOptions { release, revision, wait, timeout, recover_pending };
                Ok(helm.rollback(&options).await?.outcome())
            }
            Action::Uninstall => {
                let options = UninstallOptions { release, keep_history: params.keep_history, wait, timeout };
                let uninstalled = helm.uninstall(&options).await?;
                Ok(of(&options.release).with("uninstalled", uninstalled))
            }
            Action::Status => Ok(helm.status(&release, params.revision).await?.outcome()),
            Action::Test => {
                let tests = helm.test(&release, timeout).await?;
                Ok(of(&release).with("tests", json!(tests)))
            }
        }
    }
}

async fn fetch(helm: &Helm<'_>, params: &HelmParams) -> Result<FetchedChart, ExecutorError> {
    let chart = params.chart.as_ref().ok_or_else(|| ExecutorError::invalid("/chart", "say what to install"))?;
    helm.fetch(chart, "/chart").await
}

fn upgrade_options<'c>(params: &HelmParams, chart: &'c FetchedChart) -> Result<UpgradeOptions<'c>, ExecutorError> {
    let values = [&params.values, &params.secret_values].into_iter().filter(|values| !values.is_empty());
    Ok(UpgradeOptions {
        values: values.cloned().map(Value::Object).collect(),
        wait: params.wait,
        atomic: params.atomic,
        timeout: params.timeout()?,
        create_namespace: params.create_namespace,
        recover_pending: params.recover_pending,
        ..UpgradeOptions::new(params.release()?, chart)
    })
}

fn of(release: &Release) -> Outcome {
    Outcome::success().with("release", release.name()).with("namespace", release.namespace())
}
