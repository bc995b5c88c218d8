//! The k-th write of an operator goes wrong, in one of the ways it can. Writes to Kubernetes and to Pub/Sub are counted
//! together, in the order they are made; Kubernetes events are not, since nothing depends on them.

use std::{
    future::{Future, pending},
    sync::Arc,
    task::{Context, Poll},
};

use async_trait::async_trait;
use event_operator::pubsub::{
    Code, Page, Policy, PubSub, PubSubError, Resource, SubscriptionConfig, SubscriptionField, TopicConfig,
    TopicField,
};
use events::{ProjectId, SubscriptionName, TopicName};
use futures::future::BoxFuture;
use http::{Method, Request, Response};
use kube::client::Body;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tower::{BoxError, Layer, Service};

/// How a write goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// It is not sent, and that is said.
    FailsBefore,
    /// It is done, but the answer is an error.
    ReplyLost,
    /// The operator ends before it is sent.
    EndsBefore,
    /// The operator ends after it is done, before it hears so.
    EndsAfter,
    /// The operator panics over it. Not one of [`Mode::ALL`]: nothing is tried again soon after it.
    Panics,
}

impl Mode {
    /// All that the operator has to recover from by itself, and at once.
    pub const ALL: [Self; 4] = [
        Self::FailsBefore,
        Self::ReplyLost,
        Self::EndsBefore,
        Self::EndsAfter,
    ];
}

/// Decides which writes go wrong, and remembers all of them.
#[derive(Clone, Default)]
pub struct Saboteur(Arc<State>);

#[derive(Default)]
struct State {
    plans: Mutex<Vec<(usize, Mode)>>,
    writes: Mutex<Vec<String>>,
    ended: Notify,
}

impl Saboteur {
    /// Nothing more goes wrong but the writes with these numbers, counted from 1 from now on.
    pub fn plan(&self, plans: Vec<(usize, Mode)>) {
        self.0.writes.lock().clear();
        *self.0.plans.lock() = plans;
    }

    /// The writes since the plan was made, those that went wrong among them.
    #[must_use]
    pub fn writes(&self) -> Vec<String> {
        self.0.writes.lock().clone()
    }

    /// Whether every planned fault has struck.
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.0.plans.lock().is_empty()
    }

    /// Waits until the operator has to end.
    pub async fn end(&self) {
        self.0.ended.notified().await;
    }

    #[allow(clippy::panic, reason = "this is how the operator goes wrong")]
    async fn strike<T, E>(
        &self,
        name: String,
        write: impl Future<Output = Result<T, E>>,
        error: impl FnOnce(Mode) -> E,
    ) -> Result<T, E> {
        let number = {
            let mut writes = self.0.writes.lock();
            writes.push(name);
            writes.len()
        };
        let planned = {
            let mut plans = self.0.plans.lock();
            let found = plans.iter().position(|(k, _)| *k == number);
            found.map(|at| plans.remove(at).1)
        };
        match planned {
            None => write.await,
            Some(Mode::Panics) => panic!("sabotage"),
            Some(mode @ Mode::FailsBefore) => Err(error(mode)),
            Some(mode @ Mode::ReplyLost) => {
                let _ = write.await;
                Err(error(mode))
            }
            Some(mode @ (Mode::EndsBefore | Mode::EndsAfter)) => {
                if mode == Mode::EndsAfter {
                    let _ = write.await;
                }
                self.0.ended.notify_one();
                pending().await
            }
        }
    }
}

/// Before the client of the API server.
impl<S> Layer<S> for Saboteur {
    type Service = Sabotaged<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Sabotaged {
            inner,
            saboteur: self.clone(),
        }
    }
}

/// A way to the API server on which writes go wrong.
#[derive(Clone)]
pub struct Sabotaged<S> {
    inner: S,
    saboteur: Saboteur,
}

