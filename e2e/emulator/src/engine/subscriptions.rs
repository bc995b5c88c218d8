//! Operations on subscriptions.

use super::{
    Engine, defaults, mask, paging,
    registry::{is_full, within},
    subscription::Subscription,
    subscription_fields as fields,
};
use crate::{
    filter::Filter,
    limits::MAX_SUBSCRIPTIONS,
    names::{self, Name},
    pb,
    queue::Queue,
    status::{Code, Result, Status},
    store::Kind,
};
use std::sync::Arc;
use tokio::time::Instant;

impl Engine {
    pub(crate) fn create_subscription(&self, mut request: pb::Subscription) -> Result<pb::Subscription> {
        let name = Name::subscription(&request.name)?;
        let topic_name = Name::topic(&request.topic)?;
        self.project(name.project());
        request.detached = false;
        request.topic_message_retention_duration = None;
        request.analytics_hub_subscription_info = None;
        defaults::fill(&mut request);
        fields::validate(&request)?;
        let filter = parse_filter(&request.filter)?;

        let mut registry = self.registry.write();
        if registry.subscriptions.contains_key(&name) {
            return Err(Status::already_exists(name.as_str()));
        }
        let topic = registry.topic(&topic_name)?.clone();
        if let Some(policy) = &request.dead_letter_policy {
            registry.topic(&Name::topic(&policy.dead_letter_topic)?)?;
        }
        let project_full = is_full(
            &registry.subscriptions,
            name.project(),
            "subscriptions",
            MAX_SUBSCRIPTIONS,
        );
        for (kind, full) in [
            ("subscriptions-per-project", project_full),
            (
                "subscriptions-per-topic",
                topic.fanout.read().len() >= MAX_SUBSCRIPTIONS,
            ),
        ] {
            if full {
                return Err(Status::new(
                    Code::ResourceExhausted,
                    format!(
                        "Your project has exceeded a limit: (type=\"{kind}\", current={MAX_SUBSCRIPTIONS}, maximum={MAX_SUBSCRIPTIONS})."
                    ),
                ));
            }
        }
        let (now, incarnation) = (Instant::now(), self.incarnation());
        let mut queue = Queue::new(fields::rules(&request), self.clock, incarnation);
        queue.keep_in(self.store.clone());
        self.store_subscription(incarnation, &request);
        let subscription = Arc::new(Subscription::new(
            name.clone(),
            request,
            filter,
            queue,
            (now, incarnation),
        ));
        self.keep(&subscription);
        topic.fanout.write().add(subscription.clone());
        registry.subscriptions.insert(name, subscription.clone());
        Ok(Self::view(&subscription, topic.retention()))
    }

    pub(crate) fn subscription(&self, name: &str) -> Result<Arc<Subscription>> {
        let name = Name::subscription(name)?;
        self.registry.read().subscription(&name).cloned()
    }

    pub(crate) fn get_subscription(&self, request: &pb::GetSubscriptionRequest) -> Result<pb::Subscription> {
        let subscription = self.subscription(&request.subscription)?;
        if !self.visible(subscription.created) {
            return Err(Status::not_found(&request.subscription));
        }
        Ok(self.show(&subscription))
    }

    pub(crate) fn update_subscription(
        &self,
        request: pb::UpdateSubscriptionRequest,
    ) -> Result<pb::Subscription> {
        let from = request
            .subscription
            .ok_or_else(|| Status::invalid("The subscription must be set."))?;
        let subscription = self.subscription(&from.name)?;
        let paths = mask::paths(request.update_mask.as_ref(), "Subscription")?;
        {
            let registry = self.registry.read();
            let mut config = subscription.config.write();
            let mut next = config.clone();
            for path in &paths {
                fields::apply(path, &from, &mut next)?;
            }
            defaults::fill(&mut next);
            fields::validate(&next)?;
            if let Some(policy) = next
                .dead_letter_policy
                .as_ref()
                .filter(|_| paths.iter().any(|p| p.starts_with("dead_letter")))
            {
                registry.topic(&Name::topic(&policy.dead_letter_topic)?)?;
            }
            let now = Instant::now();
            subscription.queue(|queue| queue.set_rules(fields::rules(&next), now));
            self.store_subscription(subscription.incarnation, &next);
            *config = next;
        }
        // The expiration may be nearer now.
        subscription.rearm.notify_one();
        let mut updated = self.stored(&subscription);
        // Only the answer to an update has it (recorded traffic of the service, Config Connector's fixtures).
        defaults::fill_push_version(updated.push_config.get_or_insert_default());
        Ok(updated)
    }

