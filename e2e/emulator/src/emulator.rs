//! The handle: start one, look inside, change its settings, stop it.

use crate::{
    api::Api,
    calls::Call,
    control,
    engine::{Engine, SubscriptionStats},
    faults::Fault,
    gate::Gate,
    iam_pb,
    identity::{TokenService, WorkloadIdentity},
    pb,
    server::Server,
    settings::Settings,
    status::Result,
    store::Store,
};
use std::{net::SocketAddr, path::PathBuf, sync::Arc};

/// How to start an emulator.
#[derive(Debug, Clone)]
pub struct EmulatorBuilder {
    host: String,
    port: u16,
    seed: u64,
    settings: Settings,
    data_dir: Option<PathBuf>,
    workload_identity: WorkloadIdentity,
}

impl EmulatorBuilder {
    /// Address to listen on; `127.0.0.1` by default.
    #[must_use]
    pub fn host(mut self, host: impl Into<String>) -> Self {
        self.host = host.into();
        self
    }

    /// Port to listen on; 0, the default, takes a free one.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Same seed, same ids and same dice; 0 by default.
    #[must_use]
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = seed;
        self
    }

    /// Settings to begin with.
    #[must_use]
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Keeps everything in a directory, across restarts and crashes; in memory by default.
    #[must_use]
    pub fn data_dir(mut self, directory: impl Into<PathBuf>) -> Self {
        self.data_dir = Some(directory.into());
        self
    }

    /// Which service account tokens the token endpoint exchanges; none by default.
    #[must_use]
    pub fn workload_identity(mut self, identity: WorkloadIdentity) -> Self {
        self.workload_identity = identity;
        self
    }

    /// Listens, and serves in the background until the handle is dropped.
    ///
    /// # Errors
    /// If the address cannot be bound, or the data directory or a certificate cannot be read.
    pub async fn start(self) -> anyhow::Result<Emulator> {
        let kept = self.data_dir.as_deref().map(Store::open).transpose()?;
        let engine = Engine::open(self.seed, self.settings, kept)?;
        engine.work_each_minute();
        let gate = Arc::new(Gate::new(engine.clone(), self.seed));
        let tokens = Arc::new(TokenService::new(self.workload_identity)?);
        let api = Api { engine, gate, tokens };
        let server = Server::start(&self.host, self.port, api.clone()).await?;
        Ok(Emulator { api, server })
    }
}

/// A running emulator. Dropping it stops it.
pub struct Emulator {
    api: Api,
    server: Server,
}

impl Drop for Emulator {
    /// What goes with the process stays in the store.
    fn drop(&mut self) {
        if let Some(store) = &self.api.engine.store {
            store.close();
        }
    }
}

impl Emulator {
    /// Defaults: a free port on loopback, seed 0, filters on, IAM off, the service's quota.
    #[must_use]
    pub fn builder() -> EmulatorBuilder {
        EmulatorBuilder {
            host: "127.0.0.1".to_owned(),
            port: 0,
            seed: 0,
            settings: Settings::default(),
            data_dir: None,
            workload_identity: WorkloadIdentity::default(),
        }
    }

