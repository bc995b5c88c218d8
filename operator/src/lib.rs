//! The Living Twin event operator: keeps what a `Tenant` and its `EventSubscription`s ask for.
//!
//! Both kinds go through one pipeline, one file per stage:
//!
//! ```text
//! validate (pure) → desired (pure) → observe (I/O, reads only) → plan (pure) → apply (I/O, writes only) → status (pure)
//! ```
//!
//! Read [`subscription::reconcile`] and [`tenant::reconcile`] first; they name every other file in order. The pure stages
//! are public, so that other programs can say what would be done.
//!
//! | module | the question it answers |
//! |---|---|
//! | [`settings`] | what is configured? |
//! | [`tenant`] | what becomes of a Tenant, in Kubernetes? |
//! | [`subscription`] | what becomes of an EventSubscription, in Pub/Sub? |
//! | [`pubsub`] | which calls to Pub/Sub are there, and what is known of it? |
//! | [`identity`] | whom does Google take a worker for? |
//! | [`monitoring`] | what is measured of subscriptions? |
//! | [`scaler`] | how many workers does KEDA want? |
//! | [`kubernetes`] | which objects of ours are there, and how are they written? |
//! | [`failure`] | what does a failure mean? |
//! | [`status`] | how are conditions made? |
//! | [`leader`] | may this replica write? |
//! | [`controller`] | what triggers a reconcile? |
//! | [`queue`], [`turns`] | who is reconciled next, and who has to wait? |
//! | [`runner`] | how is it run, and when again? |
//! | [`metrics`], [`census`], [`http`] | what can be seen from outside? |

pub mod args;
pub mod census;
pub mod context;
pub mod controller;
pub mod failure;
pub mod http;
pub mod identity;
pub mod kubernetes;
pub mod leader;
pub mod metrics;
pub mod monitoring;
pub mod pause;
pub mod pubsub;
pub mod queue;
pub mod run;
pub mod runner;
pub mod scaler;
pub mod settings;
pub mod status;
pub mod subscription;
pub mod tenant;
pub mod turns;
