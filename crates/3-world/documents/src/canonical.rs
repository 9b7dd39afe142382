//! Canonical JSON: what is hashed and signed.

use serde_json::Value;
use std::collections::BTreeMap;

/// Writes `value` without spaces and with the keys of every object in the order of their bytes.
///
/// Equal to RFC 8785 for what certificates hold: keys are ASCII and numbers are whole. Sorting is done here
/// because the order of `serde_json`'s own maps changes with a feature that any crate may switch on.
pub(crate) fn bytes(value: &Value) -> Vec<u8> {
    let mut text = String::new();
    write(value, &mut text);
    text.into_bytes()
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (at, item) in items.iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            out.push('{');
            for (at, (key, item)) in sorted.into_iter().enumerate() {
                if at > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(item, out);
            }
            out.push('}');
        }
        leaf => out.push_str(&leaf.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_sorted_at_every_depth_and_nothing_else_changes() {
        let value: Value = serde_json::from_str(
            r#"{ "b": [ {"z": null, "a": "é\n\"" } ], "a": 18446744073709551615, "B": true }"#,
        )
        .unwrap();
        let expected = r#"{"B":true,"a":18446744073709551615,"b":[{"a":"é\n\"","z":null}]}"#;
        assert_eq!(String::from_utf8(bytes(&value)).unwrap(), expected);
    }
}
