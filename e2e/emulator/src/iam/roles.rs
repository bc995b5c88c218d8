//! The predefined roles of Pub/Sub, as permissions (IAM reference, "Pub/Sub roles").

use super::pb::Policy;

const SUBSCRIBER: &[&str] = &[
    "pubsub.snapshots.seek",
    "pubsub.subscriptions.consume",
    "pubsub.topics.attachSubscription",
];
const PUBLISHER: &[&str] = &["pubsub.topics.publish"];
const VIEWER: &[&str] = &[
    "pubsub.schemas.get",
    "pubsub.schemas.list",
    "pubsub.schemas.listRevisions",
    "pubsub.schemas.validate",
    "pubsub.snapshots.get",
    "pubsub.snapshots.list",
    "pubsub.subscriptions.get",
    "pubsub.subscriptions.list",
    "pubsub.topics.get",
    "pubsub.topics.list",
    "resourcemanager.projects.get",
    "monitoring.timeSeries.list",
];
const EDITOR_ONLY: &[&str] = &[
    "pubsub.schemas.attach",
    "pubsub.schemas.commit",
    "pubsub.schemas.create",
    "pubsub.schemas.delete",
    "pubsub.schemas.rollback",
    "pubsub.snapshots.create",
    "pubsub.snapshots.delete",
    "pubsub.snapshots.update",
    "pubsub.subscriptions.create",
    "pubsub.subscriptions.delete",
    "pubsub.subscriptions.update",
    "pubsub.topics.create",
    "pubsub.topics.delete",
    "pubsub.topics.detachSubscription",
    "pubsub.topics.update",
    "pubsub.topics.updateTag",
];
const POLICIES: &[&str] = &[
    "pubsub.schemas.getIamPolicy",
    "pubsub.schemas.setIamPolicy",
    "pubsub.snapshots.getIamPolicy",
    "pubsub.snapshots.setIamPolicy",
    "pubsub.subscriptions.getIamPolicy",
    "pubsub.subscriptions.setIamPolicy",
    "pubsub.topics.getIamPolicy",
    "pubsub.topics.setIamPolicy",
    "resourcemanager.projects.getIamPolicy",
    "resourcemanager.projects.setIamPolicy",
];

fn role_has(role: &str, permission: &str) -> bool {
    let sets: &[&[&str]] = match role {
        "roles/pubsub.publisher" => &[PUBLISHER],
        "roles/pubsub.subscriber" => &[SUBSCRIBER],
        "roles/pubsub.viewer" | "roles/viewer" => &[VIEWER],
        "roles/pubsub.editor" | "roles/editor" => &[PUBLISHER, SUBSCRIBER, VIEWER, EDITOR_ONLY],
        "roles/pubsub.admin" | "roles/owner" => &[PUBLISHER, SUBSCRIBER, VIEWER, EDITOR_ONLY, POLICIES],
        "roles/monitoring.viewer" => &[&["monitoring.timeSeries.list"]],
        "roles/browser" => &[&["resourcemanager.projects.get"]],
        // A custom role grants what its id spells out after the last slash, see the README.
        _ => return custom_role_has(role, permission),
    };
    sets.iter().any(|set| set.contains(&permission))
}

/// Custom roles have no definition here: `projects/p/roles/pubsub.topics.get+pubsub.topics.list`
/// carries its permissions in its name, so that least privilege can be tested.
fn custom_role_has(role: &str, permission: &str) -> bool {
    role.contains("/roles/")
        && role
            .rsplit('/')
            .next()
            .is_some_and(|id| id.split('+').any(|p| p == permission))
}

/// Does the policy give the member this permission? Conditions cannot be evaluated here, so a
/// conditional binding grants nothing.
pub(crate) fn grants(policy: &Policy, member: &str, permission: &str) -> bool {
    policy
        .bindings
        .iter()
        .filter(|binding| binding.condition.is_none())
        .any(|binding| {
            role_has(&binding.role, permission)
                && binding.members.iter().any(|m| {
                    m == member || m == "allUsers" || (m == "allAuthenticatedUsers" && !member.is_empty())
                })
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::pb::Binding;

    #[test]
    fn roles_grant_what_the_reference_says() {
        let policy = |role: &str| Policy {
            bindings: vec![Binding {
                role: role.to_owned(),
                members: vec!["user:a".to_owned()],
                condition: None,
            }],
            ..Policy::default()
        };
        for (role, permission, expected) in [
            ("roles/pubsub.publisher", "pubsub.topics.publish", true),
            ("roles/pubsub.publisher", "pubsub.subscriptions.consume", false),
            ("roles/pubsub.subscriber", "pubsub.subscriptions.consume", true),
            ("roles/pubsub.editor", "pubsub.topics.setIamPolicy", false),
            ("roles/pubsub.admin", "pubsub.topics.setIamPolicy", true),
            (
                "projects/p/roles/pubsub.topics.get+pubsub.topics.create",
                "pubsub.topics.create",
                true,
            ),
            (
                "projects/p/roles/pubsub.topics.get",
                "pubsub.topics.create",
                false,
            ),
        ] {
            assert_eq!(
                grants(&policy(role), "user:a", permission),
                expected,
                "{role} {permission}"
            );
            assert!(!grants(&policy(role), "user:b", permission));
        }
    }
}
