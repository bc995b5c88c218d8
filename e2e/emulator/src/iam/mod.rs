//! Access control: policies with etags, the roles of Pub/Sub, and who may do what.

mod member;
mod policy;
mod roles;

pub(crate) use member::{project_number_of_agent, service_agent, validate as validate_member};
pub(crate) use policy::PolicyCell;
pub(crate) use roles::{grants, is_permission};

/// Google's messages for policies.
pub(crate) use googleapis_tonic_google_iam_v1::google::iam::v1 as pb;
