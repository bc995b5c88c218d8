//! A right to pull that is given or taken: when a pull is allowed or refused, and when a stream that is open ends. A worker
//! that is let go may pull for that long.

use std::time::{Duration, Instant};

use event_operator::pubsub::{Grant, PubSub as _, Resource, policy::SUBSCRIBER};
use events::{SubscriptionName, TopicName};
use google_cloud_auth::{
    credentials::{Builder, CacheableResource, Credentials, CredentialsProvider, EntityTag, impersonated},
    errors::CredentialsError,
};
use google_cloud_gax::error::rpc::Code;
use google_cloud_pubsub::client::Publisher;
use http::{Extensions, HeaderMap, StatusCode};
use pubsub_emulator::{IamMode, Settings, pb};
use serde_json::json;

use super::{
    made::tell,
    messages::{Answer, Reader, publish, publisher},
    service::{Service, seconds, variable},
};

/// The e-mail of a service account without rights in Pub/Sub, whose tokens the one who runs this may make.
const WORKER_VARIABLE: &str = "GCP_TEST_WORKER";

/// Somebody whose rights are those that this story gives.
struct Worker {
    member: String,
    credentials: Credentials,
}

/// A caller of the emulator: the token is the principal.
#[derive(Debug)]
struct Bearer(String);

impl CredentialsProvider for Bearer {
    async fn headers(&self, _: Extensions) -> Result<CacheableResource<HeaderMap>, CredentialsError> {
        let value = format!("Bearer {}", self.0).parse().unwrap();
        Ok(CacheableResource::New {
            entity_tag: EntityTag::new(),
            data: HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]),
        })
    }

    async fn universe_domain(&self) -> Option<String> {
        None
    }
}

fn worker(service: &Service) -> Option<Worker> {
    if service.emulator.is_some() {
        let member = format!(
            "serviceAccount:worker@{}.iam.gserviceaccount.com",
            service.project
        );
        let credentials = Credentials::from(Bearer(member.clone()));
        return Some(Worker { member, credentials });
    }
    let email = variable(WORKER_VARIABLE)?;
    let own = Builder::default().build().unwrap();
    let credentials = impersonated::Builder::from_source_credentials(own)
        .with_target_principal(&email)
        .build()
        .unwrap();
    Some(Worker {
        member: format!("serviceAccount:{email}"),
        credentials,
    })
}

/// Publishes one event: past the emulator's gate, where this publisher has no token.
async fn post(service: &Service, publisher: &Publisher, topic: &TopicName) {
    let Some(emulator) = &service.emulator else {
        return publish(publisher, &[("tenant_id", "tenant-123")]).await;
    };
    let message = pb::PubsubMessage {
        data: b"{}".to_vec().into(),
        ..pb::PubsubMessage::default()
    };
    emulator.publish(&topic.to_string(), vec![message]).unwrap();
}

/// Whether the worker may pull; none when the answer is about something else.
async fn may_pull(service: &Service, name: &SubscriptionName, worker: &Worker) -> Option<bool> {
    let CacheableResource::New { data: headers, .. } =
        worker.credentials.headers(Extensions::new()).await.unwrap()
    else {
        return None;
    };
    let host = service
        .connection
        .endpoint()
        .unwrap_or("https://pubsub.googleapis.com");
    let pull = reqwest::Client::new()
        .post(format!("{host}/v1/{name}:pull"))
        .headers(headers)
        .json(&json!({"maxMessages": 1, "returnImmediately": true}));
    match pull.send().await.ok()?.status() {
        StatusCode::OK => Some(true),
        StatusCode::FORBIDDEN => Some(false),
        _ => None,
    }
}

/// When the answer was `wanted` for the first time, and when it was another for the last: replicas of a policy are changed
/// one by one.
async fn settles(service: &Service, wanted: bool, ask: impl AsyncFn() -> Option<bool>) -> [Duration; 2] {
    let quiet = service.either(Duration::from_millis(300), Duration::from_secs(30));
    let begun = Instant::now();
    let (mut first, mut last) = (None, Duration::ZERO);
    service
        .eventually("the answer is another one, and stays", async || {
            match ask().await {
                Some(answer) if answer == wanted => {
                    let first = *first.get_or_insert_with(|| begun.elapsed());
                    if begun.elapsed() > first.max(last) + quiet {
                        return Ok([first, last]);
                    }
                }
                Some(_) => last = begun.elapsed(),
                None => {}
            }
            Err((first, last))
        })
        .await
}

#[tokio::test]
async fn a_right_that_is_taken_ends_pulls_and_streams() {
    let settings = Settings {
        iam_propagation_ms: 200,
        ..Settings::default()
    };
    tell("revoked right", settings, async |service| {
        let Some(worker) = worker(service) else {
            service.skipped(format!(
                "it takes a second identity; set {WORKER_VARIABLE} to the e-mail of a service account without rights, and grant yourself roles/iam.serviceAccountTokenCreator on it"
            ));
            return;
        };
        let topic = service.topic("revoke");
        service.make_topic(&topic).await;
        let subscription = service.subscription("revoke", &topic.name);
        service.make_subscription(&subscription).await;
        let get = async || service.pubsub.subscription(&subscription.name).await;
        service.patiently("it is seen", get).await;
        let publisher = publisher(service, &topic.name).await;
        service.set_iam(IamMode::Enforce);
        let name = &subscription.name;
        let pull = async || may_pull(service, name, &worker).await;
        settles(service, false, &pull).await;

        let resource = Resource::Subscription(name.clone());
        let grant = Grant {
            role: SUBSCRIBER,
            member: worker.member.clone(),
        };
        service
            .change_policy(&resource, std::slice::from_ref(&grant), &[])
            .await;
        let [given, refused_last] = settles(service, true, &pull).await;

        // A stream that is open is one that has brought a message.
        let stream = Reader::open_as(service, name, Answer::Ack, worker.credentials.clone()).await;
        service
            .eventually("the stream is open", async || {
                post(service, &publisher, &topic.name).await;
                match stream.messages().is_empty() {
                    true => Err(stream.ended()),
                    false => Ok(()),
                }
            })
            .await;

        service.change_policy(&resource, &[], &[grant]).await;
        let revoked = Instant::now();
        let ([taken, allowed_last], ()) = tokio::join!(settles(service, false, &pull), async {
            while stream.ended().is_none() && revoked.elapsed() < service.patience() {
                post(service, &publisher, &topic.name).await;
                tokio::time::sleep(service.pace()).await;
            }
        });
        let since = |at: Instant| seconds(at.saturating_duration_since(revoked));
        let end = match stream.ended() {
            Some((at, code)) => format!("ended after {} with {code:?}", since(at)),
            None => format!("had not ended after {}", seconds(revoked.elapsed())),
        };
        let brought = stream
            .messages()
            .last()
            .map_or_else(String::new, |one| since(one.at));
        service.measured(format!(
            "allowed {} after the grant (refused for the last time after {}); refused {} after it was taken (allowed for the last time after {}); an open stream brought its last message after {brought} and {end}",
            seconds(given),
            seconds(refused_last),
            seconds(taken),
            seconds(allowed_last),
        ));
        // On Google's it is a figure.
        let code = stream.ended().map(|(_, code)| code);
        assert!(
            service.emulator.is_none() || code == Some(Some(Code::PermissionDenied)),
            "{code:?}"
        );
    })
    .await;
}
