//! Events that every library of the project makes and reads alike: `vectors/made.json` and `vectors/received.json`, which the
//! Python package is tested with too. `UPDATE_VECTORS=yes cargo test --workspace --test vectors` writes what Rust makes of them.

use std::{collections::BTreeMap, env, fs, path::PathBuf};

use anyhow::Context as _;
use events::{
    DomainEvent, EventFactory, EventType, Payload, TenantId,
    event::Id,
    payloads::{
        DocumentDeleted, DocumentIngested, DocumentUpdated, EventPayload, OrganizationCreated,
        OrganizationUpdated, QueryExecuted, QueryFailed, SystemError, SystemHealthCheck, UserLogin,
        UserRegistered,
    },
};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use serde_json::value::RawValue;

/// An event that a library makes, and the message that it has to be.
#[derive(Serialize, Deserialize)]
struct Made {
    name: String,
    make: Make,
    #[serde(default)]
    message: String,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

/// What the application says of the event.
#[derive(Serialize, Deserialize)]
struct Make {
    source: String,
    tenant_id: TenantId,
    event_type: EventType,
    event_id: Id,
    occurred_at: jiff::Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    causation_id: Option<Id>,
    #[serde(skip_serializing_if = "Option::is_none")]
    idempotency_key: Option<Id>,
    /// The fields of the type's own payload.
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Box<RawValue>>,
    /// The payload of any other, as it is written.
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Box<RawValue>>,
}

/// A message of another publisher.
#[derive(Serialize, Deserialize)]
struct Received {
    name: String,
    message: String,
    /// No event can be read from it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    refused: bool,
    /// The payload that is read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    data: String,
    /// The time that is read, in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    occurred_at: Option<jiff::Timestamp>,
    /// The attributes that the same event is published with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    attributes: BTreeMap<String, String>,
}

impl Make {
    fn event(&self) -> anyhow::Result<DomainEvent> {
        let Some(fields) = &self.fields else {
            let data = self.data.as_ref().context("neither fields nor data")?;
            let payload: Payload = serde_json::from_str(data.get())?;
            return Ok(self.complete(self.factory().written(
                &self.tenant_id,
                self.event_type.clone(),
                payload,
            )));
        };
        let make = match self.event_type.as_str() {
            "document.ingested" => Self::typed::<DocumentIngested>,
            "document.updated" => Self::typed::<DocumentUpdated>,
            "document.deleted" => Self::typed::<DocumentDeleted>,
            "query.executed" => Self::typed::<QueryExecuted>,
            "query.failed" => Self::typed::<QueryFailed>,
            "user.registered" => Self::typed::<UserRegistered>,
            "user.login" => Self::typed::<UserLogin>,
            "organization.created" => Self::typed::<OrganizationCreated>,
            "organization.updated" => Self::typed::<OrganizationUpdated>,
            "system.error" => Self::typed::<SystemError>,
            "system.health_check" => Self::typed::<SystemHealthCheck>,
            other => anyhow::bail!("{other} has no payload of its own"),
        };
        make(self, fields)
    }

    fn typed<P: EventPayload>(&self, fields: &RawValue) -> anyhow::Result<DomainEvent> {
        let payload: P = serde_json::from_str(fields.get())?;
        Ok(self.complete(self.factory().event(&self.tenant_id, payload)))
    }

    fn factory(&self) -> EventFactory {
        EventFactory::new(&self.source)
    }

    fn complete<C: events::builder::Content>(&self, event: events::EventBuilder<C>) -> DomainEvent {
        let mut event = event
            .event_id(self.event_id.clone())
            .occurred_at(self.occurred_at);
        if let Some(user) = &self.user_id {
            event = event.user(user);
        }
        if let Some(id) = &self.correlation_id {
            event = event.correlation(id.clone());
        }
        if let Some(id) = &self.causation_id {
            event = event.causation(id.clone());
        }
        if let Some(key) = &self.idempotency_key {
            event = event.idempotency_key(key.clone());
        }
        event.build()
    }
}

/// The vectors of a file after `change`, which are the committed ones unless they are updated.
fn vectors<V: Serialize + DeserializeOwned>(
    file: &str,
    change: impl Fn(&mut V) -> anyhow::Result<()>,
) -> anyhow::Result<Vec<V>> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(file);
    let text = fs::read_to_string(&path)?;
    let mut vectors: Vec<V> = serde_json::from_str(&text)?;
    if env::var_os("UPDATE_VECTORS").is_some() {
        vectors.iter_mut().try_for_each(change)?;
        fs::write(&path, serde_json::to_string_pretty(&vectors)? + "\n")?;
    }
    Ok(vectors)
}

fn attributes(event: &DomainEvent) -> BTreeMap<String, String> {
    event
        .attributes()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

#[test]
fn events_are_made_as_the_vectors_say() -> anyhow::Result<()> {
    let made = vectors::<Made>("made.json", |vector| {
        let event = vector.make.event()?;
        vector.message = String::from_utf8(event.encode()?)?;
        vector.attributes = attributes(&event);
        Ok(())
    })?;
    assert!(made.len() > 30, "{}", made.len());
    for vector in made {
        let name = &vector.name;
        let event = vector.make.event().with_context(|| name.clone())?;
        assert_eq!(String::from_utf8(event.encode()?)?, vector.message, "{name}");
        assert_eq!(attributes(&event), vector.attributes, "{name}");
        // And back: nothing is lost on the way, to the byte.
        let read = DomainEvent::decode(vector.message.as_bytes()).with_context(|| name.clone())?;
        assert_eq!(read.encode()?, vector.message.as_bytes(), "{name}");
        assert_eq!(read, event, "{name}");
    }
    Ok(())
}

#[test]
fn messages_of_others_are_read_or_refused_as_the_vectors_say() -> anyhow::Result<()> {
    let received = vectors::<Received>("received.json", |vector| {
        if let Ok(event) = DomainEvent::decode(vector.message.as_bytes()) {
            event.data.text().clone_into(&mut vector.data);
            vector.occurred_at = Some(event.occurred_at);
            vector.attributes = attributes(&event);
        }
        Ok(())
    })?;
    assert!(received.iter().filter(|vector| vector.refused).count() > 40);
    for vector in received {
        let name = &vector.name;
        let read = DomainEvent::decode(vector.message.as_bytes());
        assert_eq!(read.is_err(), vector.refused, "{name}: {read:?}");
        let Ok(event) = read else { continue };
        assert_eq!(event.data.text(), vector.data, "{name}");
        assert_eq!(Some(event.occurred_at), vector.occurred_at, "{name}");
        assert_eq!(attributes(&event), vector.attributes, "{name}");
    }
    Ok(())
}

#[test]
fn every_type_and_version_of_the_schemas_has_vectors() -> anyhow::Result<()> {
    let made = vectors::<Made>("made.json", |_| Ok(()))?;
    let typed: Vec<String> = made
        .iter()
        .filter(|vector| vector.make.fields.is_some())
        .map(|vector| format!("{}/{}.json", vector.make.event_type, events::payloads::VERSION))
        .collect();
    let payloads = events::schema::all()
        .into_keys()
        .filter(|path| path.contains('/'))
        .collect::<Vec<_>>();
    assert_eq!(payloads.len(), 11);
    for schema in payloads {
        // Once with what is required, and once with all.
        assert!(
            typed.iter().filter(|of| **of == schema).count() >= 2,
            "{schema} has no two vectors"
        );
    }
    Ok(())
}