    /// For the official client's `with_endpoint`: `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.server.address)
    }

    /// For `PUBSUB_EMULATOR_HOST`: `127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.server.address
    }

    /// Finished calls in order: the last 200,000 administrative ones, and the last 10,000 of publish, pull and ack.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.api.gate.calls.all()
    }

    /// Forgets the calls so far.
    pub fn clear_calls(&self) {
        self.api.gate.calls.clear();
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> Settings {
        self.api.engine.settings.read().clone()
    }

    /// Changes settings from the next call on: `emulator.change_settings(|s| s.filters = false)`.
    pub fn change_settings(&self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.api.engine.settings.write());
    }

    /// Plans a fault behind those already planned.
    pub fn add_fault(&self, fault: Fault) {
        self.api.gate.faults.add(fault);
    }

    /// Forgets the planned faults that are for exactly this part of a resource's name.
    pub fn lift_faults(&self, resource: &str) {
        self.api.gate.faults.lift(resource);
    }

    /// Forgets all planned faults.
    pub fn clear_faults(&self) {
        self.api.gate.faults.clear();
    }

    /// The number of a project; asking makes the project known.
    #[must_use]
    pub fn project_number(&self, project_id: &str) -> u64 {
        self.api.engine.project_number(project_id)
    }

    /// Gives a project a number of choice.
    pub fn set_project_number(&self, project_id: &str, number: u64) {
        self.api.engine.set_project_number(project_id, number);
    }

    /// `serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com` of a project.
    #[must_use]
    pub fn service_agent(&self, project_id: &str) -> String {
        crate::iam::service_agent(self.project_number(project_id))
    }

    /// Full names of all topics.
    #[must_use]
    pub fn topics(&self) -> Vec<String> {
        self.api.engine.topic_names()
    }

    /// Full names of all subscriptions.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<String> {
        self.api.engine.subscription_names()
    }

    /// A topic's configuration, without a call in the log.
    #[must_use]
    pub fn topic(&self, name: &str) -> Option<pb::Topic> {
        self.api.engine.topic_config(name)
    }

    /// A subscription's configuration, without a call in the log.
    #[must_use]
    pub fn subscription(&self, name: &str) -> Option<pb::Subscription> {
        self.api.engine.subscription_config(name)
    }

    /// Backlog, leases and totals of a subscription.
    ///
    /// # Errors
    /// If there is no such subscription.
    pub fn stats(&self, subscription: &str) -> Result<SubscriptionStats> {
        self.api.engine.stats(subscription)
    }

    /// The policy of a resource, or of a project (`projects/p`), without a call in the log.
    #[must_use]
    pub fn policy(&self, resource: &str) -> Option<iam_pb::Policy> {
        self.api.engine.policy(resource)
    }

    /// Sets a policy past the gate: what an administrator did before the test began.
    ///
    /// # Errors
    /// As the service's `SetIamPolicy`.
    pub fn set_policy(&self, resource: &str, policy: iam_pb::Policy) -> Result<iam_pb::Policy> {
        let request = iam_pb::SetIamPolicyRequest {
            resource: resource.to_owned(),
            policy: Some(policy),
            update_mask: None,
        };
        self.api.engine.set_policy(request)
    }

    /// Creates a topic past the gate: what was there before the test began.
    ///
    /// # Errors
    /// As the service's `CreateTopic`.
    pub fn create_topic(&self, topic: pb::Topic) -> Result<pb::Topic> {
        self.api.engine.create_topic(topic)
    }

    /// Creates a subscription past the gate.
    ///
    /// # Errors
    /// As the service's `CreateSubscription`.
    pub fn create_subscription(&self, subscription: pb::Subscription) -> Result<pb::Subscription> {
        self.api.engine.create_subscription(subscription)
    }

    /// Creates a snapshot past the gate.
    ///
    /// # Errors
    /// As the service's `CreateSnapshot`.
    pub fn create_snapshot(&self, request: pb::CreateSnapshotRequest) -> Result<pb::Snapshot> {
        self.api.engine.create_snapshot(request)
    }

    /// Publishes past the gate and the network. Returns the message ids.
    ///
    /// # Errors
    /// As the service's `Publish`.
    pub fn publish(&self, topic: &str, messages: Vec<pb::PubsubMessage>) -> Result<Vec<String>> {
        let request = pb::PublishRequest {
            topic: topic.to_owned(),
            messages,
        };
        self.api
            .engine
            .publish(request)
            .map(|response| response.message_ids)
    }

    /// Ends open streams with a code, as the service does now and then; `None` is UNAVAILABLE.
    /// Returns how many there were.
    #[allow(clippy::must_use_candidate, reason = "called for its effect")]
    pub fn break_streams(&self, code: Option<crate::Code>) -> usize {
        control::break_streams(&self.api, code)
    }

    /// Stops taking calls, ends open streams with UNAVAILABLE, and waits until the port is free.
    pub async fn shutdown(mut self) {
        self.server.shutdown().await;
        // A failure was logged, and calls were refused for it.
        let _ = self.api.engine.flush().await;
        if let Some(store) = &self.api.engine.store {
            store.close();
            store.closed().await;
        }
    }
}
