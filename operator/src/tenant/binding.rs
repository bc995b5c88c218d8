//! Pure: where a Tenant's event plane is, and whether it may go elsewhere.
//!
//! Spec and settings say where a *new* Tenant's event plane is made. Once it is made, the place is written down (a
//! [`Binding`]), and work goes on there whatever they say later. An edit of a name never loses a message that way: it freezes
//! the place, the condition `InPlace` names both sides, and a move happens when somebody asks for it by its target.

use std::{collections::BTreeSet, fmt, sync::Arc};

use crds::{
    Binding, ConditionType, Conditioned as _, EventSubscription, FormerPlace, Reason, Tenant, condition,
    label,
};
use events::{ProjectId, SubscriptionName, TenantId, TopicName, name::InvalidName};
use kube::ResourceExt as _;
use serde_json::json;

use super::validate::project;
use crate::{failure::Failure, settings::Settings};

/// Where the topics and subscriptions of a Tenant are.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// The project of the subscriptions.
    pub project: ProjectId,
    /// The project of the topics.
    pub topics: ProjectId,
    /// What the topics' names begin with.
    pub prefix: String,
}

impl Place {
    /// What spec and settings ask for now.
    ///
    /// # Errors
    /// A failure of class Invalid that names the field.
    pub fn asked(tenant: &Tenant, settings: &Settings) -> Result<Self, Failure> {
        Ok(Self {
            project: project(tenant, settings)?,
            topics: settings.project.clone(),
            prefix: settings.topic_prefix.clone(),
        })
    }

    /// The place in which a subscription of this project listens to this topic of the catalogue; none when the topic's name
    /// is not made of a prefix and the key.
    #[must_use]
    pub fn of(project: &ProjectId, topic: &TopicName, key: &str) -> Option<Self> {
        let prefix = match topic.id().strip_suffix(key)? {
            "" => "",
            prefix => prefix.strip_suffix('-')?,
        };
        Some(Self {
            project: project.clone(),
            topics: topic.project().clone(),
            prefix: prefix.to_owned(),
        })
    }

    /// The topic of a key of the catalogue.
    ///
    /// # Errors
    /// When the name would be none that Pub/Sub takes.
    pub fn topic(&self, key: &str) -> Result<TopicName, InvalidName> {
        match self.prefix.as_str() {
            "" => TopicName::new(&self.topics, key),
            prefix => TopicName::new(&self.topics, &format!("{prefix}-{key}")),
        }
    }
}

/// As the annotation that asks for a move has it: `PROJECT/PREFIX`, and `PROJECT/TOPICS' PROJECT/PREFIX` where that is another.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/", self.project)?;
        if self.topics != self.project {
            write!(f, "{}/", self.topics)?;
        }
        f.write_str(&self.prefix)
    }
}

impl TryFrom<&FormerPlace> for Place {
    type Error = InvalidName;

    fn try_from(written: &FormerPlace) -> Result<Self, InvalidName> {
        Ok(Self {
            project: ProjectId::parse(&written.project_id)?,
            topics: ProjectId::parse(&written.topic_project_id)?,
            prefix: written.topic_prefix.clone(),
        })
    }
}

impl From<&Place> for FormerPlace {
    fn from(place: &Place) -> Self {
        Self {
            project_id: place.project.to_string(),
            topic_project_id: place.topics.to_string(),
            topic_prefix: place.prefix.clone(),
        }
    }
}

/// Where the subscriptions of a Tenant without a binding were found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where the worker's are.
    pub here: Place,
    /// Where others of its own are: a move had begun.
    pub former: Vec<Place>,
}

/// Where a Tenant's event plane is, and where it is asked to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whether the place is written down.
    pub is_bound: bool,
    /// Where it is, or is made.
    pub here: Place,
    /// Places it was moved from, where something is still handled or kept.
    pub former: Vec<Place>,
    /// Where spec and settings ask for it to be.
    pub asked: Place,
    /// Whether somebody asked for the move to that place.
    pub may_move: bool,
    /// The other cluster whose operator owns what is in Pub/Sub.
    pub held_by: Option<String>,
}

