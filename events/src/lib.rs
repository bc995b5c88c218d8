//! The vocabulary of the event plane, without Kubernetes.
//!
//! Everything that crosses a border of the system (a CRD field, an environment variable, a message) is
//! parsed here once into a type that cannot hold a wrong value; behind the border nobody checks again.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`tenant_id`] | is this a tenant's id? |
//! | [`event_type`] | is this an event type, or a whole category of them? |
//! | [`name`] | what are the topics and subscriptions called? |
//! | [`filter`] | which messages does a tenant's subscription let through? |
//! | [`event`], [`payload`] | what does an event look like on the wire, and what does it say? |
//! | [`digest`] | do two payloads say the same? |
//! | [`payloads`] | what do the events of the catalogue say? |
//! | [`factory`], [`builder`] | how is a new event made? |
//! | [`schema`], [`compatibility`] | how is all this described for other languages, and what may change? |
//! | [`publisher`] | how does it get to Pub/Sub? |
//! | [`connection`] | which Pub/Sub, and as whom? |
//! | [`listen`](mod@listen) | where does a program take connections? |

pub mod builder;
pub mod compatibility;
pub mod connection;
pub mod digest;
pub mod event;
pub mod event_type;
pub mod factory;
pub mod filter;
pub mod listen;
pub mod name;
pub mod payload;
pub mod payloads;
pub mod publisher;
pub mod schema;
pub mod tenant_id;

pub use builder::EventBuilder;
pub use connection::Connection;
pub use digest::Digest;
pub use event::{DecodeError, DomainEvent, Foreign};
pub use event_type::{EventPattern, EventType};
pub use factory::EventFactory;
pub use filter::Filter;
pub use listen::listen;
pub use name::{ProjectId, SubscriptionName, TopicName};
pub use payload::Payload;
pub use publisher::EventPublisher;
pub use tenant_id::TenantId;
