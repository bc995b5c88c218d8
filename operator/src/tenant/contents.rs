//! What is inside a namespace that may be deleted. The operator looks only where its configuration says that it removes
//! namespaces (`deleteNamespaces`), because the look needs the right to list every kind, Secrets among them.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::apimachinery::pkg::apis::meta::v1::APIResource;
use kube::{
    Api, Client, ResourceExt as _,
    api::{DynamicObject, ListParams},
    core::GroupVersionKind,
    discovery::ApiResource,
};

/// How many objects a page of a list has.
const PAGE: u32 = 500;

/// How many foreign objects an event names.
const NAMED: usize = 5;

/// One object, or what stands for a kind that could not be listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// The API group of its kind.
    pub group: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its uid.
    pub uid: Option<String>,
    /// The uid of the owner that controls it.
    pub controller: Option<String>,
}

/// What a namespace holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// The objects of all kinds that could be listed.
    pub items: Vec<Item>,
    /// Kinds that could not be listed, each with the reason.
    pub unseen: Vec<String>,
}

/// Pure: names what does not belong to the Tenant with this uid, nor to what belongs to it, nor to Kubernetes itself.
#[must_use]
pub fn foreign(contents: &Contents, tenant: &str) -> Vec<String> {
    let mut ours = BTreeSet::from([tenant]);
    loop {
        let owned = contents.items.iter().filter_map(|item| {
            let uid = item.uid.as_deref()?;
            ours.contains(item.controller.as_deref()?).then_some(uid)
        });
        let before = ours.len();
        let owned: Vec<_> = owned.collect();
        ours.extend(owned);
        if ours.len() == before {
            break;
        }
    }
    let is_ours = |item: &Item| item.uid.as_deref().is_some_and(|uid| ours.contains(uid));
    let mut names: BTreeSet<_> = contents
        .items
        .iter()
        .filter(|item| !is_ours(item) && !is_kubernetes_own(item))
        .map(|item| format!("{} {}", item.kind, item.name))
        .collect();
    names.extend(contents.unseen.iter().cloned());
    names.into_iter().collect()
}

/// What Kubernetes puts into each namespace by itself.
fn is_kubernetes_own(item: &Item) -> bool {
    matches!(
        (item.group.as_str(), item.kind.as_str(), item.name.as_str()),
        ("", "ServiceAccount", "default") | ("", "ConfigMap", "kube-root-ca.crt")
    )
}

/// Whether a kind says something about other objects, and holds nothing of its own: events and measurements.
fn is_about_others(group: &str, kind: &str) -> bool {
    matches!(
        (group, kind),
        ("" | "events.k8s.io", "Event") | ("metrics.k8s.io", _)
    )
}

/// The first few of these, for people.
#[must_use]
pub fn first_few(names: &[String]) -> String {
    let shown = names.iter().take(NAMED).cloned().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => shown,
        more => format!("{shown} and {more} more"),
    }
}

/// I/O: lists every kind that can be listed in a namespace, in metadata only. A kind that cannot be listed is named in the
/// answer, since nobody knows what there is of it.
///
/// # Errors
/// When the API server does not tell which groups it serves.
pub async fn look(client: &Client, namespace: &str) -> kube::Result<Contents> {
    let mut contents = Contents::default();
    let kinds = kinds(client, &mut contents.unseen).await?;
    for resource in kinds.into_values() {
        let api = Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &resource);
        match list(&api, &resource).await {
            Ok(items) => contents.items.extend(items),
            Err(kube::Error::Api(status)) if status.is_not_found() || status.code == 405 => {}
            Err(error) => {
                tracing::info!(namespace, kind = resource.kind, group = resource.group, %error, "A kind could not be listed before its namespace is deleted.");
                contents.unseen.push(format!(
                    "{} of {}, which could not be listed",
                    resource.plural, resource.api_version
                ));
            }
        }
    }
    Ok(contents)
}

async fn list(api: &Api<DynamicObject>, resource: &ApiResource) -> kube::Result<Vec<Item>> {
    let mut items = Vec::new();
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = api.list_metadata(&params).await?;
        items.extend(page.items.iter().map(|one| {
            Item {
                group: resource.group.clone(),
                kind: resource.kind.clone(),
                name: one.name_any(),
                uid: one.uid(),
                controller: one
                    .owner_references()
                    .iter()
                    .find(|owner| owner.controller == Some(true))
                    .map(|owner| owner.uid.clone()),
            }
        }));
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(items),
        }
    }
}

