//! A publisher of all topics of a catalogue.

use std::{collections::HashMap, fmt, sync::Arc, time::Duration};

use futures::future::join_all;
use google_cloud_gax::retry_policy::RetryPolicyExt as _;
use google_cloud_pubsub::{client::BasePublisher, retry_policy::RetryableErrors};
use prometheus::Registry;

use super::{
    Batching, FlowControl, Form, PublishError, PublishOptions, Receipt,
    flow::Flow,
    message::{Checked, checked},
    metrics::{MAX_TENANTS, Metrics},
    outlet::Outlet,
};
use crate::{Catalogue, Connection, DomainEvent, TopicName, TraceContext, catalogue::Route, connect};

/// As long as the official client tries.
const RETRY_FOR: Duration = Duration::from_secs(600);

type Tracer = Arc<dyn Fn() -> Option<TraceContext> + Send + Sync>;

/// Publishes events of all types to the topics of a catalogue. Cloning it is cheap, and clones share connections and bounds.
#[derive(Clone)]
pub struct Publisher {
    shared: Arc<Shared>,
}

struct Shared {
    catalogue: Catalogue,
    outlets: HashMap<TopicName, Outlet>,
    flow: Flow,
    form: Form,
    tracer: Option<Tracer>,
    metrics: Option<Metrics>,
}

/// How a [`Publisher`] is to be.
#[must_use = "a publisher is made by `build`"]
pub struct PublisherBuilder {
    catalogue: Catalogue,
    batching: Batching,
    flow: FlowControl,
    form: Form,
    retry_for: Duration,
    tracer: Option<Tracer>,
    registry: Option<Registry>,
    max_tenants: usize,
}

impl PublisherBuilder {
    /// When messages are sent together.
    pub fn batching(mut self, batching: Batching) -> Self {
        self.batching = batching;
        self
    }

    /// How much may be on its way.
    pub fn flow_control(mut self, flow: FlowControl) -> Self {
        self.flow = flow;
        self
    }

    /// How events stand in messages.
    pub fn form(mut self, form: Form) -> Self {
        self.form = form;
        self
    }

    /// How long the official client tries again by itself, with growing pauses, before an event has its error; 10 minutes
    /// by default.
    pub fn retry_for(mut self, time: Duration) -> Self {
        self.retry_for = time;
        self
    }

    /// Where the trace context of each event comes from whose options name none: a function that asks the application's
    /// tracing system for the current one.
    pub fn trace_context(
        mut self,
        tracer: impl Fn() -> Option<TraceContext> + Send + Sync + 'static,
    ) -> Self {
        self.tracer = Some(Arc::new(tracer));
        self
    }

    /// Where `events_published_total{tenant,event_type,outcome}` and `events_publish_seconds` are registered.
    pub fn metrics(mut self, registry: &Registry) -> Self {
        self.registry = Some(registry.clone());
        self
    }

    /// How many tenants have a label of their own in the metrics, 1,000 by default; the others are counted together as
    /// `tenant="*"`. 0 counts all together.
    pub fn max_tenants_in_metrics(mut self, tenants: usize) -> Self {
        self.max_tenants = tenants;
        self
    }

    /// The publisher, with one connection to Pub/Sub.
    ///
    /// # Errors
    /// [`PublishError::Connect`] when no client can be made; [`PublishError::Metrics`] when the registry has metrics of these
    /// names already.
    pub async fn build(self, connection: &Connection) -> Result<Publisher, PublishError> {
        let metrics = self
            .registry
            .as_ref()
            .map(|registry| Metrics::register(registry, self.max_tenants));
        let metrics = metrics.transpose().map_err(PublishError::Metrics)?;
        let client = connect!(BasePublisher::builder(), connection)
            .with_retry_policy(RetryableErrors.with_time_limit(self.retry_for))
            .build()
            .await
            .map_err(PublishError::Connect)?;
        let topics = self.catalogue.topics();
        let outlets = topics
            .map(|(_, topic)| (topic.clone(), Outlet::new(&client, topic.clone(), &self.batching)))
            .collect();
        Ok(Publisher {
            shared: Arc::new(Shared {
                catalogue: self.catalogue,
                outlets,
                flow: Flow::new(self.flow),
                form: self.form,
                tracer: self.tracer,
                metrics,
            }),
        })
    }
}

