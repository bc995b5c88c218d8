//! The handlers that come with the worker.

pub mod batch;
mod client;
mod cloud_event;
pub mod http;
pub mod log;
pub mod status;
