//! The wrapper, as another executor uses it.

use std::time::Duration;

use cluster_access::Cluster;
use executor_api::ExecutorError;
use executor_kubectl::{ApplyOptions, Change, Kubectl, ManifestFiles, Resource, Targets, Until};
use serde_json::json;

use crate::cluster::in_namespace;

#[tokio::test]
async fn another_executor_applies_reads_waits_and_deletes() {
    in_namespace(async |it| {
        let job = it.job("get", &json!({}));
        let job = &job.context;
        let work = async {
            let access = Cluster::Kubeconfig(it.kubeconfig()).prepare(job, "/cluster").await?;
            let kubectl = Kubectl::find(job, &access)?.in_namespace(&it.name)?;
            let secret = "{\"apiVersion\":\"v1\",\"kind\":\"Secret\",\"metadata\":{\"name\":\"s\"},\"data\":{\"p\":\"aHVudGVyMi1odW50ZXIy\"}}";
            std::fs::write(job.work_dir().join("s.json"), secret).unwrap();
            let manifests = ManifestFiles::read(job, job.work_dir(), ".", "/manifests")?;
            let before = kubectl.look(&manifests).await?;
            job.commit_point().await?;
            let objects = kubectl.apply(&manifests, &ApplyOptions::default(), &before).await?;
            assert_eq!(objects[0].change, Change::Created);
            let data = kubectl.secret("s").await?.unwrap();
            assert_eq!(data["p"], b"hunter2-hunter2");
            assert_eq!(job.log().masked("hunter2-hunter2"), "***");
            assert!(kubectl.secret("none").await?.is_none());
            let one = Targets::one(Resource::parse("secret/s").unwrap());
            assert_eq!(kubectl.get(&one).await?[0]["data"]["p"], "(hidden)");
            kubectl.delete(&one, Some(Duration::from_secs(60))).await?;
            kubectl.wait(&one, &Until::Deleted {}, Duration::from_secs(60)).await?;
            Ok::<_, ExecutorError>(())
        };
        work.await.unwrap();
    })
    .await;
}
