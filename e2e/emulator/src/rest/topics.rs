//! Paths of topics.

use super::{request::Reply, routes::Request, tables as t};
use crate::{pb, status::Result};

impl Request<'_> {
    pub(super) async fn topics(&self, verb: &str, segments: &[&str], action: &str) -> Result<Reply> {
        let (api, caller, name) = (self.api, self.caller, self.name.clone());
        match (verb, segments, action) {
            ("GET", [_, _, _], "") => {
                let (page_size, page_token) = self.page()?;
                let request = pb::ListTopicsRequest {
                    project: self.parent(),
                    page_size,
                    page_token,
                };
                Ok(Reply::of(&api.list_topics(caller, request).await?, &t::TOPICS))
            }
            ("PUT", [_, _, _, _], "") => {
                let request = pb::Topic {
                    name,
                    ..self.read(&t::TOPIC)?
                };
                Ok(Reply::of(&api.create_topic(caller, request).await?, &t::TOPIC))
            }
            ("GET", [_, _, _, _], "") => Ok(Reply::of(
                &api.get_topic(caller, pb::GetTopicRequest { topic: name }).await?,
                &t::TOPIC,
            )),
            ("PATCH", [_, _, _, _], "") => {
                let mut request: pb::UpdateTopicRequest = self.read_update(&t::UPDATE_TOPIC)?;
                request.topic.get_or_insert_default().name = name;
                Ok(Reply::of(&api.update_topic(caller, request).await?, &t::TOPIC))
            }
            ("DELETE", [_, _, _, _], "") => api
                .delete_topic(caller, pb::DeleteTopicRequest { topic: name })
                .await
                .map(|()| Reply::empty()),
            ("POST", [_, _, _, _], ":publish") => {
                let request = pb::PublishRequest {
                    topic: name,
                    ..self.read(&t::PUBLISH)?
                };
                Ok(Reply::of(&api.publish(caller, request).await?, &t::PUBLISHED))
            }
            ("GET", [_, _, _, _, "subscriptions"], "") => {
                let (page_size, page_token) = self.page()?;
                let request = pb::ListTopicSubscriptionsRequest {
                    topic: self.parent(),
                    page_size,
                    page_token,
                };
                Ok(Reply::of(
                    &api.list_topic_subscriptions(caller, request).await?,
                    &t::SUBSCRIPTION_NAMES,
                ))
            }
            ("GET", [_, _, _, _, "snapshots"], "") => {
                let (page_size, page_token) = self.page()?;
                let request = pb::ListTopicSnapshotsRequest {
                    topic: self.parent(),
                    page_size,
                    page_token,
                };
                Ok(Reply::of(
                    &api.list_topic_snapshots(caller, request).await?,
                    &t::SNAPSHOT_NAMES,
                ))
            }
            _ => Err(self.unknown(verb, action)),
        }
    }
}
