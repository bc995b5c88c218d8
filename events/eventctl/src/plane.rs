//! The event plane on an emulator: topics, filtered subscriptions and dead letters, named as the operator names them.

use anyhow::{Context as _, bail};
use events::{Catalogue, Filter, ProjectId, SubscriptionName, TenantId, TopicName};
use reqwest::{Client, Method, StatusCode};
use serde_json::{Value, json};

/// As few as Pub/Sub allows, so that a dead letter is seen soon.
pub(crate) const ATTEMPTS: u32 = 5;
/// Shorter than the operator's, so that five attempts take seconds.
const BACKOFF: [&str; 2] = ["0.2s", "2s"];
/// The longer of both in whole seconds, for the worker's list.
pub(crate) const LONGEST_BACKOFF_SECONDS: u64 = 2;
/// The longest that Pub/Sub allows, as the operator has it: handlers may take long.
const ACK_DEADLINE_SECONDS: u32 = 600;

/// Makes what is not there yet.
#[derive(Debug)]
pub(crate) struct Plane {
    client: Client,
    base: String,
    project: ProjectId,
}

impl Plane {
    pub(crate) fn new(emulator: &str, project: &ProjectId) -> Self {
        Self {
            client: Client::new(),
            base: format!("http://{emulator}/v1"),
            project: project.clone(),
        }
    }

    /// Topics with dead-letter topics, and two subscriptions for each tenant and topic. What is there already stays.
    pub(crate) async fn make(&self, catalogue: &Catalogue, tenants: &[TenantId]) -> anyhow::Result<()> {
        let agent = self.service_agent().await?;
        for (_, topic) in catalogue.topics() {
            let dead = topic.dead_letter()?;
            self.put(&topic.to_string(), &json!({})).await?;
            self.put(&dead.to_string(), &json!({})).await?;
            self.grant(&dead.to_string(), "roles/pubsub.publisher", &agent)
                .await?;
            for tenant in tenants {
                self.subscribe(topic, &dead, tenant, &agent).await?;
            }
        }
        Ok(())
    }

    async fn subscribe(
        &self,
        topic: &TopicName,
        dead: &TopicName,
        tenant: &TenantId,
        agent: &str,
    ) -> anyhow::Result<()> {
        let filter = Filter::all_of(tenant);
        let [minimum, maximum] = BACKOFF;
        let kept = SubscriptionName::dead_letter(&self.project, topic, tenant)?;
        let body = json!({"topic": dead.to_string(), "filter": filter.as_str(), "expirationPolicy": {}});
        self.put(&kept.to_string(), &body).await?;
        let worker = worker_subscription(topic, tenant)?.to_string();
        let body = json!({
            "topic": topic.to_string(), "filter": filter.as_str(), "expirationPolicy": {},
            "ackDeadlineSeconds": ACK_DEADLINE_SECONDS, "enableMessageOrdering": true,
            "retryPolicy": {"minimumBackoff": minimum, "maximumBackoff": maximum},
            "deadLetterPolicy": {"deadLetterTopic": dead.to_string(), "maxDeliveryAttempts": ATTEMPTS},
        });
        self.put(&worker, &body).await?;
        self.grant(&worker, "roles/pubsub.subscriber", agent).await
    }

    /// Subscriptions that show the dead letters of all tenants; none for a topic without a dead-letter topic.
    pub(crate) async fn watch(&self, catalogue: &Catalogue) -> anyhow::Result<Vec<SubscriptionName>> {
        let mut names = Vec::new();
        for (_, topic) in catalogue.topics() {
            let dead = topic.dead_letter()?;
            let name = SubscriptionName::new(&self.project, &format!("{}-dev-server", dead.id()))?;
            let body = json!({"topic": dead.to_string()});
            match self.call(Method::PUT, &name.to_string(), &body).await? {
                (StatusCode::NOT_FOUND, _) => {}
                (status, answer) => {
                    made(status, &answer, &name.to_string())?;
                    names.push(name);
                }
            }
        }
        Ok(names)
    }

    /// Who moves messages to the dead letters, and needs the right to (<https://cloud.google.com/pubsub/docs/handling-failures>).
    async fn service_agent(&self) -> anyhow::Result<String> {
        let path = format!("projects/{}", self.project);
        let (_, answer) = self.call(Method::GET, &path, &Value::Null).await?;
        let number = answer.get("projectNumber").and_then(Value::as_str);
        let number = number.with_context(|| {
            format!(
                "{} knows no project: an emulator is needed, and pubsub-emulator is one",
                self.base
            )
        })?;
        Ok(format!(
            "serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com"
        ))
    }

    async fn put(&self, name: &str, body: &Value) -> anyhow::Result<()> {
        let (status, answer) = self.call(Method::PUT, name, body).await?;
        made(status, &answer, name)
    }

    async fn grant(&self, resource: &str, role: &str, member: &str) -> anyhow::Result<()> {
        let body = json!({"policy": {"bindings": [{"role": role, "members": [member]}]}});
        let path = format!("{resource}:setIamPolicy");
        let (status, answer) = self.call(Method::POST, &path, &body).await?;
        made(status, &answer, resource)
    }

    async fn call(&self, method: Method, path: &str, body: &Value) -> anyhow::Result<(StatusCode, Value)> {
        let url = format!("{}/{path}", self.base);
        let request = self.client.request(method, url);
        let request = if body.is_null() {
            request
        } else {
            request.json(body)
        };
        let unreachable = || format!("cannot reach the emulator at {}", self.base);
        let answer = request.send().await.with_context(unreachable)?;
        let status = answer.status();
        // Another server may answer with anything.
        Ok((status, answer.json().await.unwrap_or_default()))
    }
}

/// What a tenant's worker pulls of a topic.
pub(crate) fn worker_subscription(topic: &TopicName, tenant: &TenantId) -> anyhow::Result<SubscriptionName> {
    let filter = Filter::all_of(tenant);
    Ok(SubscriptionName::worker(topic.project(), topic, tenant, &filter)?)
}

fn made(status: StatusCode, answer: &Value, name: &str) -> anyhow::Result<()> {
    if status.is_success() || status == StatusCode::CONFLICT {
        return Ok(());
    }
    let message = answer.pointer("/error/message").and_then(Value::as_str);
    bail!(
        "the emulator did not make {name}: {status} {}",
        message.unwrap_or_default()
    )
}
