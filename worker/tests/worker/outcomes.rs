//! `outcomes.yaml`, row by row: each message is published, and what the real worker makes of it is what the table says.

use std::{collections::HashMap, fmt::Write as _};

use crate::support::{
    binary::{binary, end, terminate},
    cloud::{Cloud, PROJECT, event},
    service::{ANY, Service},
    until,
};
use axum::http::StatusCode;
use events::{DomainEvent, event::MAX_ID_BYTES};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    case: String,
    message: String,
    outcome: String,
    told: String,
    handled: usize,
    end: String,
}

fn rows() -> Vec<Row> {
    serde_yaml::from_str(include_str!("../../outcomes.yaml")).unwrap()
}

/// What is published for a row: data, attributes, and whether once more.
struct Published {
    data: Vec<u8>,
    attributes: HashMap<String, String>,
    twice: bool,
}

fn attributes_of(event: &DomainEvent) -> HashMap<String, String> {
    let attributes = event.attributes().into_iter();
    attributes.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The bytes that fill a message up to Pub/Sub's limit, which counts attributes too.
fn filler(event: &DomainEvent) -> String {
    const MOST: usize = 10_000_000;
    let attributes: usize = attributes_of(event)
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let envelope = event.encode().unwrap().len();
    "x".repeat(MOST - attributes - envelope - 100)
}

fn with_version(event: &DomainEvent, version: Value) -> Vec<u8> {
    let mut value = serde_json::to_value(event).unwrap();
    value["data"]["version"] = version;
    value.to_string().into_bytes()
}

fn publish(case: &str, event: &mut DomainEvent) -> Published {
    let json = |event: &DomainEvent| serde_json::to_value(event).unwrap();
    let data = |event: &DomainEvent, change: &dyn Fn(&mut Value)| {
        let mut value = json(event);
        change(&mut value);
        value.to_string().into_bytes()
    };
    let text = json(event).to_string();
    let mut published = Published {
        data: text.clone().into_bytes(),
        attributes: attributes_of(event),
        twice: false,
    };
    let set = |published: &mut Published, name: &str, value: &str| {
        published.attributes.insert(name.to_owned(), value.to_owned());
    };
    match case {
        "well-formed" => {}
        "duplicate" => published.twice = true,
        "bare-attributes" => published.attributes.retain(|name, _| name == "tenant_id"),
        "more-fields" => published.data = data(event, &|value| value["region"] = json!({"name": "eu"})),
        "from-the-future" => {
            published.data = data(event, &|value| {
                value["occurred_at"] = json!("2100-01-01T00:00:00Z");
            });
        }
        "from-the-past" => {
            published.data = data(event, &|value| {
                value["occurred_at"] = json!("2001-01-01T00:00:00Z");
            });
        }
        "odd-traceparent" => set(&mut published, "traceparent", "00-zz\r\nx: y"),
        "nested" => {
            let mut nested = json!(1);
            for _ in 0..100 {
                nested = json!([nested]);
            }
            published.data = data(event, &move |value| value["data"]["nested"] = nested.clone());
        }
        "ten-megabytes" => {
            let filler = filler(event);
            published.data = data(event, &move |value| value["data"]["filler"] = json!(filler));
        }
        "unknown-version" => published.data = with_version(event, json!("99.0")),
        "unknown-version-number" => published.data = with_version(event, json!(99.0)),
        "odd-version" => published.data = with_version(event, json!({"major": 1})),
        "poison-answered" | "poison-failing" => {
            published.data = data(event, &|value| value["source"] = json!(case));
        }
        "other-tenant" => {
            set(&mut published, "tenant_id", "tenant-456");
            published.data = data(event, &|value| value["tenant_id"] = json!("tenant-456"));
        }
        "other-tenant-attribute" => set(&mut published, "tenant_id", "tenant-456"),
        "other-tenant-body" => {
            published.data = data(event, &|value| value["tenant_id"] = json!("tenant-456"));
        }
        "no-tenant-attribute" => {
            published.attributes.remove("tenant_id");
        }
        "other-type" => set(&mut published, "event_type", "user.login"),
        "no-data" => published.data.clear(),
        "not-json" => published.data = b"<event/>".to_vec(),
        "bad-utf8" => {
            let at = text.find("\"source\":\"").unwrap() + 10;
            published.data.insert(at, 0xff);
        }
        "compressed" => published.data = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3, 1, 2, 3],
        "missing-field" => {
            published.data = data(event, &|value| {
                value.as_object_mut().unwrap().remove("event_id");
            });
        }
        "same-field-twice" => {
            published.data = text
                .replacen('{', "{\"tenant_id\":\"tenant-456\",", 1)
                .into_bytes();
        }
        "long-id" => {
            published.data = data(event, &|value| {
                value["event_id"] = json!("x".repeat(MAX_ID_BYTES + 1));
            });
        }
        "too-deep" => {
            let nested = format!("{}1{}", "[".repeat(200), "]".repeat(200));
            published.data = text
                .replacen("\"data\":{", &format!("\"data\":{{\"nested\":{nested},"), 1)
                .into_bytes();
        }
        "long-number" => {
            let long = "\"data\":{\"number\":1234567890123456789012345678901234567890.5,";
            published.data = text.replacen("\"data\":{", long, 1).into_bytes();
        }
        "endless-number" => {
            published.data = text
                .replacen("\"data\":{", "\"data\":{\"number\":1e999,", 1)
                .into_bytes();
        }
        other => panic!("outcomes.yaml has a row that is not tested: {other}"),
    }
    published
}

