//! Canonical JSON: keys sorted, no white space, no floats. What is hashed as data is hashed in this form, so that the
//! same data have the same hash whoever wrote them down.

use std::collections::BTreeMap;

use serde_json::Value;

/// A value in canonical form.
pub(crate) fn text(value: &Value) -> String {
    let mut text = String::new();
    write(value, &mut text);
    text
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<_, _> = map.iter().collect();
            out.push('{');
            for (index, (key, value)) in sorted.into_iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_is_sorted_and_tight() {
        let text = text(&serde_json::json!({"b": [1, {"d": null, "c": "x\"y"}], "a": true}));
        assert_eq!(text, r#"{"a":true,"b":[1,{"c":"x\"y","d":null}]}"#);
    }
}
