//! A plan in the shape that infracost reads.

use serde_json::{Value, json};

/// `terraform show -json` of a plan (format version 1) with the values that infracost looks for. A redacted plan says
/// what changes and no more; what is planned and what was there before are put together from that.
pub(crate) fn priceable(mut plan: Value) -> Result<Value, String> {
    if !plan["format_version"].is_string() || !plan["resource_changes"].is_array() {
        return Err("it is no plan: it has no format_version or no resource_changes".to_owned());
    }
    if plan["planned_values"].is_object() {
        return Ok(plan);
    }
    let planned = json!({ "root_module": { "resources": resources(&plan, "after") } });
    let prior =
        json!({ "format_version": "1.0", "values": { "root_module": { "resources": resources(&plan, "before") } } });
    plan["planned_values"] = planned;
    plan["prior_state"] = prior;
    Ok(plan)
}

/// All of them in the root module: infracost goes by the address, which names the modules.
fn resources(plan: &Value, side: &str) -> Vec<Value> {
    let changes = plan["resource_changes"].as_array().into_iter().flatten();
    let there = changes.filter(|change| change["change"][side].is_object() && !is_data(change));
    there
        .map(|change| {
            json!({
                "address": change["address"], "mode": "managed", "type": change["type"], "name": change["name"],
                "provider_name": change["provider_name"], "values": change["change"][side],
            })
        })
        .collect()
}

fn is_data(change: &Value) -> bool {
    let address = change["address"].as_str().unwrap_or_default();
    address.starts_with("data.") || address.contains(".data.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_planned_and_what_was_there_come_from_the_changes() {
        let change = |address: &str, before: Value, after: Value| {
            json!({ "address": address, "type": "aws_instance", "name": "x", "provider_name": "aws",
                    "change": { "actions": [], "before": before, "after": after } })
        };
        let plan = json!({ "format_version": "1.2", "configuration": { "provider_config": {} }, "resource_changes": [
            change("aws_instance.new", Value::Null, json!({ "n": 1 })),
            change("module.m[0].aws_instance.old", json!({ "n": 2 }), Value::Null),
            change("aws_instance.kept", json!({ "n": 3 }), json!({ "n": 4 })),
            change("module.m[0].data.aws_ami.a", json!({}), json!({})),
            change("data.aws_ami.a", json!({}), json!({})),
        ] });
        let priceable = priceable(plan).unwrap();
        let names = |at: &str| {
            let all = priceable.pointer(at).unwrap().as_array().unwrap().iter();
            all.map(|r| format!("{} {}", r["address"].as_str().unwrap(), r["values"]["n"])).collect::<Vec<_>>()
        };
        assert_eq!(names("/planned_values/root_module/resources"), ["aws_instance.new 1", "aws_instance.kept 4"]);
        let prior = names("/prior_state/values/root_module/resources");
        assert_eq!(prior, ["module.m[0].aws_instance.old 2", "aws_instance.kept 3"]);
        assert!(priceable["configuration"].is_object());
    }

    #[test]
    fn a_whole_plan_is_left_as_it_is_and_no_plan_is_refused() {
        let whole = json!({ "format_version": "1.2", "resource_changes": [], "planned_values": { "x": 1 } });
        assert_eq!(priceable(whole.clone()), Ok(whole));
        for bad in
            [json!(null), json!([]), json!({}), json!({ "format_version": 1 }), json!({ "format_version": "1.2" })]
        {
            assert!(priceable(bad.clone()).is_err(), "{bad}");
        }
    }
}
