//! The EventSubscription's stages, one file each, in their order; [`reconcile`] reads them aloud.

pub mod access;
pub mod apply;
pub mod dead_letters;
mod delete;
pub mod desired;
pub mod effective;
pub mod finalize;
pub mod observe;
pub mod ownership;
mod place;
pub mod plan;
pub mod reconcile;
pub mod status;
pub mod strays;
pub mod succession;
pub mod validate;