/// Every namespaced kind that can be listed, in whichever version is served first.
async fn kinds(
    client: &Client,
    unseen: &mut Vec<String>,
) -> kube::Result<BTreeMap<(String, String), ApiResource>> {
    let mut kinds = BTreeMap::new();
    for version in client.list_core_api_versions().await?.versions {
        let served = client.list_core_api_resources(&version).await?;
        keep(&mut kinds, "", &version, served.resources);
    }
    for group in client.list_api_groups().await?.groups {
        for version in &group.versions {
            match client.list_api_group_resources(&version.group_version).await {
                Ok(served) => keep(&mut kinds, &group.name, &version.version, served.resources),
                Err(error) => {
                    tracing::info!(version = version.group_version, %error, "An API group did not say what it serves.");
                    unseen.push(format!("kinds of {}, which do not answer", version.group_version));
                }
            }
        }
    }
    Ok(kinds)
}

fn keep(
    kinds: &mut BTreeMap<(String, String), ApiResource>,
    group: &str,
    version: &str,
    served: Vec<APIResource>,
) {
    let listed = served.into_iter().filter(|one| {
        one.namespaced && !one.name.contains('/') && one.verbs.iter().any(|verb| verb == "list")
    });
    for one in listed.filter(|one| !is_about_others(group, &one.kind)) {
        let gvk = GroupVersionKind::gvk(group, version, &one.kind);
        kinds
            .entry((group.to_owned(), one.name.clone()))
            .or_insert_with(|| ApiResource::from_gvk_with_plural(&gvk, &one.name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(kind: &str, name: &str, uid: &str, controller: Option<&str>) -> Item {
        Item {
            group: String::new(),
            kind: kind.to_owned(),
            name: name.to_owned(),
            uid: Some(uid.to_owned()),
            controller: controller.map(str::to_owned),
        }
    }

    #[test]
    fn what_the_tenant_owns_at_any_distance_and_what_kubernetes_adds_is_not_foreign() {
        let contents = Contents {
            items: vec![
                // Listed before what owns them.
                item("HorizontalPodAutoscaler", "keda-hpa", "3", Some("2")),
                item("ScaledObject", "event-worker", "2", Some("tenant")),
                item("ServiceAccount", "event-worker", "1", Some("tenant")),
                item("ServiceAccount", "default", "4", None),
                item("ConfigMap", "kube-root-ca.crt", "5", None),
            ],
            unseen: vec![],
        };
        assert_eq!(foreign(&contents, "tenant"), Vec::<String>::new());
        assert_eq!(
            foreign(&contents, "another").len(),
            3,
            "an owner of the same name and another uid owns none of it"
        );
    }

    #[test]
    fn everything_else_is_foreign_and_so_is_what_cannot_be_seen() {
        let contents = Contents {
            items: vec![
                item("Secret", "theirs", "1", None),
                item("ConfigMap", "default", "2", None),
                item("Pod", "job-x", "3", Some("job")),
                Item {
                    uid: None,
                    ..item("Virtual", "no-uid", "", None)
                },
            ],
            unseen: vec!["widgets of example.com/v1, which could not be listed".to_owned()],
        };
        assert_eq!(
            foreign(&contents, "tenant"),
            [
                "ConfigMap default",
                "Pod job-x",
                "Secret theirs",
                "Virtual no-uid",
                "widgets of example.com/v1, which could not be listed"
            ]
        );
    }

    #[test]
    fn only_a_few_are_named() {
        let names: Vec<_> = (1..=7).map(|number| format!("Secret {number}")).collect();
        assert_eq!(
            first_few(&names),
            "Secret 1, Secret 2, Secret 3, Secret 4, Secret 5 and 2 more"
        );
        assert_eq!(first_few(&names[..1]), "Secret 1");
    }

    #[test]
    fn kinds_are_those_that_can_be_listed_once_each() {
        let served = |name: &str, kind: &str, namespaced: bool, verbs: &[&str]| APIResource {
            name: name.to_owned(),
            kind: kind.to_owned(),
            namespaced,
            verbs: verbs.iter().map(|verb| (*verb).to_owned()).collect(),
            ..APIResource::default()
        };
        let mut kinds = BTreeMap::new();
        for version in ["v1", "v1beta1"] {
            let resources = vec![
                served("widgets", "Widget", true, &["list", "get"]),
                served("widgets/status", "Widget", true, &["get"]),
                served("gadgets", "Gadget", false, &["list"]),
                served("reviews", "Review", true, &["create"]),
            ];
            keep(&mut kinds, "example.com", version, resources);
        }
        keep(
            &mut kinds,
            "",
            "v1",
            vec![served("events", "Event", true, &["list"])],
        );
        let names: Vec<_> = kinds
            .into_values()
            .map(|one| format!("{} {}", one.api_version, one.plural))
            .collect();
        assert_eq!(names, ["example.com/v1 widgets"]);
    }
}