    pub(crate) fn modify_push_config(&self, request: pb::ModifyPushConfigRequest) -> Result<()> {
        let subscription = pb::Subscription {
            name: request.subscription,
            push_config: request.push_config,
            ..pb::Subscription::default()
        };
        let update_mask = Some(prost_types::FieldMask {
            paths: vec!["push_config".to_owned()],
        });
        self.update_subscription(pb::UpdateSubscriptionRequest {
            subscription: Some(subscription),
            update_mask,
        })
        .map(drop)
    }

    pub(crate) fn list_subscriptions(
        &self,
        request: &pb::ListSubscriptionsRequest,
    ) -> Result<pb::ListSubscriptionsResponse> {
        let project = names::project(&request.project)?;
        let (size, after) = paging::request(request.page_size, &request.page_token)?;
        let found: Vec<Arc<Subscription>> = {
            let registry = self.registry.read();
            within(&registry.subscriptions, project, "subscriptions", &after)
                .filter(|(_, subscription)| self.visible(subscription.created))
                .map(|(_, subscription)| subscription.clone())
                .take(size + 1)
                .collect()
        };
        let (page, next_page_token) = paging::cut(found, size, |subscription| subscription.name.as_str());
        let subscriptions = page.iter().map(|subscription| self.show(subscription)).collect();
        Ok(pb::ListSubscriptionsResponse {
            subscriptions,
            next_page_token,
        })
    }

    pub(crate) fn delete_subscription(&self, request: &pb::DeleteSubscriptionRequest) -> Result<()> {
        let name = Name::subscription(&request.subscription)?;
        let mut registry = self.registry.write();
        let subscription = registry
            .subscriptions
            .remove(&name)
            .ok_or_else(|| Status::not_found(name.as_str()))?;
        let topic = Name::topic(&subscription.config.read().topic);
        if let Some(topic) = topic.ok().and_then(|topic| registry.topics.get(&topic)) {
            topic.fanout.write().remove(&subscription);
        }
        self.store_deletion(Kind::Subscription, name.as_str(), Some(subscription.incarnation));
        subscription.gone.cancel();
        Ok(())
    }

    /// Drops the backlog and the tie to the topic; the subscription stays, for nothing but its name.
    pub(crate) fn detach_subscription(
        &self,
        request: &pb::DetachSubscriptionRequest,
    ) -> Result<pb::DetachSubscriptionResponse> {
        let subscription = self.subscription(&request.subscription)?;
        let topic = {
            let mut config = subscription.config.write();
            config.detached = true;
            self.store_subscription(subscription.incarnation, &config);
            config.topic.clone()
        };
        if let Ok(topic) = self.topic(&topic) {
            topic.fanout.write().remove(&subscription);
        }
        subscription.queue(crate::queue::Queue::clear);
        subscription.gone.cancel();
        Ok(pb::DetachSubscriptionResponse {})
    }

    /// A subscription as clients read it.
    pub(super) fn show(&self, subscription: &Subscription) -> pb::Subscription {
        let mut shown = self.stored(subscription);
        // Without a wrapper no payload has a version, and what is read has no attributes, although the answers to creation and
        // updates have them (recorded traffic of the service, Config Connector's fixtures). With a wrapper "GetSubscription
        // calls will always return a valid version" (PushConfig.attributes in pubsub.proto).
        if let Some(push) = &mut shown.push_config
            && matches!(push.wrapper, Some(pb::push_config::Wrapper::NoWrapper(_)))
        {
            push.attributes.clear();
        }
        shown
    }

    fn stored(&self, subscription: &Subscription) -> pb::Subscription {
        let topic = subscription.config.read().topic.clone();
        let retention = self.topic(&topic).ok().and_then(|topic| topic.retention());
        Self::view(subscription, retention)
    }

    fn view(subscription: &Subscription, topic_retention: Option<std::time::Duration>) -> pb::Subscription {
        let mut shown = subscription.config.read().clone();
        shown.topic_message_retention_duration =
            topic_retention.and_then(|retention| prost_types::Duration::try_from(retention).ok());
        shown
    }
}

pub(super) fn parse_filter(text: &str) -> Result<Option<Filter>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse()
        .map(Some)
        .map_err(|error| Status::invalid(format!("Invalid filter: {error}.")))
}
