//! A message that fails as often as it may arrives in the dead-letter subscription, through that one's filter, with its own
//! attributes and with those that say where it is from.

use std::collections::BTreeMap;

use pubsub_emulator::Settings;

use super::{
    letters::{ATTEMPTS, Letters, TENANT},
    made::tell,
    messages::{Answer, Reader, publish, publisher},
};

/// What all of them begin with.
const SOURCE: &str = "CloudPubSubDeadLetterSource";

#[tokio::test]
async fn a_dead_letter_has_its_own_attributes_and_those_of_its_source() {
    tell("dead letter", Settings::default(), async |service| {
        let letters = Letters::make(service).await;
        letters.grant(service).await;
        let own = [
            ("tenant_id", TENANT),
            ("event_type", "document.ingested"),
            ("idempotency_key", "k"),
        ];
        publish(&publisher(service, &letters.topic.name).await, &own).await;
        let failing = Reader::open(service, &letters.subscription.name, Answer::Nack).await;
        let dead = Reader::open(service, &letters.dead.name, Answer::Ack).await;
        let letter = service
            .eventually("it is in the dead letters", async || {
                match dead.messages().first() {
                    Some(letter) => Ok(letter.clone()),
                    None => Err(failing.messages().last().cloned()),
                }
            })
            .await;

        for (key, value) in own {
            assert_eq!(letter.attributes.get(key).map(String::as_str), Some(value));
        }
        let (source, rest): (BTreeMap<_, _>, BTreeMap<_, _>) = letter
            .attributes
            .into_iter()
            .partition(|(key, _)| key.starts_with(SOURCE));
        assert_eq!(rest.len(), own.len(), "{rest:?}");
        let of = |what: &str| source.get(&format!("{SOURCE}{what}")).map(String::as_str);
        assert_eq!(of("Subscription"), Some(letters.subscription.name.id()));
        assert_eq!(of("SubscriptionProject"), Some(service.project.as_str()));
        let count: i32 = of("DeliveryCount").unwrap().parse().unwrap();
        assert!(count >= ATTEMPTS, "{source:?}");
        let deliveries = failing.messages().len();
        service.measured(format!(
            "after {deliveries} deliveries of {ATTEMPTS}; {}",
            serde_json::to_string(&source).unwrap()
        ));
    })
    .await;
}
