//! Without the service agent's rights nothing is forwarded and nobody is told: the message comes again and again. With
//! them it is forwarded, once IAM knows of them.

use std::time::{Duration, Instant};

use pubsub_emulator::Settings;

use super::{
    letters::{ATTEMPTS, Letters, TENANT},
    made::tell,
    messages::{Answer, Reader, publish, publisher},
    service::seconds,
};

#[tokio::test]
async fn without_its_grants_nothing_is_forwarded_and_with_them_it_is() {
    let settings = Settings {
        iam_propagation_ms: 200,
        ..Settings::default()
    };
    tell("dead-letter grants", settings, async |service| {
        let letters = Letters::make(service).await;
        publish(
            &publisher(service, &letters.topic.name).await,
            &[("tenant_id", TENANT)],
        )
        .await;
        let failing = Reader::open(service, &letters.subscription.name, Answer::Nack).await;
        let dead = Reader::open(service, &letters.dead.name, Answer::Ack).await;
        // Each delivery after the last one that it may have is a chance to forward it, and Google's may take its time.
        let (begun, quiet) = (Instant::now(), service.either(Duration::ZERO, Duration::from_secs(30)));
        let deliveries = service
            .eventually("it is delivered far too often", async || {
                let deliveries = failing.messages().len();
                let enough = deliveries >= usize::try_from(4 * ATTEMPTS).unwrap();
                match enough && begun.elapsed() >= quiet {
                    true => Ok(deliveries),
                    false => Err(deliveries),
                }
            })
            .await;
        assert!(
            dead.messages().is_empty(),
            "forwarded without grants on topic and subscription: has the service agent rights on the project?"
        );
        let counted = failing.messages().iter().filter_map(|one| one.attempt).max();
        let counted = counted.unwrap_or_default();

        letters.grant(service).await;
        let granted = Instant::now();
        let letter = service
            .eventually("it is in the dead letters", async || {
                dead.messages().first().cloned().ok_or_else(|| failing.messages().len())
            })
            .await;
        service.measured(format!(
            "without grants {deliveries} deliveries (the last counted as {counted}) and no dead letter; forwarded {} after the second grant",
            seconds(letter.at.saturating_duration_since(granted))
        ));
    })
    .await;
}
