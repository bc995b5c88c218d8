//! The handlers that come with the worker.

mod cloud_event;
pub mod http;
pub mod log;
