//! What infracost's document says: costs as exact decimals, and what is missing from them.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use executor_api::ExecutorError;
use rust_decimal::Decimal;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::cost_error::CostError;
use crate::document::{Breakdown, Document, Resource, shortened};

/// What the control plane keeps of one file; ten thousand resources need less.
const MOST_BYTES: u64 = 50 * 1024 * 1024;
/// How many resources a job's metadata names.
const MOST_RESOURCES: usize = 200;

/// What something costs. Money is exact, and none where infracost gave none that makes sense.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// ISO 4217.
    pub currency: String,
    /// For a month of 730 hours.
    pub total_monthly: Option<Decimal>,
    /// For an hour.
    pub total_hourly: Option<Decimal>,
    /// How much more a month than before; negative if less.
    pub diff_monthly: Option<Decimal>,
    /// The top-level resources that have a price, dearest first.
    pub resources: Vec<ResourceCost>,
    /// The resources whose monthly cost changes, and by how much.
    pub changes: Vec<ResourceCost>,
    /// Resources that cost nothing and that infracost does not list.
    pub unlisted_free: u64,
    /// What is missing from the numbers.
    pub warnings: Vec<String>,
    /// Infracost's whole document.
    pub document: PathBuf,
}

/// What one resource costs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ResourceCost {
    /// Its address, for example `aws_instance.web`. Text of the stack's author: to be escaped where it is shown.
    pub name: String,
    /// For example `aws_instance`.
    #[serde(rename = "type")]
    pub kind: String,
    /// For a month; of a change, the difference.
    #[serde(with = "rust_decimal::serde::str_option")]
    pub monthly: Option<Decimal>,
    /// For an hour; of a change, the difference.
    #[serde(with = "rust_decimal::serde::str_option")]
    pub hourly: Option<Decimal>,
}

/// Whether a cost below nothing makes sense.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sign {
    Cost,
    Difference,
}

impl Estimate {
    /// Reads the document that infracost wrote.
    pub(crate) fn read(file: &Path) -> Result<Self, CostError> {
        let unreadable = |why: String| ExecutorError::Other(format!("infracost's document cannot be read: {why}"));
        let opened = File::open(file).map_err(ExecutorError::io("infracost ended well and wrote no document"))?;
        let bytes = opened.metadata().map_err(|error| unreadable(error.to_string()))?.len();
        if bytes > MOST_BYTES {
            return Err(unreadable(format!("it has {bytes} bytes, and {MOST_BYTES} are the most that is taken")).into());
        }
        let document: Document =
            serde_json::from_reader(BufReader::new(opened)).map_err(|error| unreadable(error.to_string()))?;
        let warnings = document.judge()?;
        Ok(document.estimate(file.to_owned(), warnings))
    }

    /// The contract's `cost_summary`.
    #[must_use]
    pub fn summary(&self) -> Value {
        let with_cost = self.resources.iter().filter(|resource| resource.monthly.is_some_and(|cost| !cost.is_zero()));
        let with_cost = with_cost.count() as u64;
        let total = self.resources.len() as u64 + self.unlisted_free;
        json!({
            "currency": self.currency,
            "total_monthly": text(self.total_monthly),
            "total_hourly": text(self.total_hourly),
            "diff_monthly": text(self.diff_monthly),
            "resources_with_cost": with_cost,
            "resources_free": total - with_cost,
            "total_resources": total,
        })
    }

    /// The dearest resources, as metadata of a job.
    #[must_use]
    pub fn shown_resources(&self) -> Value {
        self.resources.iter().take(MOST_RESOURCES).map(|resource| json!(resource)).collect()
    }

    /// The greatest changes, as metadata of a job.
    #[must_use]
    pub fn shown_changes(&self) -> Value {
        let shown = |change: &ResourceCost| json!({ "name": change.name, "type": change.kind, "diff_monthly": text(change.monthly) });
        self.changes.iter().take(MOST_RESOURCES).map(shown).collect()
    }
}

