//! google.pubsub.v1.Subscriber

use super::{
    Answer, Service, answer,
    codec::Deliveries,
    details::to_tonic,
    generated::subscriber::subscriber_server::Subscriber,
    open,
    stream::{self, DeliveryStream},
};
use crate::{
    engine::{Pulled, Unsent},
    pb,
};
use std::sync::Arc;
use tonic::{Request, Response, Streaming};

/// `CreateSnapshotRequest.name`: "If the name is not provided in the request, the server will assign a random name for
/// this snapshot on the same project as the subscription. Note that for REST API requests, you must specify a name".
fn made_up(subscription: &str) -> String {
    let project = subscription.split('/').nth(1).unwrap_or_default();
    format!(
        "projects/{project}/snapshots/snapshot-{:016x}",
        rand::random::<u64>()
    )
}

#[tonic::async_trait]
impl Subscriber for Service {
    async fn create_subscription(&self, request: Request<pb::Subscription>) -> Answer<pb::Subscription> {
        let (caller, request) = open(request);
        answer(self.0.create_subscription(&caller, request).await)
    }

    async fn get_subscription(
        &self,
        request: Request<pb::GetSubscriptionRequest>,
    ) -> Answer<pb::Subscription> {
        let (caller, request) = open(request);
        answer(self.0.get_subscription(&caller, request).await)
    }

    async fn update_subscription(
        &self,
        request: Request<pb::UpdateSubscriptionRequest>,
    ) -> Answer<pb::Subscription> {
        let (caller, request) = open(request);
        answer(self.0.update_subscription(&caller, request).await)
    }

    async fn list_subscriptions(
        &self,
        request: Request<pb::ListSubscriptionsRequest>,
    ) -> Answer<pb::ListSubscriptionsResponse> {
        let (caller, request) = open(request);
        answer(self.0.list_subscriptions(&caller, request).await)
    }

    async fn delete_subscription(&self, request: Request<pb::DeleteSubscriptionRequest>) -> Answer<()> {
        let (caller, request) = open(request);
        answer(self.0.delete_subscription(&caller, request).await)
    }

    async fn modify_ack_deadline(&self, request: Request<pb::ModifyAckDeadlineRequest>) -> Answer<()> {
        let (caller, request) = open(request);
        answer(self.0.modify_ack_deadline(&caller, request).await)
    }

    async fn acknowledge(&self, request: Request<pb::AcknowledgeRequest>) -> Answer<()> {
        let (caller, request) = open(request);
        answer(self.0.acknowledge(&caller, request).await)
    }

    async fn modify_push_config(&self, request: Request<pb::ModifyPushConfigRequest>) -> Answer<()> {
        let (caller, request) = open(request);
        answer(self.0.modify_push_config(&caller, request).await)
    }

    async fn get_snapshot(&self, request: Request<pb::GetSnapshotRequest>) -> Answer<pb::Snapshot> {
        let (caller, request) = open(request);
        answer(self.0.get_snapshot(&caller, request).await)
    }

    async fn list_snapshots(
        &self,
        request: Request<pb::ListSnapshotsRequest>,
    ) -> Answer<pb::ListSnapshotsResponse> {
        let (caller, request) = open(request);
        answer(self.0.list_snapshots(&caller, request).await)
    }

    async fn create_snapshot(&self, request: Request<pb::CreateSnapshotRequest>) -> Answer<pb::Snapshot> {
        let (caller, mut request) = open(request);
        if request.name.is_empty() {
            request.name = made_up(&request.subscription);
        }
        answer(self.0.create_snapshot(&caller, request).await)
    }

    async fn update_snapshot(&self, request: Request<pb::UpdateSnapshotRequest>) -> Answer<pb::Snapshot> {
        let (caller, request) = open(request);
        answer(self.0.update_snapshot(&caller, request).await)
    }

    async fn delete_snapshot(&self, request: Request<pb::DeleteSnapshotRequest>) -> Answer<()> {
        let (caller, request) = open(request);
        answer(self.0.delete_snapshot(&caller, request).await)
    }

    async fn seek(&self, request: Request<pb::SeekRequest>) -> Answer<pb::SeekResponse> {
        let (caller, request) = open(request);
        answer(self.0.seek(&caller, request).await)
    }

    async fn pull(&self, request: Request<pb::PullRequest>) -> Answer<Deliveries> {
        let (caller, request) = open(request);
        let Pulled {
            subscription,
            received,
        } = self.0.pull(&caller, request).await.map_err(to_tonic)?;
        let batch = Deliveries {
            received,
            ..Deliveries::default()
        };
        let unsent = Arc::<Unsent>::default();
        unsent.add(&subscription, &batch.received, batch.framed_len());
        let mut response = Response::new(batch);
        response.extensions_mut().insert(unsent);
        Ok(response)
    }

    type StreamingPullStream = DeliveryStream;

    /// Answers before the first message: clients take the stream as open once they have headers.
    async fn streaming_pull(
        &self,
        request: Request<Streaming<pb::StreamingPullRequest>>,
    ) -> Answer<DeliveryStream> {
        let (caller, requests) = open(request);
        let unsent = Arc::<Unsent>::default();
        let stream = stream::open(self.0.clone(), caller, requests, unsent.clone());
        let mut response = Response::new(stream);
        response.extensions_mut().insert(unsent);
        Ok(response)
    }
}
