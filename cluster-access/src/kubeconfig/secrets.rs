//! What in a kubeconfig no log may show.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use super::document::tree;

/// Fields whose text is a secret, wherever they stand: auth providers have some of their own.
const SECRET: [&str; 8] = [
    "token",
    "password",
    "client-key-data",
    "access-token",
    "id-token",
    "refresh-token",
    "client-secret",
    "access_token",
];

/// All secrets of a kubeconfig, those of contexts that are not used too, as they stand there and decoded.
pub(crate) fn secrets(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    if let Ok(tree) = tree(text, "") {
        walk(&tree, &mut found);
    }
    found
}

fn walk(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                match field {
                    Value::String(text) if SECRET.contains(&name.as_str()) => add(text, found),
                    // Of a plugin's environment nobody knows which of it is secret.
                    Value::Array(variables) if name == "env" => {
                        found.extend(variables.iter().filter_map(|one| one["value"].as_str()).map(str::to_owned));
                    }
                    other => walk(other, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| walk(item, found)),
        _ => {}
    }
}

fn add(text: &str, found: &mut Vec<String>) {
    found.push(text.to_owned());
    let joined: String = text.split_whitespace().collect();
    if let Some(decoded) = STANDARD.decode(joined).ok().and_then(|bytes| String::from_utf8(bytes).ok()) {
        found.push(decoded);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_of_every_user_are_found_as_they_stand_and_decoded() {
        let key = STANDARD.encode("-----BEGIN KEY-----\nc2VjcmV0IGtleQ\n-----END KEY-----\n");
        let text = format!(
            "users:\n- name: a\n  user: {{ token: token-of-a }}\n- name: b\n  user:\n    client-key-data: {key}\n\
             - name: c\n  user:\n    exec: {{ command: aws, env: [{{ name: K, value: value-of-c }}] }}\n\
             - name: d\n  user:\n    auth-provider: {{ config: {{ id-token: token-of-d }} }}\n"
        );
        let found = secrets(&text);
        for secret in ["token-of-a", &key, "value-of-c", "token-of-d"] {
            assert!(found.iter().any(|one| one == secret), "{secret}");
        }
        assert!(found.iter().any(|one| one.contains("c2VjcmV0IGtleQ")));
    }
}