#[tokio::test(flavor = "multi_thread")]
async fn every_message_comes_to_the_end_that_the_table_says() {
    let rows = rows();
    let cloud = Cloud::start().await;
    let plane = cloud.plane("outcomes", json!({})).await;
    let service = Service::start_by_source(ANY, |source| match source {
        "poison-answered" => StatusCode::UNPROCESSABLE_ENTITY,
        "poison-failing" => StatusCode::BAD_GATEWAY,
        _ => StatusCode::OK,
    })
    .await;
    let mut ids: HashMap<&str, (String, Vec<String>)> = HashMap::new();
    let mut again = Vec::new();
    for row in &rows {
        let mut event = event("tenant-123");
        let published = publish(&row.case, &mut event);
        let (data, attributes) = (published.data.clone(), &published.attributes);
        let message = plane.publish_bytes(data, attributes).await;
        ids.insert(&row.case, (event.event_id.to_string(), vec![message]));
        if published.twice {
            again.push((row.case.as_str(), published));
        }
    }
    let worker = binary(&cloud, &plane)
        .env("HANDLER", "http")
        .env("HANDLER_URL", &service.url)
        .env("HANDLED_VERSIONS", "document.ingested=1.0+2.0")
        .spawn()
        .unwrap();
    let pid = worker.id().unwrap();
    let log = tokio::spawn(end(worker));
    let name = format!("projects/{PROJECT}/subscriptions/{}", plane.subscription());
    let settled = || {
        until("everything to be settled", || async {
            let stats = cloud.emulator.stats(&name).unwrap();
            (stats.backlog == 0 && stats.outstanding == 0).then_some(())
        })
    };
    settled().await;
    // Only now, since Pub/Sub promises no order: which of two copies at once comes first is open.
    for (case, published) in again {
        let message = plane.publish_bytes(published.data, &published.attributes).await;
        ids.get_mut(case).unwrap().1.push(message);
    }
    settled().await;
    terminate(pid).await;
    let (code, log) = log.await.unwrap();
    assert_eq!(code, Some(0));
    let dead = plane.dead_letters().await;

    for row in &rows {
        let (event_id, messages) = &ids[row.case.as_str()];
        let lines_of = |message: &String| -> Vec<&Value> {
            let audit = log.iter().filter(|line| line["audit"] == 1);
            audit
                .filter(|line| line["message_id"] == message.as_str())
                .collect()
        };
        let lines = lines_of(&messages[0]);
        let first = lines.first().unwrap_or_else(|| panic!("{}: no line", row.case));
        assert_eq!(first["outcome"], row.outcome.as_str(), "{}", row.case);
        assert_eq!(first["told"], row.told.as_str(), "{}", row.case);
        assert_eq!(service.times(event_id), row.handled, "{}", row.case);
        let letters = dead.iter().filter(|id| *id == event_id).count();
        let bare = matches!(row.case.as_str(), "bare-attributes");
        match row.end.as_str() {
            "done" | "let go" => assert!(letters == 0 || bare, "{}", row.case),
            "dead letters" => assert_eq!(letters, 1, "{}", row.case),
            other => panic!("{}: {other}", row.case),
        }
        if row.end == "done" {
            let effects = lines.iter().filter(|line| line["outcome"] == "success").count();
            assert_eq!(effects, 1, "{}", row.case);
        }
        for copy in &messages[1..] {
            let outcomes: Vec<&Value> = lines_of(copy).iter().map(|line| &line["outcome"]).collect();
            assert_eq!(outcomes, ["duplicate"], "{}", row.case);
        }
    }
}

#[test]
fn the_readme_shows_the_table() {
    let mut table = String::from(
        "| The message | Outcome | Pub/Sub is told | The handler is called | It ends |\n|---|---|---|---|---|\n",
    );
    for row in rows() {
        let end = match row.end.as_str() {
            "done" => "handled",
            "let go" => "acknowledged unhandled, with a warning",
            _ => "in the dead letters",
        };
        let times = match row.handled {
            0 => "never".to_owned(),
            1 => "once".to_owned(),
            times => format!("{times} times"),
        };
        writeln!(
            table,
            "| {} | `{}` | {} | {times} | {end} |",
            row.message, row.outcome, row.told
        )
        .unwrap();
    }
    let readme = include_str!("../../README.md");
    assert!(readme.contains(&table), "put this into the README:\n{table}");
}
