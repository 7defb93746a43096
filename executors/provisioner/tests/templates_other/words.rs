//! A template is documented by its variables and outputs.

use hcl::{Block, Expression};

use crate::template::{Template, attribute, name};

fn is_described(block: &Block) -> bool {
    matches!(attribute(block, "description"), Some(Expression::String(text)) if text.len() > 3 && text.ends_with('.'))
}

#[test]
fn every_variable_says_what_it_is_and_of_what_type() {
    for template in Template::all() {
        for variable in template.of_kind("variable") {
            let which = format!("{}: variable {}", template.cloud, name(variable));
            assert!(is_described(variable), "{which} needs a description, a sentence");
            assert!(attribute(variable, "type").is_some(), "{which} needs a type");
        }
    }
}

#[test]
fn every_output_says_what_it_is() {
    for template in Template::all() {
        for output in template.of_kind("output") {
            assert!(
                is_described(output),
                "{}: output {} needs a description, a sentence",
                template.cloud,
                name(output)
            );
        }
    }
}

#[test]
fn what_is_secret_is_an_output_that_terraform_hides_or_none() {
    for template in Template::all() {
        let mut secrets = template.of_kind("output").filter(|output| name(output) == "custom_secret_values");
        // There the values are only written: terraform itself cannot read them back.
        let Some(secrets) = secrets.next() else {
            assert_eq!(template.cloud, "aws");
            continue;
        };
        assert_eq!(attribute(secrets, "sensitive"), Some(&Expression::Bool(true)), "{}", template.cloud);
    }
}
