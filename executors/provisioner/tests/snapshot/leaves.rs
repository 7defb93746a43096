//! The places of a payload.

use serde_json::Value;

/// All values that are neither list nor object, by their place.
pub(crate) fn leaves(payload: &Value) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    visit("", payload, &mut |at, value| {
        if !value.is_object() && !value.is_array() {
            found.push((at.to_owned(), value));
        }
    });
    found
}

/// The places of all fields of objects.
pub(crate) fn fields(payload: &Value) -> Vec<String> {
    let mut found = Vec::new();
    visit("", payload, &mut |at, _| {
        let is_item = at.rsplit('/').next().is_some_and(|name| name.parse::<usize>().is_ok());
        if !at.is_empty() && !is_item {
            found.push(at.to_owned());
        }
    });
    found
}

fn visit<'a>(at: &str, value: &'a Value, see: &mut impl FnMut(&str, &'a Value)) {
    see(at, value);
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                visit(&format!("{at}/{}", name.replace('~', "~0").replace('/', "~1")), value, see);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                visit(&format!("{at}/{index}"), value, see);
            }
        }
        _ => {}
    }
}

/// The payload with another value at a place.
pub(crate) fn with(payload: &Value, at: &str, value: Value) -> Value {
    let mut changed = payload.clone();
    match changed.pointer_mut(at) {
        Some(place) => *place = value,
        None => {
            let (object, name) = at.rsplit_once('/').unwrap();
            changed.pointer_mut(object).unwrap().as_object_mut().unwrap().insert(name.to_owned(), value);
        }
    }
    changed
}

/// The payload without a field.
pub(crate) fn without(payload: &Value, at: &str) -> Value {
    let mut changed = payload.clone();
    let (object, name) = at.rsplit_once('/').unwrap();
    let name = name.replace("~1", "/").replace("~0", "~");
    changed.pointer_mut(object).unwrap().as_object_mut().unwrap().shift_remove(&name);
    changed
}
