//! What Argo CD brings into a cluster: the applications of a cloud, and those of the environment's owner.
//!
//! They are values, never texts: no fact can become more than a value in them.

mod aws;
mod azure;
mod chart;
mod everywhere;
mod gcp;
mod machines;
mod owner;
mod project;

use std::collections::BTreeMap;

use executor_api::ExecutorError;
use executor_argocd::{ApplicationSpec, ProjectSpec};
use serde_json::Value;

use super::facts::Facts;
use crate::snapshot::Provider;

/// The label of everything here: whose it is.
pub(super) const ENVIRONMENT: &str = "alethia/environment";
/// The annotation of an application that says in which wave it comes, and goes in reverse.
pub(super) const WAVE: &str = "argocd.argoproj.io/sync-wave";
/// The application that makes machines of its own.
pub(super) const KARPENTER: &str = "karpenter";
/// The wave of the owner's applications: all of ours are there before.
pub(super) const OWNERS_WAVE: u8 = 3;

/// All that is wanted in a cluster.
pub(super) struct Wanted {
    pub(super) projects: Vec<ProjectSpec>,
    pub(super) applications: Vec<Application>,
    pub(super) objects: Vec<Object>,
    /// What is not there because terraform has not made what it needs.
    pub(super) left_out: Vec<String>,
}

/// An application. Those of a wave come together, once those of the waves before are healthy.
pub(super) struct Application {
    pub(super) name: &'static str,
    pub(super) wave: u8,
    pub(super) spec: ApplicationSpec,
}

/// An object that belongs to no chart.
pub(super) struct Object {
    /// It comes when this wave is healthy: its kind may be of an application in it.
    pub(super) after_wave: u8,
    pub(super) manifest: Value,
    /// Made only while the cluster has nothing of these, each a kind or `kind/name`: it is the owner's then. Of most there
    /// is nothing here: they are as they should be after every DEPLOY.
    pub(super) unless: &'static [&'static str],
}

/// `repository`: where the owner's applications are.
///
/// # Errors
/// If a fact is no plain word, or a repository's address is none.
pub(super) fn wanted(facts: &Facts<'_>, repository: Option<&str>) -> Result<Wanted, ExecutorError> {
    let mut wanted =
        Wanted { projects: Vec::new(), applications: Vec::new(), objects: Vec::new(), left_out: Vec::new() };
    match facts.snapshot.provider {
        Provider::Aws => aws::add_to(&mut wanted, facts)?,
        Provider::Gcp => gcp::add_to(&mut wanted, facts)?,
        Provider::Azure => azure::add_to(&mut wanted, facts)?,
    }
    if let Some(url) = repository {
        wanted.applications.push(owner::applications(url));
    }
    wanted.finish(facts)?;
    Ok(wanted)
}

