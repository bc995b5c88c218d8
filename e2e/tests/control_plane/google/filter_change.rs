//! The operator itself on Google's Pub/Sub and Cloud Monitoring: a Tenant's event types are edited while events are
//! published without a pause, and each one is in the old subscription or in the new one.
//!
//! The emulator's filter change is told in full in the other `filter_change`; this one settles what it takes for granted:
//! that a subscription has every message published after its creation was answered, and that Monitoring tells in the end
//! that an emptied one is empty.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use crds::{ConditionType, EventSubscription, EventSubscriptionStatus, Tenant, condition};
use e2e::{
    control_plane::{ADMIN, ControlPlane, OPERATOR},
    stage::{self, RESYNC, configuration, install_crds, play_kubelet},
    tenants::apply,
};
use event_operator::pubsub::{Code, PubSub as _, Resource};
use events::{SubscriptionName, TopicName};
use google_cloud_pubsub::client::Publisher;
use kube::{Api, Client};
use pubsub_emulator::Settings;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    made::{LABEL, tell},
    messages::{Answer, Reader, publish, publisher},
    service::{Service, seconds, variable},
};

/// A workload identity pool of the project: a policy names principals of one that exists.
const POOL_VARIABLE: &str = "GCP_TEST_POOL";

const TENANT: &str = "changes-its-mind";

/// How long the old subscription may stay on Google's: Monitoring is minutes late, and the operator waits for a margin.
const DRAIN_PATIENCE: Duration = Duration::from_secs(45 * 60);

/// Ends a task with the story.
struct Running(JoinHandle<()>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The keys under `identity`, for a pool of GKE's or another.
async fn identity(service: &Service) -> Option<Value> {
    if service.emulator.is_some() {
        return Some(json!({}));
    }
    let pool = variable(POOL_VARIABLE)?;
    if pool.ends_with(".svc.id.goog") {
        return Some(json!({ "pool": pool }));
    }
    let number = service.pubsub.project_number(&service.project).await.unwrap();
    Some(json!({"mode": "federation", "pool": pool, "provider": "no-matter", "poolProjectNumber": number}))
}

/// The operator with all that is its own named after this run; whatever else there is in the project is somebody else's.
async fn operate(service: &Service, plane: &ControlPlane, identity: Value) -> Running {
    let keys = json!({
        "projectId": service.project, "endpoint": service.connection.endpoint(), "identity": identity, "regions": [],
        "topicPrefix": service.run, "clusterId": service.run, "labels": {LABEL: service.run},
    });
    let mut settings = stage::settings(&configuration([keys]).unwrap()).unwrap();
    settings.resync = service.either(RESYNC, Duration::from_secs(60));
    settings.drain.margin = service.either(Duration::from_secs(1), settings.drain.margin);
    Running(
        stage::operate_with(plane.client(OPERATOR).await.unwrap(), settings)
            .await
            .unwrap(),
    )
}

fn spec(types: &[&str]) -> Value {
    json!({"subscriptions": [{"topic": "document-events", "eventTypes": types}]})
}

async fn ready(service: &Service, client: &Client) {
    let api = Api::<Tenant>::all(client.clone());
    service
        .eventually("the Tenant is Ready", async || {
            let tenant = api.get(TENANT).await.unwrap();
            let conditions = tenant.status.unwrap_or_default().conditions;
            match condition::holds(&conditions, ConditionType::Ready, tenant.metadata.generation) {
                true => Ok(()),
                false => Err(conditions),
            }
        })
        .await;
}

async fn look(client: &Client) -> EventSubscriptionStatus {
    let api = Api::<EventSubscription>::namespaced(client.clone(), TENANT);
    api.get("document-events").await.unwrap().status.unwrap()
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}

/// What was published so far, and the second of the switch once it is known.
#[derive(Default)]
struct Course {
    /// The second in which each was sent; its place is its name.
    sent: RefCell<Vec<i64>>,
    switch: Cell<Option<i64>>,
}

/// Publishes numbered events without a pause, until some seconds after the switch.
async fn publish_across(service: &Service, publisher: &Publisher, course: &Course) {
    while course.switch.get().is_none_or(|at| now() <= at + 2) {
        let (at, number) = (now(), course.sent.borrow().len().to_string());
        event(publisher, "document.ingested", &number).await;
        course.sent.borrow_mut().push(at);
        tokio::time::sleep(service.pace() / 4).await;
    }
}

async fn event(publisher: &Publisher, event_type: &str, name: &str) {
    let attributes = [("tenant_id", TENANT), ("event_type", event_type), ("name", name)];
    publish(publisher, &attributes).await;
}

/// How often each event was received.
fn names(reader: &Reader) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for one in reader.messages() {
        *counts.entry(one.attributes["name"].clone()).or_default() += 1;
    }
    counts
}

