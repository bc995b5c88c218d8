//! google.pubsub.v1.Publisher

use super::{Answer, Service, answer, generated::publisher::publisher_server::Publisher, open};
use crate::pb;
use tonic::Request;

#[tonic::async_trait]
impl Publisher for Service {
    async fn create_topic(&self, request: Request<pb::Topic>) -> Answer<pb::Topic> {
        let (caller, request) = open(request);
        answer(self.0.create_topic(&caller, request).await)
    }

    async fn update_topic(&self, request: Request<pb::UpdateTopicRequest>) -> Answer<pb::Topic> {
        let (caller, request) = open(request);
        answer(self.0.update_topic(&caller, request).await)
    }

    async fn publish(&self, request: Request<pb::PublishRequest>) -> Answer<pb::PublishResponse> {
        let (caller, request) = open(request);
        answer(self.0.publish(&caller, request).await)
    }

    async fn get_topic(&self, request: Request<pb::GetTopicRequest>) -> Answer<pb::Topic> {
        let (caller, request) = open(request);
        answer(self.0.get_topic(&caller, request).await)
    }

    async fn list_topics(&self, request: Request<pb::ListTopicsRequest>) -> Answer<pb::ListTopicsResponse> {
        let (caller, request) = open(request);
        answer(self.0.list_topics(&caller, request).await)
    }

    async fn list_topic_subscriptions(
        &self,
        request: Request<pb::ListTopicSubscriptionsRequest>,
    ) -> Answer<pb::ListTopicSubscriptionsResponse> {
        let (caller, request) = open(request);
        answer(self.0.list_topic_subscriptions(&caller, request).await)
    }

    async fn list_topic_snapshots(
        &self,
        request: Request<pb::ListTopicSnapshotsRequest>,
    ) -> Answer<pb::ListTopicSnapshotsResponse> {
        let (caller, request) = open(request);
        answer(self.0.list_topic_snapshots(&caller, request).await)
    }

    async fn delete_topic(&self, request: Request<pb::DeleteTopicRequest>) -> Answer<()> {
        let (caller, request) = open(request);
        answer(self.0.delete_topic(&caller, request).await)
    }

    async fn detach_subscription(
        &self,
        request: Request<pb::DetachSubscriptionRequest>,
    ) -> Answer<pb::DetachSubscriptionResponse> {
        let (caller, request) = open(request);
        answer(self.0.detach_subscription(&caller, request).await)
    }
}