impl Wanted {
    /// A fact that an application cannot do without. Where it is missing the application is left out, and that is said.
    fn needs<'a>(
        &mut self,
        application: &str,
        facts: &Facts<'a>,
        output: &str,
    ) -> Result<Option<&'a str>, ExecutorError> {
        let fact = facts.word(output)?;
        if fact.is_none() {
            self.left_out.push(format!("{application} is left out: terraform has no output {output}"));
        }
        Ok(fact)
    }

    /// Projects and labels, and the last look at all of it.
    fn finish(&mut self, facts: &Facts<'_>) -> Result<(), ExecutorError> {
        self.projects = project::of(&self.applications);
        let environment = facts.environment();
        for application in &mut self.applications {
            let Application { name, wave, spec } = application;
            let managed = ("app.kubernetes.io/managed-by".to_owned(), "alethia".to_owned());
            spec.labels = BTreeMap::from([(ENVIRONMENT.to_owned(), environment.clone()), managed]);
            spec.annotations = BTreeMap::from([(WAVE.to_owned(), wave.to_string())]);
            spec.check(&format!("/applications/{name}"))?;
        }
        for object in &mut self.objects {
            object.manifest["metadata"]["labels"][ENVIRONMENT] = environment.clone().into();
        }
        self.projects.iter().try_for_each(|project| project.check("/applications/project"))
    }

    /// The numbers of the waves that there are.
    pub(super) fn waves(&self) -> std::collections::BTreeSet<u8> {
        let applications = self.applications.iter().map(|application| application.wave);
        applications.chain(self.objects.iter().map(|object| object.after_wave)).collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, json};

    use super::*;
    use crate::after_apply::example::snapshot;

    /// Of every cloud, with all of their outputs at once.
    fn outputs() -> Map<String, Value> {
        let outputs = json!({
            "eks_cluster_name": "eks-euw1-dev-shop", "eks_cluster_endpoint": "https://a.eks.amazonaws.com", "vpc_id": "vpc-1",
            "eks_irsa_alb_controller_arn": "arn:aws:iam::1:role/alb", "eks_irsa_external_dns_arn": "arn:aws:iam::1:role/dns",
            "eks_irsa_external_secrets_arn": "arn:aws:iam::1:role/secrets", "karpenter_sa_role": "arn:aws:iam::1:role/karpenter",
            "eks_irsa_cluster_autoscaler_arn": "arn:aws:iam::1:role/autoscaler",
            "node_iam_role_name": "eks-euw1-dev-shop-node", "node_security_group": "sg-1", "node_architecture": "arm64",
            "subnet1": "subnet-1", "subnet2": "subnet-2", "subnet3": "subnet-3",
            "karpenter_queue_name": "queue", "gke_cluster_name": "gke", "project_id": "my-project",
            "external_dns_service_account": "dns@my-project.iam.gserviceaccount.com",
            "external_secrets_service_account": "eso@my-project.iam.gserviceaccount.com",
            "aks_cluster_name": "aks", "resource_group_name": "rg", "external_dns_client_id": "1-1",
            "external_secrets_client_id": "2-2", "tenant_id": "3-3", "key_vault_uri": "https://v.vault.azure.net/",
        });
        outputs.as_object().unwrap().clone()
    }

    fn of(provider: &str, outputs: &Map<String, Value>) -> Wanted {
        let dns = json!({ "enabled": true, "domain_name": "shop.example.com" });
        let nodes = json!({ "provider_config": { "enable_karpenter": true, "enable_cluster_autoscaler": true } });
        let snapshot = snapshot(json!({ "provider": provider, "dns": dns, "cluster": nodes }));
        wanted(&Facts::new(&snapshot, outputs), Some("https://git.example/apps")).unwrap()
    }

    fn names(wanted: &Wanted) -> Vec<(&str, u8)> {
        wanted.applications.iter().map(|application| (application.name, application.wave)).collect()
    }

    fn text(wanted: &Wanted) -> String {
        let specs = wanted.applications.iter().map(|application| json!(application.spec).to_string());
        specs.chain(wanted.objects.iter().map(|object| object.manifest.to_string())).collect()
    }

    #[test]
    fn each_cloud_has_its_own_applications() {
        let aws = of("aws", &outputs());
        let expected = [
            ("aws-load-balancer-controller", 1),
            ("external-dns", 1),
            ("external-secrets", 1),
            ("metrics-server", 1),
            ("cluster-autoscaler", 2),
            ("karpenter", 2),
            ("apps", 3),
        ];
        assert_eq!((names(&aws), aws.left_out.len()), (expected.to_vec(), 0));
        for provider in ["gcp", "azure"] {
            let other = of(provider, &outputs());
            assert_eq!(names(&other), [("external-dns", 1), ("external-secrets", 1), ("apps", 3)]);
            assert!(other.left_out.is_empty());
        }
    }

    #[test]
    fn nothing_of_one_cloud_is_on_another() {
        let words = |provider| match provider {
            "aws" => ["arn:aws", "eks", "ebs.csi.aws.com"],
            "gcp" => ["gserviceaccount", "gcpsm", "google"],
            _ => ["azure", "vault.azure.net", "resourceGroup"],
        };
        let clouds = ["aws", "gcp", "azure"];
        for provider in clouds {
            let text = text(&of(provider, &outputs()));
            for word in clouds.into_iter().filter(|other| *other != provider).flat_map(words) {
                assert!(!text.contains(word), "{word} on {provider}: {text}");
            }
            for word in words(provider) {
                assert!(text.contains(word), "no {word} on {provider}: {text}");
            }
        }
    }

    #[test]
    fn what_terraform_has_not_made_is_left_out_and_said() {
        for (provider, left) in [("aws", 5), ("gcp", 2), ("azure", 2)] {
            let wanted = of(provider, &Map::new());
            assert_eq!(wanted.left_out.len(), left, "{:?}", wanted.left_out);
            assert!(names(&wanted).contains(&("external-secrets", 1)));
        }
    }

    #[test]
    fn a_hostile_fact_gets_nowhere() {
        for output in ["vpc_id", "eks_irsa_external_dns_arn", "karpenter_queue_name", "node_iam_role_name"] {
            for hostile in ["a\nserviceAccount: {}", "\"}", "{{ .Release.Name }}", "$(id)", "'a'"] {
                let mut outputs = outputs();
                outputs.insert(output.to_owned(), json!(hostile));
                let snapshot = snapshot(
                    json!({ "provider": "aws", "cluster": { "provider_config": { "enable_karpenter": true } },
                    "dns": { "enabled": true, "domain_name": "shop.example.com" } }),
                );
                let refused = wanted(&Facts::new(&snapshot, &outputs), None).err().unwrap().to_string();
                assert!(refused.starts_with(&format!("terraform's output {output} ")), "{refused}");
            }
        }
    }

    #[test]
    fn a_mirror_takes_the_place_of_a_repository() {
        let mut snapshot = snapshot(json!({ "provider": "gcp" }));
        let mirror = "https://mirror.example/charts".to_owned();
        snapshot.applications.repositories =
            BTreeMap::from([("https://charts.external-secrets.io".to_owned(), mirror.clone())]);
        let outputs = Map::new();
        let found = wanted(&Facts::new(&snapshot, &outputs), None).unwrap();
        assert_eq!(found.applications[0].spec.source.repo, mirror);
        assert_eq!(found.projects[0].source_repos, [mirror]);
        snapshot.applications.repositories =
            BTreeMap::from([("https://charts.external-secrets.io/".to_owned(), "file:///etc".to_owned())]);
        let refused = wanted(&Facts::new(&snapshot, &outputs), None).err().unwrap().to_string();
        assert!(refused.starts_with("/applications/external-secrets/source/repo: "), "{refused}");
    }

    /// Whoever reads an output that no template has is left without it for ever.
    #[test]
    fn every_fact_is_an_output_of_a_template() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../templates/environment");
        let declared: String = ["aws", "gcp", "azure"]
            .map(|cloud| std::fs::read_to_string(folder.join(cloud).join("outputs.tf")).unwrap())
            .concat();
        for output in
            outputs().keys().map(String::as_str).chain(["azure_dns_zone_resource_group", "acm_certificate_arn"])
        {
            assert!(declared.contains(&format!("output \"{output}\" {{")), "no template has an output {output}");
        }
    }

    #[test]
    fn names_are_wanted_only_where_the_snapshot_wants_them() {
        let snapshot = snapshot(json!({ "provider": "aws" }));
        let outputs = outputs();
        let found = wanted(&Facts::new(&snapshot, &outputs), None).unwrap();
        let expected = [("aws-load-balancer-controller", 1), ("external-secrets", 1), ("metrics-server", 1)];
        assert_eq!((names(&found), found.left_out.len()), (expected.to_vec(), 0));
    }
}
