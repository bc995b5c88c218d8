//! Members of a binding, and the service agent of a project.

use crate::status::{Result, Status};

const AGENT_DOMAIN: &str = "@gcp-sa-pubsub.iam.gserviceaccount.com";

/// Prefixes of members that carry a name (IAM, "Principal identifiers").
const PREFIXES: [&str; 12] = [
    "user:",
    "serviceAccount:",
    "group:",
    "domain:",
    "principal:",
    "principalSet:",
    "deleted:",
    "projectOwner:",
    "projectEditor:",
    "projectViewer:",
    "principalHierarchy:",
    "serviceAgent:",
];

/// The account with which Pub/Sub itself forwards dead letters of a project's subscriptions.
pub(crate) fn service_agent(project_number: u64) -> String {
    format!("serviceAccount:service-{project_number}{AGENT_DOMAIN}")
}

/// The project number, if the member is a Pub/Sub service agent.
pub(crate) fn project_number_of_agent(member: &str) -> Option<u64> {
    member
        .strip_prefix("serviceAccount:service-")?
        .strip_suffix(AGENT_DOMAIN)?
        .parse()
        .ok()
}

pub(crate) fn validate(member: &str) -> Result<()> {
    let named = PREFIXES
        .iter()
        .any(|prefix| member.strip_prefix(prefix).is_some_and(|name| !name.is_empty()));
    if named || matches!(member, "allUsers" | "allAuthenticatedUsers") {
        Ok(())
    } else {
        Err(Status::invalid(format!(
            "The member {member} is of an unknown type. Please set a valid type prefix for the member."
        )))
    }
}
