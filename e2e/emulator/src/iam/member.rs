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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_have_a_kind_and_a_name() {
        for member in ["allUsers", "allAuthenticatedUsers"] {
            assert!(validate(member).is_ok(), "{member}");
        }
        for prefix in PREFIXES {
            assert!(validate(&format!("{prefix}a")).is_ok(), "{prefix}");
            assert!(validate(prefix).is_err(), "{prefix}");
        }
        for member in ["", "a@example.com", "users:a", "allusers"] {
            let refusal = validate(member).unwrap_err();
            assert!(refusal.message.contains("unknown type"), "{}", refusal.message);
        }
    }

    #[test]
    fn a_service_agent_has_its_projects_number() {
        let agent = service_agent(4711);
        assert_eq!(
            agent,
            "serviceAccount:service-4711@gcp-sa-pubsub.iam.gserviceaccount.com"
        );
        assert_eq!(project_number_of_agent(&agent), Some(4711));
        for other in [
            "serviceAccount:service-x@gcp-sa-pubsub.iam.gserviceaccount.com",
            "serviceAccount:service-1@example.com",
            "user:service-1@gcp-sa-pubsub.iam.gserviceaccount.com",
        ] {
            assert_eq!(project_number_of_agent(other), None, "{other}");
        }
    }
}
