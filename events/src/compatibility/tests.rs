use serde_json::json;

use super::*;

/// A released schema, and the same after a change.
fn after(change: impl FnOnce(&mut Value)) -> Vec<String> {
    let old = json!({
        "$id": "https://events.livingtwin.io/schemas/a.b/1.0.json", "type": "object", "title": "a.b",
        "properties": {
            "version": {"const": "1.0"},
            "id": {"type": "string", "description": "The id."},
            "count": {"type": "integer", "minimum": 0},
            "fields": {"type": "array", "items": {"type": "string"}},
            "state": {"oneOf": [{"const": "good", "description": "Good."}, {"const": "bad"}]},
        },
        "required": ["version", "id"],
    });
    let mut new = old.clone();
    change(&mut new);
    let of = |schema| BTreeMap::from([("a.b/1.0.json".to_owned(), schema)]);
    breakages(&of(old), &of(new))
        .iter()
        .map(ToString::to_string)
        .collect()
}

#[test]
fn optional_fields_and_other_words_are_compatible() {
    assert!(after(|_| ()).is_empty());
    let none = after(|schema| {
        schema["properties"]["more"] = json!({"type": "object", "required": ["x"]});
        schema["properties"]["id"]["description"] = json!("Its id.");
        schema["properties"]["state"]["oneOf"][1]["description"] = json!("Bad.");
        schema["title"] = json!("A title");
        schema["required"] = json!(["id", "version"]);
    });
    assert!(none.is_empty(), "{none:?}");
}

#[test]
fn everything_else_is_not() {
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 13] = [
        ("a.b/1.0.json#/required: count has become required", |s| {
            s["required"] = json!(["version", "id", "count"]);
        }),
        ("a.b/1.0.json#/required: more has become required", |s| {
            s["properties"]["more"] = json!({"type": "string"});
            s["required"] = json!(["version", "id", "more"]);
        }),
        ("a.b/1.0.json#/required: id is required no more", |s| {
            s["required"] = json!(["version"]);
        }),
        ("a.b/1.0.json#/properties/count: a field is gone", |s| {
            s["properties"].as_object_mut().unwrap().remove("count");
        }),
        (
            "a.b/1.0.json#/properties/count/type: was \"integer\", and is \"number\"",
            |s| {
                s["properties"]["count"]["type"] = json!("number");
            },
        ),
        ("a.b/1.0.json#/properties/count/minimum: was 0, and is 1", |s| {
            s["properties"]["count"]["minimum"] = json!(1);
        }),
        (
            "a.b/1.0.json#/properties/count/maximum: was nothing, and is 9",
            |s| {
                s["properties"]["count"]["maximum"] = json!(9);
            },
        ),
        (
            "a.b/1.0.json#/properties/fields/items/type: was \"string\"",
            |s| {
                s["properties"]["fields"]["items"]["type"] = json!("integer");
            },
        ),
        ("a.b/1.0.json#/properties/state/oneOf: was ", |s| {
            s["properties"]["state"]["oneOf"]
                .as_array_mut()
                .unwrap()
                .push(json!({"const": "so-so"}));
        }),
        (
            "a.b/1.0.json#/properties/state/oneOf/1/const: was \"bad\", and is \"worse\"",
            |s| {
                s["properties"]["state"]["oneOf"][1]["const"] = json!("worse");
            },
        ),
        (
            "a.b/1.0.json#/properties/version/const: was \"1.0\", and is \"1.1\"",
            |s| {
                s["properties"]["version"]["const"] = json!("1.1");
            },
        ),
        (
            "a.b/1.0.json#/additionalProperties: was nothing, and is false",
            |s| {
                s["additionalProperties"] = json!(false);
            },
        ),
        ("a.b/1.0.json#/$id: was ", |s| s["$id"] = json!("elsewhere")),
    ];
    for (expected, change) in changes {
        let found = after(change);
        assert_eq!(found.len(), 1, "{expected}: {found:?}");
        assert!(found[0].starts_with(expected), "{expected}: {found:?}");
    }
}

#[test]
fn a_released_schema_stays_and_another_may_come() {
    let one = BTreeMap::from([("a.b/1.0.json".to_owned(), json!({}))]);
    let two = BTreeMap::from([
        ("a.b/1.0.json".to_owned(), json!({})),
        ("a.b/2.0.json".to_owned(), json!({"type": "object"})),
    ]);
    assert!(breakages(&one, &two).is_empty());
    let gone = breakages(&two, &one);
    assert_eq!(gone.len(), 1);
    assert_eq!(gone[0].to_string(), "a.b/2.0.json: a released schema is gone");
}

#[test]
fn properties_may_not_go_as_a_whole() {
    let found = after(|schema| {
        schema.as_object_mut().unwrap().remove("properties");
    });
    assert_eq!(found.len(), 1, "{found:?}");
}