/// The edit, once events are coming, and what becomes of it: the new subscription, and in `course` the switch.
async fn edit(service: &Service, client: &Client, old: &str, course: &Course) -> String {
    service
        .eventually("events are coming", async || match course.sent.borrow().len() {
            20.. => Ok(()),
            few => Err(few),
        })
        .await;
    apply(client, TENANT, spec(&["document.ingested", "document.deleted"])).await;
    let (new, at) = service
        .eventually("the switch is written down", async || {
            let status = look(client).await;
            let switched = status
                .draining
                .iter()
                .find(|one| one.subscription == old)
                .and_then(|one| one.switched_at.as_ref());
            match (switched, &status.subscription) {
                (Some(at), Some(new)) => Ok((new.clone(), at.0.as_second())),
                _ => Err(status),
            }
        })
        .await;
    course.switch.set(Some(at));
    new
}

/// Reads what a subscription of this name has.
async fn reader(service: &Service, name: &str) -> Reader {
    let name = SubscriptionName::parse(name).unwrap();
    service.remember(Resource::Subscription(name.clone()));
    Reader::open(service, &name, Answer::Ack).await
}

/// Waits until the old subscription is deleted; gives how long that took.
async fn gone(service: &Service, client: &Client, old: &str, begun: Instant) -> Duration {
    let name = SubscriptionName::parse(old).unwrap();
    let patience = service.either(service.patience(), DRAIN_PATIENCE);
    e2e::eventually::eventually("the old subscription goes", patience, async || {
        match service.pubsub.subscription(&name).await {
            Err(error) if error.code == Code::NotFound => return Ok(begun.elapsed()),
            _ => tokio::time::sleep(service.pace() * 10).await,
        }
        let conditions = look(client).await.conditions;
        Err(condition::find(&conditions, ConditionType::Draining).map(|one| one.message.clone()))
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_filter_is_changed_under_a_stream_of_events_and_none_is_lost() {
    tell("filter change", Settings::default(), async |service| {
        let Some(identity) = identity(service).await else {
            service.skipped(format!(
                "the operator gives a right to a principal of a workload identity pool; set {POOL_VARIABLE} to the id of one of the project's"
            ));
            return;
        };
        let plane = ControlPlane::alone();
        let client = plane.client(ADMIN).await.unwrap();
        install_crds(&client).await.unwrap();
        let _kubelet = Running(tokio::spawn(play_kubelet(client.clone())));
        let _operator = operate(service, &plane, identity).await;
        apply(&client, TENANT, spec(&["document.ingested"])).await;
        ready(service, &client).await;
        let status = look(&client).await;
        let (old, topic) = (status.subscription.unwrap(), status.topic.unwrap());
        let topic = TopicName::parse(&topic).unwrap();
        let publisher = publisher(service, &topic).await;

        let course = Course::default();
        let ((), new) = tokio::join!(
            publish_across(service, &publisher, &course),
            edit(service, &client, &old, &course)
        );
        let (sent, switch) = (course.sent.take(), course.switch.get().unwrap());
        let switched = Instant::now();
        event(&publisher, "document.deleted", "newly wanted").await;
        assert_ne!(new, old);

        // The worker leaves to the new one what is from after the switch, so that it must be there: in the old one it
        // would not be handled. The label has whole seconds.
        let (old_reader, new_reader) = (
            reader(service, &old).await,
            reader(service, &new).await,
        );
        service
            .eventually("every event is received", async || {
                let (old, new) = (names(&old_reader), names(&new_reader));
                let lost: Vec<_> = sent
                    .iter()
                    .enumerate()
                    .filter(|(number, at)| {
                        let number = number.to_string();
                        let handled = match **at > switch {
                            true => new.contains_key(&number),
                            false => old.contains_key(&number),
                        };
                        !handled
                    })
                    .collect();
                match lost.is_empty() && new.contains_key("newly wanted") {
                    true => Ok(()),
                    false => Err(format!("{lost:?} of {}, switched in {switch}", sent.len())),
                }
            })
            .await;
        let emptied = Instant::now();
        assert!(!names(&old_reader).contains_key("newly wanted"));
        let both = names(&new_reader)
            .keys()
            .filter(|name| names(&old_reader).contains_key(*name))
            .count();

        let drained = gone(service, &client, &old, emptied).await;
        ready(service, &client).await;
        let margin = stage::settings(&configuration([json!({"projectId": service.project})]).unwrap())
            .unwrap()
            .drain
            .margin;
        service.measured(format!(
            "{} events, none lost, {both} in both subscriptions; the old one went {} after it was empty, {} after the switch (margin {})",
            sent.len(),
            seconds(drained),
            seconds(switched.elapsed()),
            seconds(service.either(Duration::from_secs(1), margin)),
        ));
    })
    .await;
}
