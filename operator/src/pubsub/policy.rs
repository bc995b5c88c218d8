//! IAM policies on topics and subscriptions, changed only by adding and taking away our own members.

use std::fmt;

use events::{ProjectId, SubscriptionName, TopicName};

/// May publish to a topic.
pub const PUBLISHER: &str = "roles/pubsub.publisher";
/// May pull from a subscription and acknowledge.
pub const SUBSCRIBER: &str = "roles/pubsub.subscriber";

/// The version of policies that can hold conditions
/// (<https://cloud.google.com/iam/docs/policies#versions>). Asked for always: a policy written back in an older
/// version would lose the conditions somebody else put there.
pub const VERSION: i32 = 3;

/// What a policy is on.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Resource {
    /// A topic.
    Topic(TopicName),
    /// A subscription.
    Subscription(SubscriptionName),
}

impl Resource {
    /// The project it lives in.
    #[must_use]
    pub fn project(&self) -> &ProjectId {
        match self {
            Self::Topic(name) => name.project(),
            Self::Subscription(name) => name.project(),
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(name) => write!(f, "{name}"),
            Self::Subscription(name) => write!(f, "{name}"),
        }
    }
}

/// Who may do what with one resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Changes with every change; a write with an old one is refused.
    pub etag: Vec<u8>,
    /// The bindings, in the server's order.
    pub bindings: Vec<Binding>,
}

/// One role and who has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The role, `roles/pubsub.subscriber`.
    pub role: String,
    /// Who has it.
    pub members: Vec<String>,
    /// When it counts: expression, title, description, location. Never ours; carried along untouched.
    pub condition: Option<[String; 4]>,
}

/// One member's right to one role: what the operator adds and takes away.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Grant {
    /// The role.
    pub role: &'static str,
    /// The member, with its `serviceAccount:` or `principal:` in front.
    pub member: String,
}

impl Policy {
    /// The policy of a resource that never had one. Its etag is what Google answers for such a resource, so that a
    /// first write needs no read and still cannot overwrite somebody's.
    #[must_use]
    pub fn unset() -> Self {
        Self {
            // Base64 `ACAB`.
            etag: vec![0x00, 0x20, 0x01],
            bindings: Vec::new(),
        }
    }

    /// Whether the member has the role without a condition.
    #[must_use]
    pub fn has(&self, grant: &Grant) -> bool {
        self.bindings.iter().any(|binding| {
            binding.role == grant.role
                && binding.condition.is_none()
                && binding.members.contains(&grant.member)
        })
    }

    /// This policy with these members added and those taken away, and nothing else touched.
    #[must_use]
    pub fn changed(&self, add: &[Grant], remove: &[Grant]) -> Self {
        let mut policy = self.clone();
        for grant in remove {
            for binding in &mut policy.bindings {
                if binding.role == grant.role && binding.condition.is_none() {
                    binding.members.retain(|member| *member != grant.member);
                }
            }
        }
        policy.bindings.retain(|binding| !binding.members.is_empty());
        for grant in add {
            if policy.has(grant) {
                continue;
            }
            let binding = policy
                .bindings
                .iter_mut()
                .find(|binding| binding.role == grant.role && binding.condition.is_none());
            match binding {
                Some(binding) => binding.members.push(grant.member.clone()),
                None => policy.bindings.push(Binding {
                    role: grant.role.to_owned(),
                    members: vec![grant.member.clone()],
                    condition: None,
                }),
            }
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn grant(member: &str) -> Grant {
        Grant {
            role: SUBSCRIBER,
            member: member.into(),
        }
    }

    #[test]
    fn only_our_members_come_and_go() {
        let theirs = Binding {
            role: SUBSCRIBER.into(),
            members: vec!["user:ops@example.com".into()],
            condition: Some(["true".into(), "always".into(), String::new(), String::new()]),
        };
        let before = Policy {
            etag: vec![7],
            bindings: vec![theirs.clone()],
        };
        let added = before.changed(&[grant("principal:a")], &[]);
        assert!(added.has(&grant("principal:a")));
        assert_eq!(added.bindings.len(), 2);
        assert_eq!(
            added.changed(&[grant("principal:a")], &[]),
            added,
            "adding twice changes nothing"
        );
        let removed = added.changed(&[], &[grant("principal:a")]);
        assert_eq!(removed, before);
    }

    #[test]
    fn a_conditional_binding_is_not_a_grant() {
        let conditional = Binding {
            role: SUBSCRIBER.into(),
            members: vec!["principal:a".into()],
            condition: Some(["false".into(), String::new(), String::new(), String::new()]),
        };
        let policy = Policy {
            etag: vec![],
            bindings: vec![conditional],
        };
        assert!(!policy.has(&grant("principal:a")));
    }
}