impl Standing {
    /// Reads it.
    ///
    /// # Errors
    /// A failure of class Invalid when spec or settings ask for no place.
    pub fn of(tenant: &Tenant, id: &TenantId, settings: &Settings) -> Result<Self, Failure> {
        let asked = Place::asked(tenant, settings)?;
        let Some(bound) = Bound::of(tenant, id) else {
            return Ok(Self {
                is_bound: false,
                here: asked.clone(),
                former: vec![],
                asked,
                may_move: false,
                held_by: None,
            });
        };
        let mut former = bound.former;
        if let Some(forgotten) = tenant.annotations().get(label::FORGET_PLACE) {
            former.retain(|place| place.to_string() != *forgotten);
        }
        let is_ours = bound.cluster == settings.cluster_id || settings.adopt_from.contains(&bound.cluster);
        let target = asked.to_string();
        let by_tenant = tenant.annotations().get(label::MOVE) == Some(&target);
        let may_move = by_tenant || settings.move_to.as_ref() == Some(&target);
        Ok(Self {
            is_bound: true,
            here: bound.here,
            former,
            asked,
            may_move,
            held_by: (!is_ours).then_some(bound.cluster),
        })
    }

    /// The same, of a Tenant that is not bound and whose subscriptions were found there.
    #[must_use]
    pub fn found(self, found: Option<Found>) -> Self {
        match found {
            Some(Found { here, former }) if !self.is_bound => Self { here, former, ..self },
            _ => self,
        }
    }

    /// Why nothing may be written in Pub/Sub, if so.
    #[must_use]
    pub fn refusal(&self, settings: &Settings) -> Option<Failure> {
        let cluster = self.held_by.as_ref()?;
        Some(Failure::invalid(
            Reason::ClusterMismatch,
            format!(
                "The event plane belongs to the operator of cluster {cluster:?}, and this is cluster {:?}. To take it over, add the former to adoptFrom in the operator's configuration.",
                settings.cluster_id
            ),
        ))
    }

    /// Whether it stays although it is asked to be elsewhere.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        self.is_bound && self.here != self.asked && !self.may_move
    }

    /// Whether the operator's settings alone ask for the move, for every Tenant.
    #[must_use]
    pub fn moved_by_settings(&self, tenant: &Tenant) -> bool {
        self.moved().is_some() && tenant.annotations().get(label::MOVE) != Some(&self.asked.to_string())
    }

    /// The binding to write down in the place of the one that is there, when the move that was asked for begins.
    #[must_use]
    pub fn moved(&self) -> Option<Self> {
        if !self.is_bound || self.here == self.asked || !self.may_move || self.held_by.is_some() {
            return None;
        }
        let mut former = self.former.clone();
        former.push(self.here.clone());
        former.retain(|place| *place != self.asked);
        Some(Self {
            here: self.asked.clone(),
            former,
            ..self.clone()
        })
    }

    /// What is to be written down now, if it is not what is there: the move that was asked for, the place in which the first
    /// subscription was found or made, the end of a former place, or what somebody took away. `children` are its
    /// EventSubscriptions, and `found` the place of one while there is no binding.
    #[must_use]
    pub fn next(
        &self,
        tenant: &Tenant,
        id: &TenantId,
        found: Option<Found>,
        children: &[Arc<EventSubscription>],
        settings: &Settings,
    ) -> Option<Self> {
        if self.held_by.is_some() {
            return None;
        }
        if let Some(moved) = self.moved() {
            return Some(moved);
        }
        let next = match (self.is_bound, found) {
            (false, None) => return None,
            (false, Some(Found { here, former })) => Self {
                is_bound: true,
                here,
                former,
                ..self.clone()
            },
            (true, _) => {
                // Before all of them have looked at the new place, nobody knows what is left in a former one.
                let looked = children.iter().all(|one| has_looked(one, &self.here));
                self.with_former(|place| !looked || children.iter().any(|one| uses(one, place)))
            }
        };
        let is_written = tenant.annotations().get(label::BINDING) == Some(&next.written(id, settings));
        (!is_written).then_some(next)
    }

    /// The value of the annotation.
    #[must_use]
    pub fn written(&self, id: &TenantId, settings: &Settings) -> String {
        json!(self.binding(id, settings)).to_string()
    }

    /// The same with those former places alone in which something is left.
    #[must_use]
    pub fn with_former(&self, is_used: impl Fn(&Place) -> bool) -> Self {
        let mut standing = self.clone();
        standing.former.retain(is_used);
        standing
    }

    /// As it is written down.
    #[must_use]
    pub fn binding(&self, id: &TenantId, settings: &Settings) -> Binding {
        Binding {
            tenant_id: id.to_string(),
            cluster_id: settings.cluster_id.clone(),
            project_id: self.here.project.to_string(),
            topic_project_id: self.here.topics.to_string(),
            topic_prefix: self.here.prefix.clone(),
            former: self.former.iter().map(FormerPlace::from).collect(),
        }
    }

    /// Where it is, and where it was.
    pub fn places(&self) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.here).chain(&self.former)
    }

    /// Every project in which it may have subscriptions.
    #[must_use]
    pub fn projects(&self) -> BTreeSet<&ProjectId> {
        self.places().map(|place| &place.project).collect()
    }
}

