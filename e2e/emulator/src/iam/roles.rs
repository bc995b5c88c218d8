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
/// To have something done as a service account.
const ACCOUNT_USER: &[&str] = &["iam.serviceAccounts.actAs"];
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

/// Is it a permission at all? Wildcards are not allowed (`TestIamPermissionsRequest.permissions`), and Pub/Sub's own are
/// those that some role of it grants. Of other services no list is kept.
pub(crate) fn is_permission(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    match parts.as_slice() {
        ["pubsub", _, _] => role_has("roles/owner", text),
        [_, _, _] => parts
            .iter()
            .all(|part| !part.is_empty() && part.chars().all(|c| c.is_ascii_alphanumeric())),
        _ => false,
    }
}

fn role_has(role: &str, permission: &str) -> bool {
    let sets: &[&[&str]] = match role {
        "roles/pubsub.publisher" => &[PUBLISHER],
        "roles/pubsub.subscriber" => &[SUBSCRIBER],
        "roles/pubsub.viewer" | "roles/viewer" => &[VIEWER],
        "roles/pubsub.editor" => &[PUBLISHER, SUBSCRIBER, VIEWER, EDITOR_ONLY],
        "roles/editor" => &[PUBLISHER, SUBSCRIBER, VIEWER, EDITOR_ONLY, ACCOUNT_USER],
        "roles/pubsub.admin" => &[PUBLISHER, SUBSCRIBER, VIEWER, EDITOR_ONLY, POLICIES],
        "roles/owner" => &[PUBLISHER, SUBSCRIBER, VIEWER, EDITOR_ONLY, POLICIES, ACCOUNT_USER],
        "roles/iam.serviceAccountUser" => &[ACCOUNT_USER],
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
    fn roles_wildcards_and_misspellings_are_no_permissions() {
        for good in [
            "pubsub.topics.publish",
            "pubsub.schemas.attach",
            "resourcemanager.projects.get",
        ] {
            assert!(is_permission(good), "{good}");
        }
        for bad in [
            "",
            "pubsub.topics.frobnicate",
            "roles/pubsub.publisher",
            "pubsub.*",
            "a.*.b",
            "a..b",
        ] {
            assert!(!is_permission(bad), "{bad}");
        }
    }

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
            ("roles/pubsub.publisher", "pubsub.topics.get", false),
            ("roles/pubsub.subscriber", "pubsub.snapshots.seek", true),
            (
                "roles/pubsub.subscriber",
                "pubsub.topics.attachSubscription",
                true,
            ),
            ("roles/pubsub.subscriber", "pubsub.subscriptions.get", false),
            ("roles/pubsub.viewer", "pubsub.topics.list", true),
            ("roles/pubsub.viewer", "pubsub.topics.publish", false),
            ("roles/viewer", "pubsub.subscriptions.get", true),
            ("roles/viewer", "pubsub.subscriptions.consume", false),
            ("roles/pubsub.editor", "pubsub.topics.create", true),
            ("roles/pubsub.editor", "pubsub.topics.publish", true),
            ("roles/pubsub.editor", "pubsub.subscriptions.consume", true),
            ("roles/pubsub.editor", "pubsub.subscriptions.list", true),
            ("roles/pubsub.editor", "iam.serviceAccounts.actAs", false),
            ("roles/editor", "pubsub.topics.delete", true),
            ("roles/editor", "pubsub.topics.setIamPolicy", false),
            ("roles/editor", "iam.serviceAccounts.actAs", true),
            ("roles/pubsub.admin", "pubsub.topics.delete", true),
            (
                "roles/pubsub.admin",
                "resourcemanager.projects.setIamPolicy",
                true,
            ),
            ("roles/pubsub.admin", "iam.serviceAccounts.actAs", false),
            ("roles/owner", "pubsub.subscriptions.setIamPolicy", true),
            ("roles/owner", "pubsub.topics.create", true),
            ("roles/owner", "iam.serviceAccounts.actAs", true),
            ("roles/iam.serviceAccountUser", "iam.serviceAccounts.actAs", true),
            ("roles/iam.serviceAccountUser", "pubsub.topics.get", false),
            ("roles/monitoring.viewer", "monitoring.timeSeries.list", true),
            ("roles/monitoring.viewer", "pubsub.topics.get", false),
            ("roles/browser", "resourcemanager.projects.get", true),
            ("roles/browser", "monitoring.timeSeries.list", false),
            ("roles/pubsub.topics.get", "pubsub.topics.get", false),
            ("roles/none", "pubsub.topics.get", false),
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

    #[test]
    fn everybody_and_everybody_with_a_token_are_two_things_and_conditions_grant_nothing() {
        let policy = |member: &str, conditional: bool| Policy {
            bindings: vec![Binding {
                role: "roles/pubsub.publisher".to_owned(),
                members: vec![member.to_owned()],
                condition: conditional.then(Default::default),
            }],
            ..Policy::default()
        };
        let grants = |policy: &Policy, member: &str| grants(policy, member, "pubsub.topics.publish");
        assert!(grants(&policy("allUsers", false), "") && grants(&policy("allUsers", false), "user:a"));
        let known = policy("allAuthenticatedUsers", false);
        assert!(grants(&known, "user:a") && !grants(&known, ""));
        assert!(!grants(&policy("user:a", true), "user:a"));
        assert!(!grants(&Policy::default(), "user:a"));
    }
}
