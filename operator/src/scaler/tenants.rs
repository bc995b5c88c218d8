//! Tenants and what their workers pull, watched by each replica for itself: one that does not lead has no other caches. Only
//! what is needed is kept.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use crds::{EventSubscription, EventSubscriptionStatus, Tenant, TenantStatus, label};
use events::SubscriptionName;
use futures::StreamExt as _;
use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::{
    Client, ResourceExt as _,
    runtime::{
        WatchStreamExt as _,
        reflector::{self, ObjectRef, Store, store::Writer},
    },
};
use parking_lot::Mutex;

use super::{NoAnswer, waiting::Pulled};
use crate::{
    kubernetes::decoded,
    settings::Settings,
    tenant::{
        binding::Standing,
        validate::{tenant_id, tenant_namespace},
    },
};

/// All Tenants, and what their workers pull.
pub struct Tenants {
    known: Store<Tenant>,
    subscriptions: Store<EventSubscription>,
    /// What fills them, until somebody watches.
    writers: Mutex<Option<(Writer<Tenant>, Writer<EventSubscription>)>>,
    is_filled: AtomicBool,
    settings: Settings,
}

impl Tenants {
    /// Tenants of an operator with these settings.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let (tenants, tenant_writer) = reflector::store();
        let (subscriptions, subscription_writer) = reflector::store();
        Self {
            known: tenants,
            subscriptions,
            writers: Mutex::new(Some((tenant_writer, subscription_writer))),
            is_filled: AtomicBool::new(false),
            settings: settings.clone(),
        }
    }

    /// Watches, and does not end before a watch does.
    pub async fn watch(&self, client: &Client) {
        let Some((tenants, subscriptions)) = self.writers.lock().take() else {
            return;
        };
        let tenants = decoded::watch::<Tenant>(client)
            .modify(|one| {
                let binding = one.annotations_mut().remove_entry(label::BINDING);
                one.metadata = ObjectMeta {
                    annotations: binding.map(|entry| BTreeMap::from([entry])),
                    ..lightened(&mut one.metadata)
                };
                one.spec.subscriptions = None;
                one.spec.worker = None;
                one.status = one.status.take().map(|status| TenantStatus {
                    binding: status.binding,
                    ..TenantStatus::default()
                });
            })
            .reflect(tenants)
            .for_each(|_| std::future::ready(()));
        let subscriptions = decoded::watch::<EventSubscription>(client)
            .modify(|one| {
                one.metadata = lightened(&mut one.metadata);
                one.spec.settings.event_types = vec![];
                one.status = one.status.take().map(|status| EventSubscriptionStatus {
                    subscription: status.subscription,
                    draining: status.draining,
                    ..EventSubscriptionStatus::default()
                });
            })
            .reflect(subscriptions)
            .for_each(|_| std::future::ready(()));
        let filled = async {
            let tenants = self.known.wait_until_ready().await;
            let subscriptions = self.subscriptions.wait_until_ready().await;
            self.is_filled
                .store(tenants.is_ok() && subscriptions.is_ok(), Ordering::Release);
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = tenants => {}
            () = subscriptions => {}
            () = filled => {}
        }
    }

    /// What the worker of a tenant pulls.
    ///
    /// # Errors
    /// When there is no such Tenant, or nobody knows yet.
    pub fn pulled(&self, tenant: &str, namespace: &str) -> Result<Vec<Pulled>, NoAnswer> {
        if !self.is_filled.load(Ordering::Acquire) {
            return Err(NoAnswer::Starting);
        }
        // Both have to fit: whoever writes a ScaledObject of his own may name any Tenant in it.
        let found = self
            .known
            .get(&ObjectRef::new(tenant))
            .filter(|one| tenant_namespace(one) == namespace)
            .ok_or_else(|| NoAnswer::Unknown {
                tenant: tenant.to_owned(),
                namespace: namespace.to_owned(),
            })?;
        let subscriptions = self
            .subscriptions
            .state_filter(|one| is_of(one, tenant, namespace));
        let pulled = subscriptions.iter().flat_map(|one| self.pulled_of(one, &found));
        Ok(pulled.collect())
    }

    /// What the worker of each tenant pulls that pulls anything, by the Tenant's name.
    #[must_use]
    pub fn all(&self) -> BTreeMap<String, Vec<Pulled>> {
        let mut all = BTreeMap::<_, Vec<_>>::new();
        for one in self.subscriptions.state() {
            let tenant = &one.spec.tenant_ref.name;
            if let Some(found) = self.known.get(&ObjectRef::new(tenant))
                && is_of(&one, tenant, tenant_namespace(&found))
            {
                all.entry(tenant.clone())
                    .or_default()
                    .extend(self.pulled_of(&one, &found));
            }
        }
        all
    }

    /// Of what its status names, that which the tenant's worker can have: whoever may write the status of one namespace would
    /// else learn how many messages wait for another tenant.
    fn pulled_of(&self, one: &EventSubscription, tenant: &Tenant) -> Vec<Pulled> {
        let key = &one.spec.settings.topic;
        let Ok(id) = tenant_id(tenant) else {
            return vec![];
        };
        let Ok(standing) = Standing::of(tenant, &id, &self.settings) else {
            return vec![];
        };
        let is_its_own = |name: &SubscriptionName| {
            standing.places().any(|place| {
                place.project == *name.project()
                    && place.topic(key).is_ok_and(|topic| {
                        name.id()
                            .starts_with(&SubscriptionName::worker_prefix(&topic, &id))
                    })
            })
        };
        pulled(one)
            .into_iter()
            .filter(|Pulled { name, .. }| is_its_own(name) && !name.is_of_another(&id))
            .collect()
    }
}