impl Document {
    fn estimate(self, document: PathBuf, warnings: Vec<String>) -> Estimate {
        let mut reader = Reader { warnings };
        let total_monthly = reader.needed("totalMonthlyCost", self.total_monthly_cost.as_deref(), Sign::Cost);
        let total_hourly = reader.needed("totalHourlyCost", self.total_hourly_cost.as_deref(), Sign::Cost);
        let diff_monthly =
            reader.optional("diffTotalMonthlyCost", self.diff_total_monthly_cost.as_deref(), Sign::Difference);
        let (mut resources, mut changes) = (Vec::new(), Vec::new());
        for project in self.projects {
            let listed = |breakdown: Option<Breakdown>| breakdown.unwrap_or_default().resources;
            resources.extend(listed(project.breakdown).iter().map(|resource| reader.resource(resource, Sign::Cost)));
            changes.extend(listed(project.diff).iter().map(|resource| reader.resource(resource, Sign::Difference)));
        }
        changes.retain(|change: &ResourceCost| change.monthly.is_some_and(|diff| !diff.is_zero()));
        resources.sort_by(|one, two| (two.monthly, &one.name).cmp(&(one.monthly, &two.name)));
        changes.sort_by_key(|change| (std::cmp::Reverse(change.monthly.map(|diff| diff.abs())), change.name.clone()));
        let summary = self.summary.unwrap_or_default();
        reader.tell_gaps(&resources, summary.total_unsupported_resources);
        Estimate {
            currency: self.currency,
            total_monthly,
            total_hourly,
            diff_monthly,
            resources,
            changes,
            unlisted_free: summary.total_no_price_resources,
            warnings: reader.warnings,
            document,
        }
    }
}

/// Reads costs, and keeps account of what makes no sense.
struct Reader {
    warnings: Vec<String>,
}

impl Reader {
    fn needed(&mut self, what: &str, raw: Option<&RawValue>, sign: Sign) -> Option<Decimal> {
        if raw.is_none() {
            self.warnings.push(format!("infracost gave no {what}"));
        }
        self.optional(what, raw, sign)
    }

    fn optional(&mut self, what: &str, raw: Option<&RawValue>, sign: Sign) -> Option<Decimal> {
        let raw = raw?.get();
        let digits = raw.trim_matches('"');
        let cost = Decimal::from_str(digits).or_else(|_| Decimal::from_scientific(digits)).ok();
        let cost = cost.filter(|cost| sign == Sign::Difference || !cost.is_sign_negative() || cost.is_zero());
        if cost.is_none() {
            let shown: String = raw.chars().take(40).collect();
            self.warnings.push(format!("infracost's {what} makes no sense and is left out: {shown:?}"));
        }
        cost
    }

    fn resource(&mut self, resource: &Resource, sign: Sign) -> ResourceCost {
        let name = shortened(&resource.name);
        ResourceCost {
            monthly: self.optional(&format!("monthly cost of {name:?}"), resource.monthly_cost.as_deref(), sign),
            hourly: self.optional(&format!("hourly cost of {name:?}"), resource.hourly_cost.as_deref(), sign),
            kind: shortened(&resource.resource_type),
            name,
        }
    }

    fn tell_gaps(&mut self, resources: &[ResourceCost], unsupported: u64) {
        let mut without = resources.iter().filter(|resource| resource.monthly.is_none());
        if let Some(first) = without.next() {
            self.warnings.push(format!(
                "{} resource(s) have no monthly cost, for example {:?}; where it depends on use, give `usage`",
                without.count() + 1,
                first.name
            ));
        }
        if unsupported > 0 {
            self.warnings.push(format!("{unsupported} resource(s) are of types that infracost knows no prices for"));
        }
    }
}