impl<S, B> Service<Request<Body>> for Sabotaged<S>
where
    S: Service<Request<Body>, Response = Response<B>>,
    S::Future: Send + 'static,
    S::Error: Into<BoxError>,
    B: Send + 'static,
{
    type Response = Response<B>;
    type Error = BoxError;
    type Future = BoxFuture<'static, Result<Self::Response, BoxError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let path = request.uri().path().to_owned();
        let counts = *request.method() != Method::GET && !path.contains("/events.k8s.io/");
        let name = format!("{} {path}", request.method());
        let saboteur = self.saboteur.clone();
        // Not sent before it is polled.
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = async { answer.await.map_err(Into::into) };
            match counts {
                false => answer.await,
                true => {
                    saboteur
                        .strike(name, answer, |mode| format!("sabotage: {mode:?}").into())
                        .await
                }
            }
        })
    }
}

/// A Pub/Sub whose writes go wrong.
pub struct SabotagedPubSub<P> {
    /// The real one.
    pub inner: P,
    /// Who decides.
    pub saboteur: Saboteur,
}

impl<P> SabotagedPubSub<P> {
    async fn write<T>(
        &self,
        call: &'static str,
        object: impl ToString,
        write: impl Future<Output = Result<T, PubSubError>>,
    ) -> Result<T, PubSubError> {
        let object = object.to_string();
        let error = |mode| PubSubError {
            call,
            permission: "",
            object: object.clone(),
            code: match mode {
                Mode::ReplyLost => Code::DeadlineExceeded,
                Mode::FailsBefore | Mode::EndsBefore | Mode::EndsAfter | Mode::Panics => Code::Unavailable,
            },
            message: format!("sabotage: {mode:?}"),
        };
        self.saboteur
            .strike(format!("{call} {object}"), write, error)
            .await
    }
}

#[async_trait]
impl<P: PubSub> PubSub for SabotagedPubSub<P> {
    async fn list_topics(&self, project: &ProjectId, token: &str) -> Result<Page<TopicConfig>, PubSubError> {
        self.inner.list_topics(project, token).await
    }

    async fn list_subscriptions(
        &self,
        project: &ProjectId,
        token: &str,
    ) -> Result<Page<SubscriptionConfig>, PubSubError> {
        self.inner.list_subscriptions(project, token).await
    }

    async fn topic(&self, name: &TopicName) -> Result<TopicConfig, PubSubError> {
        self.inner.topic(name).await
    }

    async fn subscription(&self, name: &SubscriptionName) -> Result<SubscriptionConfig, PubSubError> {
        self.inner.subscription(name).await
    }

    async fn create_topic(&self, topic: &TopicConfig) -> Result<TopicConfig, PubSubError> {
        self.write("CreateTopic", &topic.name, self.inner.create_topic(topic))
            .await
    }

    async fn update_topic(
        &self,
        topic: &TopicConfig,
        fields: &[TopicField],
    ) -> Result<TopicConfig, PubSubError> {
        self.write("UpdateTopic", &topic.name, self.inner.update_topic(topic, fields))
            .await
    }

    async fn create_subscription(&self, one: &SubscriptionConfig) -> Result<SubscriptionConfig, PubSubError> {
        self.write(
            "CreateSubscription",
            &one.name,
            self.inner.create_subscription(one),
        )
        .await
    }

    async fn update_subscription(
        &self,
        one: &SubscriptionConfig,
        fields: &[SubscriptionField],
    ) -> Result<SubscriptionConfig, PubSubError> {
        let update = self.inner.update_subscription(one, fields);
        self.write("UpdateSubscription", &one.name, update).await
    }

    async fn delete_subscription(&self, name: &SubscriptionName) -> Result<(), PubSubError> {
        self.write("DeleteSubscription", name, self.inner.delete_subscription(name))
            .await
    }

    async fn policy(&self, resource: &Resource) -> Result<Policy, PubSubError> {
        self.inner.policy(resource).await
    }

    async fn set_policy(&self, resource: &Resource, policy: &Policy) -> Result<Policy, PubSubError> {
        self.write("SetIamPolicy", resource, self.inner.set_policy(resource, policy))
            .await
    }

    async fn project_number(&self, project: &ProjectId) -> Result<u64, PubSubError> {
        self.inner.project_number(project).await
    }
}