fn is_of(one: &EventSubscription, tenant: &str, namespace: &str) -> bool {
    one.metadata.namespace.as_deref() == Some(namespace) && one.spec.tenant_ref.name == tenant
}

/// What is needed of an object's metadata.
fn lightened(metadata: &mut ObjectMeta) -> ObjectMeta {
    ObjectMeta {
        name: metadata.name.take(),
        namespace: metadata.namespace.take(),
        creation_timestamp: metadata.creation_timestamp.take(),
        deletion_timestamp: metadata.deletion_timestamp.take(),
        ..ObjectMeta::default()
    }
}

/// The subscription that is current, and those whose place it took. Not the one that keeps dead letters: no worker empties
/// it; nor any that the worker was told to leave alone.
fn pulled(one: &EventSubscription) -> Vec<Pulled> {
    let Some(status) = one.status.as_ref() else {
        return vec![];
    };
    if one.spec.settings.is_suspended() || one.metadata.deletion_timestamp.is_some() {
        return vec![];
    }
    let made = one
        .creation_timestamp()
        .map_or(Timestamp::MIN, |created| created.0);
    let latest = status
        .draining
        .iter()
        .filter_map(|old| old.switched_at.as_ref())
        .map(|at| at.0)
        .fold(made, Timestamp::max);
    let draining = status.draining.iter().map(|old| &old.subscription);
    status
        .subscription
        .iter()
        .chain(draining)
        .filter_map(|name| SubscriptionName::parse(name).ok())
        .map(|name| Pulled { name, since: latest })
        .collect()
}

#[cfg(test)]
mod tests {
    use crds::{EventSubscriptionSpec, TenantSpec};
    use serde_json::json;

    use super::*;

    fn subscription(settings: &serde_json::Value) -> EventSubscription {
        let mut spec = json!({"tenantRef": {"name": "acme"}, "topic": "events"});
        spec.as_object_mut()
            .unwrap()
            .extend(settings.as_object().unwrap().clone());
        let spec: EventSubscriptionSpec = serde_json::from_value(spec).unwrap();
        let mut one = EventSubscription::new("events", spec);
        one.metadata.creation_timestamp = serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap();
        one.status = serde_json::from_value(json!({
            "subscription": "projects/acme-events/subscriptions/events-acme-worker-2",
            "deadLetterSubscription": "projects/acme-events/subscriptions/events-acme-dlq",
            "draining": [{
                "subscription": "projects/acme-events/subscriptions/events-acme-worker",
                "switchedAt": "2026-01-02T00:00:00Z",
            }],
        }))
        .unwrap();
        one
    }

    #[test]
    fn what_drains_counts_and_dead_letters_do_not() {
        let pulled = pulled(&subscription(&json!({})));
        let ids: Vec<_> = pulled.iter().map(|one| one.name.id()).collect();
        assert_eq!(ids, ["events-acme-worker-2", "events-acme-worker"]);
        assert_eq!(
            pulled[0].since,
            "2026-01-02T00:00:00Z".parse::<Timestamp>().unwrap(),
            "it is as old as the switch to it"
        );
    }

    #[test]
    fn a_status_tells_nothing_of_other_tenants() {
        let tenants = Tenants::new(&Settings::of_the_default_file());
        let acme = Tenant::new("acme", TenantSpec::default());
        let one = |names: [&str; 3]| {
            let mut one = subscription(&json!({"topic": "events"}));
            one.status = serde_json::from_value(json!({
                "subscription": names[0], "draining": [{"subscription": names[1]}, {"subscription": names[2]}],
            }))
            .unwrap();
            one
        };
        let own = "projects/acme-events/subscriptions/living-twin-events-acme-worker";
        let others = [
            "projects/acme-events/subscriptions/living-twin-events-globex-worker",
            "projects/acme-events/subscriptions/living-twin-events-acme-worker-ltd-worker",
            "projects/globex-events/subscriptions/living-twin-events-acme-worker",
        ];
        assert_eq!(tenants.pulled_of(&one(others), &acme), []);
        let pulled = tenants.pulled_of(&one([own, others[0], others[1]]), &acme);
        let names: Vec<_> = pulled.iter().map(|one| one.name.to_string()).collect();
        assert_eq!(names, [own]);
    }

    #[test]
    fn what_the_worker_leaves_alone_wants_no_worker() {
        assert_eq!(pulled(&subscription(&json!({"suspended": true}))), []);
    }
}
