use proptest::prelude::*;
use serde_json::json;

use super::*;

fn payload(text: &str) -> serde_json::Result<Payload> {
    serde_json::from_str(text)
}

#[test]
fn it_is_passed_on_letter_by_letter() {
    let text = r#"{"z":1,"amount": 123456789012345678901234567890.10,"a":0.1000000000000000055511151231257827,"version":"2.0"}"#;
    let payload = payload(text).unwrap();
    assert_eq!(serde_json::to_string(&payload).unwrap(), text);
    assert_eq!(payload.text(), text);
    assert_eq!(payload.version(), "2.0");
    assert_eq!(payload.fields()["z"], json!(1));
}

#[test]
fn what_cannot_be_read_is_refused_where_it_comes_in() {
    let deep = |levels: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(levels), "]".repeat(levels));
    assert!(payload(&deep(100)).is_ok());
    for wrong in [
        deep(1_000).as_str(),
        deep(100_000).as_str(),
        r#"{"a": 1e400}"#,
        r#"{"a": "\ud800"}"#,
        r#"{"a": {"\ud800": 1}}"#,
        r#"{"a": tru}"#,
        "[]",
        "null",
        "\"text\"",
        "7",
        r#"{"version": true}"#,
        r#"{"version": ["2.0"]}"#,
        r#"{"version": {"major": 2}}"#,
        r#"{"version": 1e400}"#,
        r#"{"version": {}, "version": "2.0"}"#,
    ] {
        assert!(payload(wrong).is_err(), "{wrong:.40}");
    }
}

#[test]
fn the_last_version_counts_and_a_number_is_its_text() {
    let version = |text| payload(text).unwrap().version().to_owned();
    assert_eq!(version(r#"{"version":"2.0","version":"3.0"}"#), "3.0");
    assert_eq!(version(r#"{"a":{"version":"2.0"}}"#), DEFAULT_VERSION);
    assert_eq!(version(r#"{"version":2}"#), "2");
    assert_eq!(version(r#"{"version": 2.0 }"#), "2.0");
    assert_eq!(version(r#"{"version":2.10}"#), "2.10");
    assert_eq!(version(r#"{"version":null}"#), DEFAULT_VERSION);
    assert_eq!(version("{}"), DEFAULT_VERSION);
    let made = |version: Value| Payload::from(Map::from_iter([("version".to_owned(), version)]));
    assert_eq!(made(json!(2.0)).version(), "2.0");
    assert_eq!(made(json!(2)).version(), "2");
    assert_eq!(version(r#"{"ver\u0073ion":"2.0"}"#), "2.0");
}

#[test]
fn data_of_another_envelope_is_any_object_in_the_version_that_the_envelope_says() {
    let foreign = |text: &str| Payload::foreign(text.as_bytes(), Some("2.0".to_owned()));
    let kept = foreign(" {\"version\": {\"major\": 7}, \"n\": 1.50}\n").unwrap();
    assert_eq!(
        (kept.text(), kept.version()),
        ("{\"version\": {\"major\": 7}, \"n\": 1.50}", "2.0")
    );
    assert_eq!(kept.with_version(None).version(), DEFAULT_VERSION);
    for wrong in ["", "[]", "1", "\"text\"", "{", "{\"a\": 1e400}", "{} {}"] {
        assert!(foreign(wrong).is_err(), "{wrong}");
    }
    assert!(Payload::foreign(b"{\"a\": \"\xff\"}", None).is_err());
}

#[test]
fn a_payload_can_be_made_of_another() {
    let mut fields = payload(r#"{"version":"1.0","name":"Ada"}"#)
        .unwrap()
        .into_fields();
    fields.insert("version".into(), json!("2.0"));
    let lifted = Payload::from(fields);
    assert_eq!(lifted.version(), "2.0");
    assert_eq!(
        serde_json::to_value(&lifted).unwrap(),
        json!({"name": "Ada", "version": "2.0"})
    );
    assert_eq!(Payload::default().text(), "{}");
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".*".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..8).prop_map(Value::from),
            prop::collection::btree_map("version|.*", inner, 0..8)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

proptest! {
    /// Whatever the text is: it is let in exactly when it can be read as an object, and says then what that says.
    #[test]
    fn it_is_let_in_when_it_is_an_object(value in any_json(), cut in 0_usize..200) {
        let full = value.to_string();
        let part: String = full.chars().take(cut).collect();
        for text in [full, part] {
            let read = serde_json::from_str::<Map<String, Value>>(&text);
            let payload = payload(&text);
            let version = read.as_ref().ok().and_then(|read| read.get("version"));
            let no_version = version.is_some_and(|version| matches!(version, Value::Bool(_) | Value::Array(_) | Value::Object(_)));
            prop_assert_eq!(payload.is_ok(), read.is_ok() && !no_version);
            if let (Ok(payload), Ok(read)) = (payload, read) {
                prop_assert_eq!(payload.fields(), &read);
                match read.get("version") {
                    Some(Value::String(version)) => prop_assert_eq!(payload.version(), version),
                    // As written, which is not as the reader writes it.
                    Some(number @ Value::Number(_)) => {
                        let version: Value = serde_json::from_str(payload.version()).unwrap();
                        prop_assert_eq!(&version, number);
                    }
                    _ => prop_assert_eq!(payload.version(), DEFAULT_VERSION),
                }
                prop_assert_eq!(serde_json::to_string(&payload).unwrap(), text.trim());
            }
        }
    }
}