fn text(cost: Option<Decimal>) -> Option<String> {
    cost.map(|cost| cost.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Estimate, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        Estimate::read(file.path()).map_err(|error| error.to_string())
    }

    fn document(resources: &str) -> String {
        format!(
            r#"{{"version":"0.2","currency":"USD","totalHourlyCost":"0.01","totalMonthlyCost":"7.30",
                "diffTotalMonthlyCost":"-1.5","projects":[{{"name":"p","metadata":{{"type":"terraform_dir"}},
                "breakdown":{{"resources":{resources}}}}}]}}"#
        )
    }

    #[test]
    fn money_keeps_every_digit_and_the_summary_has_the_contracts_names() {
        let estimate = read(&document(
            r#"[{"name":"a","resourceType":"t","monthlyCost":"0.1","hourlyCost":"0.00013698630136986301"},
                {"name":"b","resourceType":"t","monthlyCost":0.30000000000000004},
                {"name":"c","resourceType":"t","monthlyCost":"0","subresources":[{"name":"s","monthlyCost":"9"}]},
                {"name":"d","resourceType":"t"}]"#,
        ))
        .unwrap();
        assert_eq!(
            estimate.summary(),
            json!({ "currency": "USD", "total_monthly": "7.30", "total_hourly": "0.01", "diff_monthly": "-1.5",
                    "resources_with_cost": 2, "resources_free": 2, "total_resources": 4 })
        );
        let shown = estimate.shown_resources();
        assert_eq!(shown[0], json!({ "name": "b", "type": "t", "monthly": "0.30000000000000004", "hourly": null }));
        assert_eq!(shown[1]["hourly"], "0.00013698630136986301");
        assert_eq!(shown[3], json!({ "name": "d", "type": "t", "monthly": null, "hourly": null }));
        assert_eq!(estimate.warnings.len(), 1, "{:?}", estimate.warnings);
        assert!(estimate.warnings[0].starts_with("1 resource(s) have no monthly cost, for example \"d\""));
    }

    #[test]
    fn costs_that_make_no_sense_are_left_out_with_a_warning() {
        for bad in [
            "\"-3\"",
            "-3",
            "\"1e400\"",
            "1e400",
            "-1e400",
            "\"NaN\"",
            "\"Infinity\"",
            "\"\"",
            "\"12,5\"",
            "true",
            "{}",
            "\"79228162514264337593543950336\"",
            "\"<b>1</b>\"",
            "[1]",
        ] {
            let text = document(&format!(r#"[{{"name":"x","monthlyCost":{bad}}}]"#));
            let estimate = read(&text).unwrap();
            assert_eq!(estimate.resources[0].monthly, None, "{bad}");
            assert!(estimate.warnings[0].starts_with("infracost's monthly cost of \"x\" makes no sense"), "{bad}");
        }
        let good = read(&document(r#"[{"name":"x","monthlyCost":"1e2"},{"name":"y","monthlyCost":"-0"}]"#)).unwrap();
        assert_eq!(good.shown_resources()[0]["monthly"], "100");
        assert_eq!(good.resources[1].monthly, Some(Decimal::ZERO));

        let totals = document("[]").replace(r#""totalMonthlyCost":"7.30","#, "").replace(r#""0.01""#, "null");
        let estimate = read(&totals).unwrap();
        assert_eq!((estimate.total_monthly, estimate.total_hourly), (None, None));
        assert_eq!(estimate.summary()["total_monthly"], Value::Null);
        assert_eq!(estimate.warnings, ["infracost gave no totalMonthlyCost", "infracost gave no totalHourlyCost"]);
    }

    #[test]
    fn names_are_data_wherever_they_are_from() {
        let name = r#"<script>alert(1)</script>\u001b[31m\n\"'"#;
        let long = "x".repeat(100_000);
        let estimate = read(&document(&format!(r#"[{{"name":"{name}"}},{{"name":"{long}"}}]"#))).unwrap();
        let names: Vec<_> = estimate.resources.iter().map(|resource| resource.name.len()).collect();
        assert_eq!(names, [33, 256]);
        assert!(!estimate.warnings.concat().chars().any(char::is_control), "{:?}", estimate.warnings);
        let many = format!("[{}]", vec![r#"{"name":"n","monthlyCost":"1"}"#; 1000].join(","));
        let estimate = read(&document(&many)).unwrap();
        assert_eq!(estimate.shown_resources().as_array().unwrap().len(), MOST_RESOURCES);
        assert_eq!(estimate.summary()["total_resources"], 1000);
    }

    #[test]
    fn what_is_no_document_is_an_error_that_says_so() {
        let whole = document("[]");
        for bad in ["", "null", "[]", "{}", "<html>", &whole[..whole.len() - 1], r#"{"currency":1,"projects":[]}"#] {
            let error = read(bad).unwrap_err();
            assert!(error.starts_with("infracost's document cannot be read: "), "{bad}: {error}");
        }
        let deep = document(&format!("{}{}", "[".repeat(5000), "]".repeat(5000)));
        assert!(read(&deep).is_err());
        let huge = tempfile::NamedTempFile::new().unwrap();
        huge.as_file().set_len(500 * 1000 * 1000).unwrap();
        let error = Estimate::read(huge.path()).unwrap_err().to_string();
        assert!(error.contains("it has 500000000 bytes"), "{error}");
        let error = Estimate::read(Path::new("/nonexistent")).unwrap_err().to_string();
        assert_eq!(error, "infracost ended well and wrote no document");
    }

    #[test]
    fn a_document_that_says_that_it_failed_is_no_estimate_of_zero() {
        let failed = |kind: &str, message: &str, is_error: bool| {
            let error = json!({ "code": 0, "message": message, "data": null, "isError": is_error });
            let metadata = json!({ "type": kind, "errors": [error] });
            read(&document("[]").replace(r#"{"type":"terraform_dir"}"#, &metadata.to_string()))
        };
        let refused =
            "Error sending API request: Post \"x\": giving up after 5 attempt(s): connect: connection refused";
        assert!(failed("error", refused, false).unwrap_err().contains("gave no prices (connect: connection refused)"));
        let broken = "No valid terraform files found given path, try a different directory";
        let error = failed("terraform_dir", broken, true).unwrap_err();
        assert_eq!(error, format!("infracost could not price it: {broken}"));
        assert!(failed("error", "", false).is_err());
        let warned = failed("terraform_dir", "a module could not be read", false).unwrap();
        assert_eq!(warned.warnings, ["a module could not be read"]);
    }
}
