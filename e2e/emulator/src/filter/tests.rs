use super::{Filter, FilterError, MAX_BYTES};
use proptest::prelude::*;
use std::collections::HashMap;

fn matches(filter: &str, attributes: &[(&str, &str)]) -> bool {
    let map: HashMap<String, String> = attributes
        .iter()
        .map(|(k, v)| ((*k).into(), (*v).into()))
        .collect();
    filter.parse::<Filter>().unwrap().matches(&map)
}

fn error(filter: &str) -> FilterError {
    filter.parse::<Filter>().unwrap_err()
}

#[test]
fn each_operator_decides_as_documented() {
    for (filter, attributes, expected) in [
        (r"attributes:k", &[("k", "")][..], true),
        (r"attributes:k", &[("K", "")], false),
        (r#"attributes.k = "v""#, &[("k", "v")], true),
        (r#"attributes.k="v""#, &[("k", "V")], false),
        (r#"attributes.k != "v""#, &[("k", "w")], true),
        (r#"attributes.k != "v""#, &[("k", "v")], false),
        (r#"hasPrefix(attributes.k, "ab")"#, &[("k", "abc")], true),
        (r#"hasPrefix(attributes.k, "ab")"#, &[("k", "a")], false),
        (r"NOT attributes:k", &[("k", "1")], false),
        (r"-attributes:k", &[("j", "1")], true),
        (r#"attributes.a = "1" AND NOT attributes:b"#, &[("a", "1")], true),
        (r#"attributes.a = "1" OR attributes.b = "2""#, &[("b", "2")], true),
        (
            r#"(attributes.a = "1" OR attributes:b) AND attributes:c"#,
            &[("a", "1"), ("c", "")],
            true,
        ),
        (
            r#"(attributes.a = "1" OR attributes:b) AND attributes:c"#,
            &[("a", "1")],
            false,
        ),
    ] {
        assert_eq!(
            matches(filter, attributes),
            expected,
            "{filter} on {attributes:?}"
        );
    }
}

#[test]
fn inequality_and_negation_hold_for_an_absent_key() {
    assert!(matches(r#"attributes.k != "v""#, &[]));
    assert!(matches(r#"NOT attributes.k = "v""#, &[]));
}

#[test]
fn keys_may_be_literals_words_and_keywords() {
    assert!(matches(
        r#"attributes."iana.org/language_tag" = "en""#,
        &[("iana.org/language_tag", "en")]
    ));
    assert!(matches(r#"attributes:"a b""#, &[("a b", "")]));
    assert!(matches(
        r#"attributes.tenant-id_2 = "x""#,
        &[("tenant-id_2", "x")]
    ));
    assert!(matches(
        r#"attributes.AND = "x" AND attributes:OR"#,
        &[("AND", "x"), ("OR", "")]
    ));
}

#[test]
fn escapes_name_characters() {
    assert!(matches(r#"attributes.k = "a\"b\\c""#, &[("k", "a\"b\\c")]));
    assert!(matches(
        r#"attributes.k = "\u307F\x3F\077\U0001F600""#,
        &[("k", "み??😀")]
    ));
    assert_eq!(error(r#"attributes.k = "\q""#), FilterError::Escape { at: 16 });
    assert_eq!(
        error(r#"attributes.k = "\ud800""#),
        FilterError::Escape { at: 16 }
    );
}

#[test]
fn mixing_and_with_or_needs_parentheses() {
    assert_eq!(
        error("attributes:a AND attributes:b OR attributes:c"),
        FilterError::Mixed { at: 30 }
    );
    assert!(matches!(
        error("attributes:a OR attributes:b AND attributes:c"),
        FilterError::Mixed { .. }
    ));
    assert!(
        "attributes:a AND (attributes:b OR attributes:c)"
            .parse::<Filter>()
            .is_ok()
    );
}

#[test]
fn nonsense_is_refused() {
    for text in [
        "",
        " ",
        "attributes",
        "attributes.k",
        "attributes.k =",
        "attributes.k = v",
        "attributes.k = 'v'",
        "attributes.k == \"v\"",
        "attributes.k = \"v",
        "Attributes:k",
        "attributes:k and attributes:j",
        "attributes:k attributes:j",
        "hasPrefix(attributes:k, \"a\")",
        "hasprefix(attributes.k, \"a\")",
        "(attributes:k",
        "attributes:k)",
        "NOT",
        "NOT NOT attributes:k",
        "data = \"x\"",
        "attributes.k < \"v\"",
        "attributes.k ! \"v\"",
        "attributes:é",
        "garbage!",
    ] {
        assert!(text.parse::<Filter>().is_err(), "{text:?} was taken");
    }
}

#[test]
fn it_is_printed_as_one_would_write_it() {
    for text in [
        "attributes:plain_key-1",
        "attributes:\"-leading\"",
        "attributes:\"\"",
        "attributes:\"two words\"",
        "attributes.k = \"a \\\" and a \\\\\"",
    ] {
        assert_eq!(text.parse::<Filter>().unwrap().to_string(), text);
    }
    let bell = "attributes.k = \"\u{7}\"".parse::<Filter>().unwrap();
    assert_eq!(bell.to_string(), "attributes.k = \"\\u0007\"");
}

#[test]
fn a_refusal_says_what_was_found() {
    for (text, found) in [
        ("attributes:k attributes:j", "attributes"),
        ("attributes.k = )", "')'"),
        ("attributes.k = =", "'='"),
        ("attributes.k = \"v\" \"w\"", "a string"),
    ] {
        let said = error(text).to_string();
        assert!(said.contains(found), "{text}: {said}");
    }
}

#[test]
fn the_limit_is_256_bytes() {
    let filter = |n: usize| format!("attributes.k = \"{}\"", "v".repeat(n));
    assert!(filter(MAX_BYTES - 17).parse::<Filter>().is_ok());
    assert_eq!(
        error(&filter(MAX_BYTES - 16)),
        FilterError::TooLong { bytes: 257 }
    );
}

#[test]
fn a_required_equality_is_found_under_and_only() {
    let of = |text: &str| {
        let filter: Filter = text.parse().unwrap();
        filter
            .required_equality()
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
    };
    let pair = Some(("t".to_owned(), "1".to_owned()));
    assert_eq!(of(r#"attributes.t = "1""#), pair);
    assert_eq!(
        of(r#"attributes:x AND (attributes.t = "1" AND attributes:y)"#),
        pair
    );
    assert_eq!(of(r#"attributes.t = "1" OR attributes:y"#), None);
    assert_eq!(of(r#"NOT attributes.t = "1""#), None);
}

fn filters() -> impl Strategy<Value = Filter> {
    let text = || "[a-z\"\\\\ \u{0}-\u{1f}é😀-]{0,6}";
    let leaf = prop_oneof![
        text().prop_map(Filter::Has),
        (text(), text()).prop_map(|(k, v)| Filter::Equals(k, v)),
        (text(), text()).prop_map(|(k, v)| Filter::NotEquals(k, v)),
        (text(), text()).prop_map(|(k, v)| Filter::HasPrefix(k, v)),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|f| Filter::Not(Box::new(f))),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Filter::And),
            prop::collection::vec(inner, 2..4).prop_map(Filter::Or),
        ]
    })
}

proptest! {
    #[test]
    fn what_is_printed_parses_to_the_same(filter in filters()) {
        let text = filter.to_string();
        prop_assume!(text.len() <= MAX_BYTES);
        prop_assert_eq!(text.parse::<Filter>(), Ok(filter));
    }

    #[test]
    fn arbitrary_text_never_panics(text in "\\PC{0,300}") {
        let _ = text.parse::<Filter>();
    }

    #[test]
    fn arbitrary_tokens_never_panic(
        words in prop::collection::vec(
            prop::sample::select(vec!["attributes", ":", ".", "k", "=", "!=", "\"v\"", "AND", "OR", "NOT", "-", "(", ")", "hasPrefix", ","]),
            0..40,
        )
    ) {
        let text = words.join(" ");
        if let Ok(filter) = text.parse::<Filter>() {
            let printed = filter.to_string();
            prop_assert_eq!(printed.parse::<Filter>(), Ok(filter));
        }
    }

    #[test]
    fn a_required_equality_is_required(filter in filters(), key in "[a-b]", value in "[a-b]") {
        let attributes = HashMap::from([(key, value)]);
        let required = filter.required_equality();
        if let Some((k, v)) = required.filter(|_| filter.matches(&attributes)) {
            prop_assert_eq!(attributes.get(k).map(String::as_str), Some(v));
        }
    }
}