impl Publisher {
    /// A publisher for the topics of a catalogue.
    pub fn builder(catalogue: Catalogue) -> PublisherBuilder {
        PublisherBuilder {
            catalogue,
            batching: Batching::default(),
            flow: FlowControl::default(),
            form: Form::default(),
            retry_for: RETRY_FOR,
            tracer: None,
            registry: None,
            max_tenants: MAX_TENANTS,
        }
    }

    /// Publishes an event and waits until Pub/Sub has it; returns the message's id.
    ///
    /// # Errors
    /// [`PublishError`]; [`PublishError::is_retryable`] says whether the same event may be published again as it is.
    pub async fn publish(&self, event: &DomainEvent) -> Result<String, PublishError> {
        self.publish_with(event, &PublishOptions::default()).await
    }

    /// Publishes an event with an ordering key or a trace context.
    ///
    /// # Errors
    /// As [`Publisher::publish`].
    pub async fn publish_with(
        &self,
        event: &DomainEvent,
        options: &PublishOptions,
    ) -> Result<String, PublishError> {
        self.send(event, options).await?.await
    }

    /// Publishes events together and waits for all; the results have their order. Those of one type that share an ordering
    /// key are published in their order.
    pub async fn publish_all(
        &self,
        events: impl IntoIterator<Item = &DomainEvent>,
        options: &PublishOptions,
    ) -> Vec<Result<String, PublishError>> {
        let mut receipts = Vec::new();
        for event in events {
            receipts.push(self.send(event, options).await);
        }
        join_all(receipts.into_iter().map(|receipt| async { receipt?.await })).await
    }

    /// Sends an event on its way, and waits no longer than flow control asks for; the receipt has the result.
    ///
    /// # Errors
    /// [`PublishError`] where nothing was sent: no topic, too large, no CloudEvent, or full.
    pub async fn send(&self, event: &DomainEvent, options: &PublishOptions) -> Result<Receipt, PublishError> {
        let route = self.shared.catalogue.route(&event.event_type);
        let counted = self
            .shared
            .metrics
            .as_ref()
            .map(|metrics| metrics.count(event, route));
        let ready = async {
            let (outlet, checked) = self.shared.prepare(event, route, options)?;
            let room = self.shared.flow.room(checked.bytes).await?;
            Ok((outlet, checked, room))
        };
        match ready.await {
            Ok((outlet, checked, room)) => Ok(outlet.send(checked, Some(room), |result| {
                if let Some(counted) = counted {
                    counted.settled(result);
                }
            })),
            Err(error) => {
                if let Some(counted) = counted {
                    counted.refused();
                }
                Err(error)
            }
        }
    }

    /// Sends what waits to be sent together, and returns when all that was sent before has its result.
    pub async fn flush(&self) {
        join_all(self.shared.outlets.values().map(Outlet::flush)).await;
    }

    /// The catalogue it routes by.
    #[must_use]
    pub fn catalogue(&self) -> &Catalogue {
        &self.shared.catalogue
    }
}

impl Shared {
    /// Everything that can be wrong with an event before a call is made.
    fn prepare(
        &self,
        event: &DomainEvent,
        route: Option<Route<'_>>,
        options: &PublishOptions,
    ) -> Result<(&Outlet, Checked), PublishError> {
        let outlet = route.and_then(|route| self.outlets.get(route.topic));
        let outlet = outlet.ok_or_else(|| PublishError::NoTopic {
            event_type: event.event_type.clone(),
            topics: self.catalogue.topics().map(|(key, _)| key.to_owned()).collect(),
        })?;
        let trace = match (&options.traceparent, &self.tracer) {
            (None, Some(tracer)) => tracer(),
            _ => None,
        };
        let message = match trace {
            Some(trace) => self.form.message(event, &options.clone().traced(&trace))?,
            None => self.form.message(event, options)?,
        };
        Ok((outlet, checked(message, options.ordering_key.as_deref())?))
    }
}

impl fmt::Debug for Publisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher")
            .field("topics", &self.shared.outlets.keys())
            .field("form", &self.shared.form)
            .finish_non_exhaustive()
    }
}
