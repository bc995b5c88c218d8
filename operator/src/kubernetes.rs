//! Objects in Kubernetes as values: what the operator wants is a [`Manifest`]; what is there is remembered in the
//! [`Children`] cache.

pub mod children;
pub mod decoded;
pub mod field_owners;
pub mod generated;
pub mod keda;
pub mod manifest;
pub mod namespaced;
pub mod read;
pub mod remembered;
pub mod repairs;
pub mod watch;
pub mod write;

pub use children::Children;
pub use manifest::{Key, Kind, Manifest, hash};
pub use remembered::Remembered;
