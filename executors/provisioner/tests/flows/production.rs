//! What a DESTROY of a production environment keeps.

use std::fs;
use std::path::{Path, PathBuf};

use executor_api::testing::tool;
use serde_json::json;

use crate::harness::{Place, payload, script};

const CLOUDS: [&str; 3] = ["aws", "gcp", "azure"];

/// What the page's table says of a cloud, and the setting in a file of its template that makes it so. Where there is
/// none, the file, if there is one, keeps nothing by `protect_data`.
type Kept = (&'static str, &'static str, Option<&'static str>);

const TABLE: [(&str, [Kept; 3]); 5] = [
    (
        "databases",
        [
            ("leave a last snapshot behind", "aurora.tf", Some("skip_final_snapshot = !local.protect_data")),
            ("leave their backups behind", "databases.tf", Some("retain_backups_on_delete = local.protect_data")),
            ("go with their backups", "databases.tf", None),
        ],
    ),
    (
        "buckets",
        [
            (NOT_DELETED, "buckets.tf", Some("force_destroy = !local.protect_data")),
            (NOT_DELETED, "buckets.tf", Some("force_destroy = !local.protect_data")),
            (
                "the job is refused before anything goes, until a `DEPLOY` has taken them away",
                "storage.tf",
                Some("resource \"azurerm_storage_container\" \"this\" {"),
            ),
        ],
    ),
    (
        "secrets",
        [
            ("can be had back for 7 days", "secrets.tf", Some("recovery_window_in_days = local.protect_data ? 7 : 0")),
            ("go at once", "secrets.tf", None),
            ("can be had back for 7 days", "secrets.tf", Some("soft_delete_retention_days = 7")),
        ],
    ),
    (
        "keys",
        [
            (
                "can be had back for 30 days",
                "databases.tf",
                Some("deletion_window_in_days = local.protect_data ? 30 : 7"),
            ),
            ("none is made", "keys.tf", None),
            ("none is made", "keys.tf", None),
        ],
    ),
    (
        "registries",
        [
            (NOT_DELETED, "registries.tf", Some("force_delete = !local.protect_data")),
            ("go with their images", "registries.tf", None),
            ("go with their images", "registries.tf", None),
        ],
    ),
];
const NOT_DELETED: &str = "one that is not empty is not deleted: the job fails and names it";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_page_says_of_each_cloud_what_its_template_keeps() {
    let page = fs::read_to_string(root().join("docs/environments.md")).unwrap();
    for (what, clouds) in TABLE {
        let row = format!("| {what} | {} |", clouds.map(|(says, ..)| says).join(" | "));
        assert!(page.contains(&row), "docs/environments.md: {row}");
        for (cloud, (says, file, setting)) in CLOUDS.iter().zip(clouds) {
            let template = root().join("templates/environment").join(cloud).join(file);
            let text = fs::read_to_string(template).unwrap_or_default();
            let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
            let is_so = setting.map_or(!text.contains("protect_data"), |setting| text.contains(setting));
            assert!(is_so, "{cloud}/{file}: {what} {says}");
        }
    }
    assert!(
        !fs::read_dir(root().join("templates/environment/gcp"))
            .unwrap()
            .any(|file| { fs::read_to_string(file.unwrap().path()).unwrap().contains("google_kms") })
    );
}

/// Terraform as it is, but that a plan says one of its resources is a container of Azure, whose provider no test has.
#[tokio::test]
async fn a_container_of_production_is_not_deleted_by_a_destroy() {
    let Some(terraform) = tool("terraform").or_else(|| tool("tofu")) else { return };
    let place = Place::new();
    let stand_in = place.path("tools/terraform");
    let program = terraform.display();
    let shown = "s/terraform_data[.]network/azurerm_storage_container.this/g";
    script(&stand_in, &format!("case $1 in show) {program} \"$@\" | sed '{shown}';; *) exec {program} \"$@\";; esac"));
    let job = |kind: &str, stage: &str| {
        let job = place.builder(kind, &payload(&json!({ "environment_stage": stage })));
        let job = job.settings(|settings| drop(settings.tools.insert("terraform".to_owned(), stand_in.clone())));
        job.build().unwrap()
    };
    for stage in ["production", "staging"] {
        place.done(&job("DEPLOY", stage)).await;
    }
    let refused = job("DESTROY", "production");
    let error = place.refused(&refused).await;
    assert!(error.contains("so nothing is destroyed:\n  azurerm_storage_container.this\n"), "{error}");
    assert_eq!(refused.commits(), 0);
    place.done(&job("DESTROY", "staging")).await;
}