/// Whether an EventSubscription was looked at since its Tenant is here, in all of its places: one that is not ready may have a
/// former project that cannot be listed.
fn has_looked(one: &EventSubscription, here: &Place) -> bool {
    if !condition::is_true(one.conditions(), ConditionType::Ready) {
        return false;
    }
    let (Some(status), Ok(topic)) = (&one.status, here.topic(&one.spec.settings.topic)) else {
        return false;
    };
    // A Tenant may move its subscriptions to another project, and leave the topics where they are.
    let subscription = status.subscription.as_deref();
    let subscription = subscription.and_then(|name| SubscriptionName::parse(name).ok());
    status.topic.as_deref() == Some(topic.to_string().as_str())
        && subscription.is_some_and(|name| *name.project() == here.project)
}

/// Whether something of an EventSubscription is still handled or kept in a place, by the names in its status.
fn uses(one: &EventSubscription, place: &Place) -> bool {
    let (Some(status), Ok(topic)) = (&one.status, place.topic(&one.spec.settings.topic)) else {
        return false;
    };
    let draining = status.draining.iter().map(|old| &old.subscription);
    draining
        .chain(&status.former_dead_letter_subscriptions)
        .filter_map(|name| SubscriptionName::parse(name).ok())
        .any(|name| *name.project() == place.project && name.id().starts_with(&format!("{}-", topic.id())))
}

/// What is written down, parsed.
struct Bound {
    cluster: String,
    here: Place,
    former: Vec<Place>,
}

impl Bound {
    /// The annotation counts before status, which restores drop; what neither names is unbound. One for another id was copied
    /// from another Tenant, and what cannot be read is as good as not there: the labels in Pub/Sub still tell the place.
    fn of(tenant: &Tenant, id: &TenantId) -> Option<Self> {
        let annotation = tenant.annotations().get(label::BINDING);
        let annotated = annotation.and_then(|json| serde_json::from_str::<Binding>(json).ok());
        let noted = tenant.status.as_ref().and_then(|status| status.binding.clone());
        let parsed = |written: Option<Binding>| written.as_ref().and_then(|one| Self::parsed(one, id));
        let (annotated, noted) = (parsed(annotated), parsed(noted));
        let Some(mut bound) = annotated else {
            return noted;
        };
        // Where the annotation was edited by hand, what is where status says is not forgotten: it is a place to look in.
        for place in noted
            .into_iter()
            .flat_map(|noted| [vec![noted.here], noted.former].concat())
        {
            if place != bound.here && !bound.former.contains(&place) {
                bound.former.push(place);
            }
        }
        Some(bound)
    }

    fn parsed(written: &Binding, id: &TenantId) -> Option<Self> {
        if written.tenant_id != id.as_str() {
            return None;
        }
        let here = FormerPlace {
            project_id: written.project_id.clone(),
            topic_project_id: written.topic_project_id.clone(),
            topic_prefix: written.topic_prefix.clone(),
        };
        Some(Self {
            cluster: written.cluster_id.clone(),
            here: Place::try_from(&here).ok()?,
            former: written
                .former
                .iter()
                .map(Place::try_from)
                .collect::<Result<_, _>>()
                .ok()?,
        })
    }
}
