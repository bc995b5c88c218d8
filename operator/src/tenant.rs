//! The Tenant's stages, one file each, in their order; [`reconcile`] reads them aloud.

pub mod apply;
pub mod binding;
pub mod brake;
pub mod contents;
mod delete;
pub mod desired;
pub mod effective;
pub mod finalize;
pub mod handler;
pub mod observe;
pub mod places;
pub mod plan;
pub mod pods;
pub mod reconcile;
pub mod rollout;
pub mod scaling;
pub mod status;
pub mod validate;
pub mod wave;
