//! Pure: an EventSubscription and its Tenant become a [`Valid`] one, or a [`Failure`] that says what to change.

use std::{sync::Arc, time::Duration};

use crds::{
    DeletionPolicy, EffectiveSetting, EventSubscription, Reason, Span, SubscriptionSettings, Tenant, label,
};
use events::{EventPattern, Filter, ProjectId, SubscriptionName, TenantId, TopicName};
use kube::ResourceExt as _;

use super::{
    effective,
    ownership::{Rules, Stamp},
};
use crate::{
    failure::Failure,
    kubernetes::{decoded, field_owners::foreign_spec},
    settings::Settings,
    tenant::{
        binding::{Found, Standing},
        validate::{tenant_id, tenant_namespace},
    },
};

/// An EventSubscription that makes sense, with every default filled in.
#[derive(Debug, Clone)]
pub struct Valid {
    /// Whose messages.
    pub tenant: TenantId,
    /// Whether its place is written down on its Tenant, and where else it was.
    pub standing: Standing,
    /// Where the subscriptions live.
    pub project: ProjectId,
    /// The topic listened to.
    pub topic: TopicName,
    /// What is let through.
    pub filter: Filter,
    /// The worker's subscription.
    pub subscription: SubscriptionName,
    /// How long Pub/Sub waits for an acknowledgement.
    pub ack_deadline: Duration,
    /// How long an unacknowledged message is kept.
    pub retention: Duration,
    /// The wait after the first failure.
    pub minimum_backoff: Duration,
    /// The wait after many failures.
    pub maximum_backoff: Duration,
    /// What becomes of messages that fail again and again.
    pub dead_letter: Option<ValidDeadLetter>,
    /// Whether acknowledged messages are never delivered again.
    pub exactly_once: bool,
    /// Whether messages of one key keep their order.
    pub ordered: bool,
    /// Who owns what is made.
    pub stamp: Stamp,
    /// What may be taken over.
    pub rules: Rules,
    /// The same settings as status shows them, each with its source.
    pub effective: Vec<EffectiveSetting>,
}

/// Where dead letters go.
#[derive(Debug, Clone)]
pub struct ValidDeadLetter {
    /// The dead-letter topic.
    pub topic: TopicName,
    /// The subscription that keeps them.
    pub subscription: SubscriptionName,
    /// After how many deliveries.
    pub max_delivery_attempts: i32,
    /// For how long.
    pub retention: Duration,
}

/// What stands around an EventSubscription.
#[derive(Debug, Default)]
pub struct Surroundings {
    /// The Tenant it names.
    pub tenant: Option<Arc<Tenant>>,
    /// The Tenant that its namespace is labelled with.
    pub namespace_tenant: Option<String>,
    /// Where its subscription was found in Pub/Sub; asked only while its Tenant has no binding.
    pub found: Option<Found>,
    /// The EventSubscriptions of its namespace, itself among them.
    pub siblings: Vec<Arc<EventSubscription>>,
}

/// Checks what the API server cannot see: other objects, the catalogue, and lengths of what is composed.
///
/// # Errors
/// A failure of class Invalid, or one that heals by itself when the Tenant arrives.
pub fn validate(
    subscription: &EventSubscription,
    around: &Surroundings,
    settings: &Settings,
) -> Result<Valid, Failure> {
    let spec = &subscription.spec;
    let tenant = its_tenant(subscription, around)?;
    if is_edited_by_hand(subscription) {
        return Err(Failure {
            reason: Reason::Progressing,
            ..Failure::transient(format!(
                "It was edited by hand, and Tenant {:?} puts that right: settings of a generated EventSubscription belong in its Tenant. To have it as your own, remove its label {}.",
                spec.tenant_ref.name,
                label::GENERATED
            ))
        });
    }
    let named = names(tenant, &spec.settings, around.found.as_ref(), settings)?;
    if let Some(refusal) = named.standing.refusal(settings) {
        return Err(refusal);
    }
    if let Some(winner) = winner(subscription, &around.siblings) {
        return Err(Failure::invalid(
            Reason::DuplicateTopic,
            format!(
                "EventSubscription {winner:?} already listens to topic {:?}; delete one of them.",
                spec.settings.topic
            ),
        ));
    }
    if let Some(leaving) = leaving(subscription, &around.siblings) {
        return Err(Failure {
            reason: Reason::Progressing,
            ..Failure::transient(format!(
                "Waits for EventSubscription {leaving:?}, which is being deleted and lets go of the same subscriptions."
            ))
        });
    }
    Ok(fill(named, subscription, tenant, settings))
}

