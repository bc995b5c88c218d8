//! Operations on topics.

use super::{
    Engine, mask, paging,
    registry::{is_full, within},
    topic::Topic,
    topic_fields,
};
use crate::{
    limits::MAX_TOPICS,
    names::{self, DELETED_TOPIC, Name},
    pb,
    status::{Code, Result, Status},
    store::Kind,
};
use std::{collections::BTreeSet, sync::Arc};
use tokio::time::Instant;

impl Engine {
    pub(crate) fn create_topic(&self, mut request: pb::Topic) -> Result<pb::Topic> {
        let name = Name::topic(&request.name)?;
        self.project(name.project());
        topic_fields::complete(&mut request, &self.settings.read().default_storage_regions)?;
        request.satisfies_pzs = false;
        let mut registry = self.registry.write();
        Self::check_schema(&registry, &request)?;
        if registry.topics.contains_key(&name) {
            return Err(Status::already_exists(name.as_str()));
        }
        if is_full(&registry.topics, name.project(), "topics", MAX_TOPICS) {
            return Err(Status::new(
                Code::ResourceExhausted,
                format!(
                    "Your project has exceeded a limit: (type=\"topics-per-project\", current={MAX_TOPICS}, maximum={MAX_TOPICS})."
                ),
            ));
        }
        self.store_topic(&request);
        registry.topics.insert(
            name,
            Arc::new(Topic::new(request.clone(), Instant::now(), self.store.clone())),
        );
        Ok(request)
    }

    pub(super) fn topic(&self, name: &str) -> Result<Arc<Topic>> {
        let name = Name::topic(name)?;
        self.registry.read().topic(&name).cloned()
    }

    pub(crate) fn get_topic(&self, request: &pb::GetTopicRequest) -> Result<pb::Topic> {
        let topic = self.topic(&request.topic)?;
        if !self.visible(topic.created) {
            return Err(Status::not_found(&request.topic));
        }
        let config = topic.config.read().clone();
        Ok(config)
    }

    pub(crate) fn update_topic(&self, request: pb::UpdateTopicRequest) -> Result<pb::Topic> {
        let from = request
            .topic
            .ok_or_else(|| Status::invalid("The topic must be set."))?;
        let topic = self.topic(&from.name)?;
        let paths = mask::paths(request.update_mask.as_ref(), "Topic")?;
        let registry = self.registry.read();
        let mut config = topic.config.write();
        let mut next = config.clone();
        for path in &paths {
            topic_fields::apply(path, &from, &mut next)?;
        }
        topic_fields::complete(&mut next, &self.settings.read().default_storage_regions)?;
        Self::check_schema(&registry, &next)?;
        self.store_topic(&next);
        config.clone_from(&next);
        Ok(next)
    }

    pub(crate) fn list_topics(&self, request: &pb::ListTopicsRequest) -> Result<pb::ListTopicsResponse> {
        let project = names::project(&request.project)?;
        let (size, after) = paging::request(request.page_size, &request.page_token)?;
        let registry = self.registry.read();
        let found: Vec<pb::Topic> = within(&registry.topics, project, "topics", &after)
            .filter(|(_, topic)| self.visible(topic.created))
            .map(|(_, topic)| topic.config.read().clone())
            .take(size + 1)
            .collect();
        let (topics, next_page_token) = paging::cut(found, size, |topic| &topic.name);
        Ok(pb::ListTopicsResponse {
            topics,
            next_page_token,
        })
    }

    pub(crate) fn list_topic_subscriptions(
        &self,
        request: &pb::ListTopicSubscriptionsRequest,
    ) -> Result<pb::ListTopicSubscriptionsResponse> {
        let topic = self.topic(&request.topic)?;
        let (size, after) = paging::request(request.page_size, &request.page_token)?;
        let fanout = topic.fanout.read();
        let all: BTreeSet<&Name> = fanout
            .all()
            .filter(|s| self.visible(s.created))
            .map(|s| &s.name)
            .collect();
        let found: Vec<String> = all
            .into_iter()
            .map(Name::to_string)
            .filter(|name| *name > after)
            .take(size + 1)
            .collect();
        let (subscriptions, next_page_token) = paging::cut(found, size, |name| name);
        Ok(pb::ListTopicSubscriptionsResponse {
            subscriptions,
            next_page_token,
        })
    }

    /// The topic goes; its subscriptions stay, with what they hold, and never rejoin.
    pub(crate) fn delete_topic(&self, request: &pb::DeleteTopicRequest) -> Result<()> {
        let name = Name::topic(&request.topic)?;
        let mut registry = self.registry.write();
        let topic = registry
            .topics
            .remove(&name)
            .ok_or_else(|| Status::not_found(name.as_str()))?;
        for subscription in topic.fanout.read().all() {
            let mut config = subscription.config.write();
            DELETED_TOPIC.clone_into(&mut config.topic);
            self.store_subscription(subscription.incarnation, &config);
        }
        for snapshot in topic.snapshots.read().iter() {
            self.store_snapshot(&snapshot.topic_deleted());
        }
        self.store_deletion(Kind::Topic, name.as_str(), None);
        Ok(())
    }
}
