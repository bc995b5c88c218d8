//! What there is, counted when somebody asks for the metrics, so that no count can be forgotten anywhere.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use crds::{ConditionType, Conditioned, Tenant, condition};
use events::SubscriptionName;
use kube::ResourceExt as _;

use crate::{
    context::Context,
    queue::Lane,
    subscription::ownership::{Role, id_label, key},
    tenant::{brake, desired::fleet_version, observe::fleet, rollout::tally, validate::tenant_id},
};

/// Sets every gauge that is a count of what there is.
pub fn count(ctx: &Context) {
    by_readiness(ctx, &ctx.tenants.state());
    by_readiness(ctx, &ctx.subscriptions.all().state());
    waiting(ctx);
    rollout(ctx);
    settings_change(ctx);
    messages(ctx);
    ownerless(ctx);
}

fn by_readiness<K: Conditioned>(ctx: &Context, objects: &[Arc<K>]) {
    let (mut yes, mut no, mut unknown) = (0, 0, 0);
    for object in objects {
        let ready = condition::find(object.conditions(), ConditionType::Ready);
        match ready.map(|condition| condition.status.as_str()) {
            Some("True") => yes += 1,
            Some("False") => no += 1,
            _ => unknown += 1,
        }
    }
    for (ready, number) in [("True", yes), ("False", no), ("Unknown", unknown)] {
        ctx.metrics.set_objects(&K::kind(&()), ready, number);
    }
}

fn waiting(ctx: &Context) {
    for lane in Lane::ALL {
        let depth = ctx.queues.tenants.depth(lane);
        ctx.metrics.set_waiting("Tenant", lane.as_str(), depth);
        let depth = ctx.queues.subscriptions.depth(lane);
        ctx.metrics.set_waiting("EventSubscription", lane.as_str(), depth);
    }
}

fn rollout(ctx: &Context) {
    let Ok(version) = fleet_version(&ctx.settings) else {
        return;
    };
    let tally = tally(fleet(ctx), &version);
    for (state, count) in [
        ("done", tally.done.len()),
        ("rolling", tally.rolling.len()),
        ("waiting", tally.waiting),
        ("regressed", tally.regressed.len()),
    ] {
        ctx.metrics.set_rollout(state, count);
    }
}

/// To how many Tenants the settings as they are took or moved a subscription, and before how many that halted.
fn settings_change(ctx: &Context) {
    let digest = brake::digest(&ctx.settings);
    let all = ctx.tenants.state();
    let done = all.iter().filter(|one| brake::has_come_to(one, &digest)).count();
    let is_halted = |one: &&Arc<Tenant>| condition::is_true(one.conditions(), ConditionType::ChangeHalted);
    let halted = all.iter().filter(is_halted).count();
    ctx.metrics.set_settings_change("done", done);
    ctx.metrics.set_settings_change("halted", halted);
}

/// How many messages wait in each subscription, as measured last; what was not measured is left out.
fn messages(ctx: &Context) {
    ctx.metrics.forget_messages();
    for one in ctx.subscriptions.all().state() {
        let Some(status) = &one.status else { continue };
        let (namespace, name) = (one.namespace().unwrap_or_default(), one.name_any());
        for (role, subscription) in [
            (Role::Worker, &status.subscription),
            (Role::DeadLetter, &status.dead_letter_subscription),
        ] {
            let subscription = subscription
                .as_deref()
                .and_then(|name| SubscriptionName::parse(name).ok());
            let measured = subscription.and_then(|subscription| {
                let measured = ctx.backlogs.known(subscription.project()).ok()?;
                measured.messages(&subscription)
            });
            if let Some(messages) = measured {
                ctx.metrics
                    .set_messages(&namespace, &name, role.as_str(), messages);
            }
        }
    }
}

/// Subscriptions of this cluster's in Pub/Sub that no EventSubscription asks for, as far as they were listed.
fn ownerless(ctx: &Context) {
    let subscriptions = ctx.subscriptions.all().state();
    let ids: HashMap<_, _> = ctx
        .tenants
        .state()
        .iter()
        .filter_map(|tenant| Some((tenant.name_any(), id_label(&tenant_id(tenant).ok()?))))
        .collect();
    let owners: HashSet<_> = subscriptions
        .iter()
        .map(|one| {
            (
                one.spec.tenant_ref.name.as_str(),
                one.spec.settings.topic.as_str(),
            )
        })
        .collect();
    let (mut released, mut orphaned) = (0, 0);
    ctx.inventory.visit_subscriptions(|one| {
        let label = |key| one.labels.get(key).map_or("", String::as_str);
        if label(key::CLUSTER) != ctx.settings.cluster_id {
            return;
        }
        let tenant = label(key::TENANT);
        // One of another id was made for an earlier Tenant of the name; one without was made before there was the label.
        let is_of_id = ["", ids.get(tenant).map_or("", String::as_str)].contains(&label(key::TENANT_ID));
        let is_asked_for = owners.contains(&(tenant, label(key::SUBSCRIPTION)));
        if is_asked_for && is_of_id && Role::of(&one.labels) != Some(Role::Former) {
            return;
        }
        match one.labels.contains_key(key::RELEASED_AT) {
            true => released += 1,
            false => orphaned += 1,
        }
    });
    ctx.metrics.set_ownerless("released", released);
    ctx.metrics.set_ownerless("orphaned", orphaned);
}