/// The Tenant, if this may speak for it: the one whose namespace this is in. The namespace's label proves it, because
/// whoever may only make objects inside a namespace cannot set it.
fn its_tenant<'a>(subscription: &EventSubscription, around: &'a Surroundings) -> Result<&'a Tenant, Failure> {
    let name = &subscription.spec.tenant_ref.name;
    let not_found = |what| Failure::blocked(Reason::TenantNotFound, what);
    let tenant = around.tenant.as_deref().ok_or_else(|| {
        not_found(format!(
            "There is no Tenant {name:?}; apply it, or correct spec.tenantRef.name."
        ))
    })?;
    if let Err(failure) = decoded::understood(tenant) {
        return Err(Failure {
            message: format!("Of Tenant {name:?}: {}", failure.message),
            ..failure
        });
    }
    if tenant.metadata.deletion_timestamp.is_some() {
        return Err(not_found(format!("Tenant {name:?} is being deleted.")));
    }
    let namespace = subscription.namespace().unwrap_or_default();
    if tenant_namespace(tenant) != namespace {
        return Err(Failure::invalid(
            Reason::TenantMismatch,
            format!(
                "Tenant {name:?} lives in namespace {:?}; an EventSubscription must be in its Tenant's namespace.",
                tenant_namespace(tenant)
            ),
        ));
    }
    match &around.namespace_tenant {
        Some(label) if label == name => Ok(tenant),
        Some(other) => Err(Failure::invalid(
            Reason::TenantMismatch,
            format!("Namespace {namespace:?} is labelled for Tenant {other:?}, not {name:?}."),
        )),
        None => Err(Failure {
            reason: Reason::Progressing,
            ..Failure::transient(format!(
                "Waits for Tenant {name:?} to make or claim namespace {namespace:?}."
            ))
        }),
    }
}

/// Whether it can ever have had anything in Pub/Sub: its namespace is labelled for its Tenant, and the Tenant, while there is
/// one, lives there. Whoever may label one namespace speaks for no Tenant of another.
#[must_use]
pub fn is_at_home(
    subscription: &EventSubscription,
    namespace_tenant: Option<&str>,
    tenant: Option<&Tenant>,
) -> bool {
    let namespace = subscription.namespace().unwrap_or_default();
    namespace_tenant == Some(&subscription.spec.tenant_ref.name)
        && tenant.is_none_or(|tenant| tenant_namespace(tenant) == namespace)
}

/// What an EventSubscription's objects are called; needs nothing but its spec and its Tenant.
#[derive(Debug, Clone)]
pub struct Names {
    tenant: TenantId,
    /// Where all of it is.
    pub standing: Standing,
    topic: TopicName,
    filter: Filter,
    /// The worker's subscription.
    pub subscription: SubscriptionName,
    dead_letter_topic: TopicName,
    /// The subscription that keeps the dead letters.
    pub dead_letter_subscription: SubscriptionName,
}

/// Names everything, where the Tenant's event plane is; while it has no binding, that is where it was found.
///
/// # Errors
/// A failure of class Invalid that names the field.
pub fn names(
    tenant: &Tenant,
    spec: &SubscriptionSettings,
    found: Option<&Found>,
    settings: &Settings,
) -> Result<Names, Failure> {
    let id = tenant_id(tenant)?;
    let standing = Standing::of(tenant, &id, settings)?.found(found.cloned());
    if !settings.catalogue.has(&spec.topic) {
        let keys = settings.catalogue.keys().collect::<Vec<_>>().join(", ");
        return Err(Failure::invalid(
            Reason::UnknownTopic,
            format!(
                "spec.topic: the operator's catalogue has no topic {:?}; it has {keys}.",
                spec.topic
            ),
        ));
    }
    let patterns = spec
        .event_types
        .iter()
        .map(|text| EventPattern::parse(text))
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| Failure::invalid(Reason::InvalidSpec, format!("spec.eventTypes: {error}.")))?;
    let filter = Filter::new(&id, &patterns)
        .map_err(|error| Failure::invalid(Reason::FilterTooLong, format!("spec.eventTypes: {error}.")))?;
    let too_long = |error| Failure::invalid(Reason::InvalidSpec, format!("The composed name {error}."));
    let project = &standing.here.project;
    let topic = standing.here.topic(&spec.topic).map_err(too_long)?;
    Ok(Names {
        subscription: SubscriptionName::worker(project, &topic, &id, &filter).map_err(too_long)?,
        dead_letter_topic: topic.dead_letter().map_err(too_long)?,
        dead_letter_subscription: SubscriptionName::dead_letter(project, &topic, &id).map_err(too_long)?,
        tenant: id,
        standing,
        topic,
        filter,
    })
}

