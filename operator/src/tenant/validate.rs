//! Pure: a Tenant becomes a [`Valid`] one, or a [`Failure`] that says what to change.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use crds::{
    ConditionType, Conditioned as _, DeletionPolicy, EffectiveSetting, EnvVar, Envelope, Handler, Reason,
    SubscriptionSettings, Tenant, TenantSpec, condition,
};
use events::{ProjectId, TenantId};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt as _;

use serde_json::json;

use super::{binding::Standing, effective, handler::Behind, scaling::Range};
use crate::{
    failure::Failure,
    kubernetes::{decoded, hash},
    settings::{
        Catalogue, Settings,
        lossless::Wrong,
        template::{self, Template},
    },
};

/// A Tenant that makes sense, with every default filled in.
#[derive(Debug, Clone)]
pub struct Valid {
    /// Its metadata.name.
    pub name: String,
    /// Its uid, for owner references.
    pub uid: String,
    /// The `tenant_id` on its messages.
    pub id: TenantId,
    /// Where its worker runs.
    pub namespace: String,
    /// Where its topics and subscriptions are.
    pub standing: Standing,
    /// What it listens to.
    pub subscriptions: Vec<SubscriptionSettings>,
    /// Whether that is whatever the catalogue has.
    pub listens_to_all: bool,
    /// How its worker runs.
    pub worker: ValidWorker,
    /// Changes when what its spec says of the worker changes, and not when the operator's settings do.
    pub worker_version: String,
    /// Whether its worker is stopped.
    pub suspended: bool,
    /// What becomes of its subscriptions.
    pub deletion_policy: DeletionPolicy,
    /// The same settings as status shows them, each with its source.
    pub effective: Vec<EffectiveSetting>,
}

/// How a worker runs.
#[derive(Debug, Clone)]
pub struct ValidWorker {
    /// What is done with an event.
    pub handler: Handler,
    /// How events stand in messages, where its spec says so.
    pub envelope: Option<Envelope>,
    /// The image.
    pub image: String,
    /// Events at a time.
    pub max_concurrent_messages: i32,
    /// The longest one event may take.
    pub timeout: Duration,
    /// Limits of the container.
    pub limits: BTreeMap<String, String>,
    /// Requests of the container.
    pub requests: BTreeMap<String, String>,
    /// What was asked for of how many run.
    pub scaling: Option<Range>,
    /// More variables: its own over those of the operator's settings.
    pub env: Vec<EnvVar>,
    /// More of its pod: its own over that of the operator's settings.
    pub template: Template,
    /// What its handler's address leads to; looked for later.
    pub behind: Behind,
}

/// Checks what the API server cannot see: other Tenants and the catalogue.
///
/// # Errors
/// A failure of class Invalid that names the field.
pub fn validate(tenant: &Tenant, all: &[Arc<Tenant>], settings: &Settings) -> Result<Valid, Failure> {
    let id = tenant_id(tenant)?;
    refuse_a_second(tenant, all, &id)?;
    let spec = &tenant.spec;
    let listed = spec.subscriptions.as_deref().unwrap_or_default();
    if let Some(unknown) = listed.iter().find(|one| !settings.catalogue.has(&one.topic)) {
        let keys = settings.catalogue.keys().collect::<Vec<_>>().join(", ");
        return Err(Failure::invalid(
            Reason::UnknownTopic,
            format!(
                "spec.subscriptions: the operator's catalogue has no topic {:?}; it has {keys}.",
                unknown.topic
            ),
        ));
    }
    let suspended = spec.suspend.or(spec.suspended);
    let mut valid = Valid {
        name: tenant.name_any(),
        uid: tenant.uid().unwrap_or_default(),
        standing: Standing::of(tenant, &id, settings)?,
        id,
        namespace: tenant_namespace(tenant).to_owned(),
        subscriptions: subscriptions(spec, settings),
        listens_to_all: spec.listens_to_all(),
        worker: worker(tenant, settings)
            .map_err(|wrong| Failure::invalid(Reason::InvalidSpec, format!("{wrong}.")))?,
        worker_version: hash(&json!([spec.id, spec.project_id, spec.worker, suspended])),
        suspended: spec.is_suspended(),
        deletion_policy: spec.deletion_policy.unwrap_or_default(),
        effective: Vec::new(),
    };
    valid.effective = effective::settings(tenant, &valid);
    Ok(valid)
}

/// What it listens to: its own list, or all of the catalogue with the settings that are in the list.
fn subscriptions(spec: &TenantSpec, settings: &Settings) -> Vec<SubscriptionSettings> {
    let listed = spec.subscriptions.clone().unwrap_or_default();
    if !spec.listens_to_all() {
        return listed;
    }
    let of_key = |key: &str| {
        let own = listed.iter().find(|one| one.topic == key);
        own.cloned().unwrap_or_else(|| SubscriptionSettings::plain(key))
    };
    settings.catalogue.keys().map(of_key).collect()
}