fn fill(names: Names, subscription: &EventSubscription, tenant: &Tenant, settings: &Settings) -> Valid {
    let spec = &subscription.spec.settings;
    let defaults = &settings.subscription;
    let span = |value: Option<Span>, default: Span| value.unwrap_or(default).get();
    let dead_letter = spec.dead_letter.clone().unwrap_or_default();
    let (minimum_backoff, maximum_backoff) = defaults.backoff_of(spec);
    let mut valid = Valid {
        ack_deadline: span(spec.ack_deadline, defaults.ack_deadline),
        retention: span(spec.retention, defaults.retention),
        minimum_backoff,
        maximum_backoff,
        dead_letter: (settings.dead_lettering && dead_letter.enabled.unwrap_or(true)).then(|| {
            ValidDeadLetter {
                topic: names.dead_letter_topic,
                subscription: names.dead_letter_subscription,
                max_delivery_attempts: defaults.max_delivery_attempts_of(spec),
                retention: span(dead_letter.retention, defaults.dead_letter_retention),
            }
        }),
        exactly_once: spec.exactly_once_delivery.unwrap_or(false),
        ordered: spec.message_ordering.unwrap_or(false),
        stamp: stamp(subscription, Some(names.tenant.clone()), settings),
        rules: Rules {
            adopt: tenant
                .annotations()
                .get(label::ADOPT)
                .is_some_and(|value| value == "true"),
            adopt_from: settings.adopt_from.clone(),
            retain_for: settings.retain_for,
        },
        tenant: names.tenant,
        project: names.standing.here.project.clone(),
        standing: names.standing,
        topic: names.topic,
        filter: names.filter,
        subscription: names.subscription,
        effective: Vec::new(),
    };
    valid.effective = effective::settings(subscription, Some(tenant), &valid, settings);
    valid
}

/// The owner stamp of an EventSubscription's objects.
#[must_use]
pub fn stamp(subscription: &EventSubscription, id: Option<TenantId>, settings: &Settings) -> Stamp {
    Stamp {
        cluster: settings.cluster_id.clone(),
        tenant: subscription.spec.tenant_ref.name.clone(),
        id,
        subscription: subscription.spec.settings.topic.clone(),
    }
}

/// What becomes of the objects on deletion: the Tenant's policy caps its children's.
#[must_use]
pub fn deletion_policy(subscription: &EventSubscription, tenant: Option<&Tenant>) -> DeletionPolicy {
    let own = subscription.spec.settings.deletion_policy;
    let tenants = tenant
        .and_then(|tenant| tenant.spec.deletion_policy)
        .unwrap_or_default();
    own.unwrap_or(tenants).min(tenants)
}

/// Another EventSubscription of the same tenant and topic that comes first: one applied by hand before a generated one,
/// then the older.
fn winner(this: &EventSubscription, siblings: &[Arc<EventSubscription>]) -> Option<String> {
    let rank = |one: &EventSubscription| (is_generated(one), one.creation_timestamp(), one.uid());
    rivals(this, siblings)
        .filter(|other| other.metadata.deletion_timestamp.is_none())
        .find(|other| rank(other) < rank(this))
        .map(|other| other.name_any())
}

/// One before it that has not let go yet: what both did at the same time would come to what neither wants.
fn leaving(this: &EventSubscription, siblings: &[Arc<EventSubscription>]) -> Option<String> {
    rivals(this, siblings)
        .find(|other| other.metadata.deletion_timestamp.is_some())
        .map(|other| other.name_any())
}

/// One that stays when this goes, and whose objects in Pub/Sub are the same: from then on they are its own.
#[must_use]
pub fn heir(this: &EventSubscription, siblings: &[Arc<EventSubscription>]) -> Option<String> {
    rivals(this, siblings)
        .find(|other| other.metadata.deletion_timestamp.is_none())
        .map(|other| other.name_any())
}

/// The others of the same tenant and topic, whose objects in Pub/Sub are the same.
fn rivals<'a>(
    this: &EventSubscription,
    siblings: &'a [Arc<EventSubscription>],
) -> impl Iterator<Item = &'a Arc<EventSubscription>> {
    siblings.iter().filter(|other| are_rivals(this, other))
}

/// Whether two come to the same objects in Pub/Sub.
#[must_use]
pub fn are_rivals(this: &EventSubscription, other: &EventSubscription) -> bool {
    other.uid() != this.uid()
        && other.namespace() == this.namespace()
        && other.spec.settings.topic == this.spec.settings.topic
        && other.spec.tenant_ref == this.spec.tenant_ref
}

/// Whether it is the Tenant's: its label says so. Who takes the label away has it for their own. Where it does not decode, nobody
/// knows what it asks for.
#[must_use]
pub fn is_generated(subscription: &EventSubscription) -> bool {
    subscription.labels().contains_key(label::GENERATED) && decoded::problem(subscription).is_none()
}

/// Whether a Tenant's own was edited by hand; its Tenant puts that right.
#[must_use]
pub fn is_edited_by_hand(subscription: &EventSubscription) -> bool {
    is_generated(subscription) && foreign_spec(&subscription.metadata).is_some()
}

#[cfg(test)]
mod tests;