/// The `tenant_id` of a Tenant.
///
/// # Errors
/// A failure of class Invalid; the API server refuses such an id too.
pub fn tenant_id(tenant: &Tenant) -> Result<TenantId, Failure> {
    let id = tenant
        .spec
        .id
        .as_deref()
        .or(tenant.metadata.name.as_deref())
        .unwrap_or_default();
    TenantId::parse(id).map_err(|error| Failure::invalid(Reason::InvalidSpec, format!("spec.id: {error}.")))
}

/// The namespace of a Tenant.
#[must_use]
pub fn tenant_namespace(tenant: &Tenant) -> &str {
    tenant
        .spec
        .namespace
        .as_deref()
        .or(tenant.metadata.name.as_deref())
        .unwrap_or_default()
}

/// Whether a Tenant's spec asks for a topic. One that does not decode may ask for any.
#[must_use]
pub fn asks(tenant: &Tenant, topic: &str, catalogue: &Catalogue) -> bool {
    if decoded::problem(tenant).is_some() {
        return true;
    }
    if tenant.spec.listens_to_all() {
        return catalogue.has(topic);
    }
    let listed = tenant.spec.subscriptions.as_deref().unwrap_or_default();
    listed.iter().any(|one| one.topic == topic)
}

/// The project that a Tenant's subscriptions are asked to be in; where they are, [`Standing`] says.
///
/// # Errors
/// A failure of class Invalid; the API server refuses such a project too.
pub fn project(tenant: &Tenant, settings: &Settings) -> Result<ProjectId, Failure> {
    match &tenant.spec.project_id {
        None => Ok(settings.project.clone()),
        Some(id) => ProjectId::parse(id)
            .map_err(|error| Failure::invalid(Reason::InvalidSpec, format!("spec.projectId: {error}."))),
    }
}

/// Two Tenants with one id would share messages, and two in one namespace a worker: the older one has it. The API server knows
/// ages in whole seconds; of one second, the one that works already has it.
fn refuse_a_second(tenant: &Tenant, all: &[Arc<Tenant>], id: &TenantId) -> Result<(), Failure> {
    let works = |one: &Tenant| condition::is_true(one.conditions(), ConditionType::NamespaceReady);
    let age = |one: &Tenant| (one.creation_timestamp(), !works(one), one.uid());
    for other in all
        .iter()
        .filter(|other| other.uid() != tenant.uid() && age(other) < age(tenant))
    {
        if tenant_id(other).as_ref() == Ok(id) {
            return Err(Failure::invalid(
                Reason::DuplicateTenantId,
                format!(
                    "spec.id: the older Tenant {:?} has the id {:?} already.",
                    other.name_any(),
                    id.as_str()
                ),
            ));
        }
        if tenant_namespace(other) == tenant_namespace(tenant) {
            return Err(Failure::invalid(
                Reason::NamespaceConflict,
                format!(
                    "spec.namespace: the older Tenant {:?} lives in that namespace already.",
                    other.name_any()
                ),
            ));
        }
    }
    Ok(())
}

fn worker(tenant: &Tenant, settings: &Settings) -> Result<ValidWorker, Wrong> {
    let defaults = &settings.worker;
    let spec = tenant.spec.worker.clone().unwrap_or_default();
    defaults.pods.allowed.check(&spec, "spec.worker")?;
    let has_auth = spec
        .handler
        .iter()
        .flat_map(|one| &one.http)
        .any(|http| http.auth.is_some());
    template::check_env(&spec.env, has_auth, "spec.worker.env")?;
    let at = "spec.worker.template";
    let template = match &spec.template {
        None => defaults.pods.template.clone(),
        Some(own) => Template::parse(own, at)?.over(&defaults.pods.template),
    };
    template.check_mounts(at)?;
    let resources = spec.resources.unwrap_or_default();
    let or_default =
        |given: BTreeMap<String, IntOrString>, default: &BTreeMap<String, String>| match given.is_empty() {
            true => default.clone(),
            false => given
                .into_iter()
                .map(|(key, value)| (key, quantity(value)))
                .collect(),
        };
    let limits = or_default(resources.limits, &defaults.limits);
    Ok(ValidWorker {
        handler: spec.handler.unwrap_or_default(),
        envelope: spec.envelope,
        image: spec.image.unwrap_or_else(|| defaults.image.clone()),
        max_concurrent_messages: spec
            .max_concurrent_messages
            .unwrap_or(defaults.max_concurrent_messages),
        timeout: spec.timeout.unwrap_or(defaults.timeout).get(),
        requests: or_default(resources.requests, &defaults.requests),
        limits,
        scaling: spec.scaling.as_ref().map(Range::of),
        env: template::env_over(spec.env, &defaults.pods.env),
        template,
        behind: Behind::default(),
    })
}

fn quantity(value: IntOrString) -> String {
    match value {
        IntOrString::Int(number) => number.to_string(),
        IntOrString::String(text) => text,
    }
}

#[cfg(test)]
mod tests;
