//! The methods of the service, one call each, for both transports: through the gate, to the engine.

use crate::{
    also,
    engine::{Engine, Pulled},
    gate::{Caller, Gate},
    iam::pb as iam,
    identity::TokenService,
    methods as m,
    names::{Kind, Name},
    pb,
    settings::IamMode,
    status::Result,
};
use std::sync::Arc;

/// The service as the transports see it.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) engine: Arc<Engine>,
    pub(crate) gate: Arc<Gate>,
    pub(crate) tokens: Arc<TokenService>,
}

/// Methods that need no more than their own permission on the resource that the request names.
macro_rules! plain {
    ($($name:ident, $method:ident, $request:ty => $response:ty, |$r:ident| $resource:expr, $call:expr;)*) => {
        impl Api {
            $(
                pub(crate) async fn $name(&self, caller: &Caller, $r: $request) -> Result<$response> {
                    let resource: String = $resource;
                    let call = async { ($call)(&*self.engine, $r) };
                    self.gate.pass(&m::$method, &resource, &[], caller, call).await
                }
            )*
        }
    };
}

fn of<T>(message: Option<&T>, name: impl Fn(&T) -> &String) -> String {
    message.map(|message| name(message).clone()).unwrap_or_default()
}

plain! {
    publish, PUBLISH, pb::PublishRequest => pb::PublishResponse, |r| r.topic.clone(), Engine::publish;
    get_topic, GET_TOPIC, pb::GetTopicRequest => pb::Topic, |r| r.topic.clone(), |e: &Engine, r| e.get_topic(&r);
    list_topics, LIST_TOPICS, pb::ListTopicsRequest => pb::ListTopicsResponse, |r| r.project.clone(), |e: &Engine, r| e.list_topics(&r);
    list_topic_subscriptions, LIST_TOPIC_SUBSCRIPTIONS, pb::ListTopicSubscriptionsRequest => pb::ListTopicSubscriptionsResponse,
        |r| r.topic.clone(), |e: &Engine, r| e.list_topic_subscriptions(&r);
    list_topic_snapshots, LIST_TOPIC_SNAPSHOTS, pb::ListTopicSnapshotsRequest => pb::ListTopicSnapshotsResponse,
        |r| r.topic.clone(), |e: &Engine, r| e.list_topic_snapshots(&r);
    delete_topic, DELETE_TOPIC, pb::DeleteTopicRequest => (), |r| r.topic.clone(), |e: &Engine, r| e.delete_topic(&r);

    get_subscription, GET_SUBSCRIPTION, pb::GetSubscriptionRequest => pb::Subscription,
        |r| r.subscription.clone(), |e: &Engine, r| e.get_subscription(&r);
    list_subscriptions, LIST_SUBSCRIPTIONS, pb::ListSubscriptionsRequest => pb::ListSubscriptionsResponse,
        |r| r.project.clone(), |e: &Engine, r| e.list_subscriptions(&r);
    delete_subscription, DELETE_SUBSCRIPTION, pb::DeleteSubscriptionRequest => (),
        |r| r.subscription.clone(), |e: &Engine, r| e.delete_subscription(&r);
    modify_ack_deadline, MODIFY_ACK_DEADLINE, pb::ModifyAckDeadlineRequest => (),
        |r| r.subscription.clone(), Engine::modify_ack_deadline;
    acknowledge, ACKNOWLEDGE, pb::AcknowledgeRequest => (), |r| r.subscription.clone(), Engine::acknowledge;
    get_snapshot, GET_SNAPSHOT, pb::GetSnapshotRequest => pb::Snapshot, |r| r.snapshot.clone(), |e: &Engine, r| e.get_snapshot(&r);
    list_snapshots, LIST_SNAPSHOTS, pb::ListSnapshotsRequest => pb::ListSnapshotsResponse,
        |r| r.project.clone(), |e: &Engine, r| e.list_snapshots(&r);
    update_snapshot, UPDATE_SNAPSHOT, pb::UpdateSnapshotRequest => pb::Snapshot,
        |r| of(r.snapshot.as_ref(), |s| &s.name), Engine::update_snapshot;
    delete_snapshot, DELETE_SNAPSHOT, pb::DeleteSnapshotRequest => (), |r| r.snapshot.clone(), |e: &Engine, r| e.delete_snapshot(&r);

    create_schema, CREATE_SCHEMA, pb::CreateSchemaRequest => pb::Schema, |r| r.parent.clone(), Engine::create_schema;
    get_schema, GET_SCHEMA, pb::GetSchemaRequest => pb::Schema, |r| r.name.clone(), |e: &Engine, r| e.get_schema(&r);
    list_schemas, LIST_SCHEMAS, pb::ListSchemasRequest => pb::ListSchemasResponse, |r| r.parent.clone(), |e: &Engine, r| e.list_schemas(&r);
    list_schema_revisions, LIST_SCHEMA_REVISIONS, pb::ListSchemaRevisionsRequest => pb::ListSchemaRevisionsResponse,
        |r| r.name.clone(), |e: &Engine, r| e.list_schema_revisions(&r);
    commit_schema, COMMIT_SCHEMA, pb::CommitSchemaRequest => pb::Schema, |r| r.name.clone(), Engine::commit_schema;
    rollback_schema, ROLLBACK_SCHEMA, pb::RollbackSchemaRequest => pb::Schema, |r| r.name.clone(), |e: &Engine, r| e.rollback_schema(&r);
    delete_schema_revision, DELETE_SCHEMA_REVISION, pb::DeleteSchemaRevisionRequest => pb::Schema,
        |r| r.name.clone(), |e: &Engine, r| e.delete_schema_revision(&r);
    delete_schema, DELETE_SCHEMA, pb::DeleteSchemaRequest => (), |r| r.name.clone(), |e: &Engine, r| e.delete_schema(&r);
    validate_schema, VALIDATE_SCHEMA, pb::ValidateSchemaRequest => pb::ValidateSchemaResponse,
        |r| r.parent.clone(), |_: &Engine, r| Engine::validate_schema(&r);
    validate_message, VALIDATE_MESSAGE, pb::ValidateMessageRequest => pb::ValidateMessageResponse,
        |r| r.parent.clone(), |_: &Engine, _| Engine::validate_message();
}

/// Methods that ask for a second permission, or wait.
impl Api {
    pub(crate) async fn create_topic(&self, caller: &Caller, r: pb::Topic) -> Result<pb::Topic> {
        let (name, schema) = (r.name.clone(), also::schema(Some(&r)));
        let also = also::all(&schema);
        self.gate
            .pass(&m::CREATE_TOPIC, &name, &also, caller, async {
                self.engine.create_topic(r)
            })
            .await
    }

    pub(crate) async fn update_topic(&self, caller: &Caller, r: pb::UpdateTopicRequest) -> Result<pb::Topic> {
        let (name, schema) = (of(r.topic.as_ref(), |t| &t.name), also::schema(r.topic.as_ref()));
        let also = also::all(&schema);
        self.gate
            .pass(&m::UPDATE_TOPIC, &name, &also, caller, async {
                self.engine.update_topic(r)
            })
            .await
    }

    pub(crate) async fn update_subscription(
        &self,
        caller: &Caller,
        r: pb::UpdateSubscriptionRequest,
    ) -> Result<pb::Subscription> {
        let name = of(r.subscription.as_ref(), |s| &s.name);
        let accounts = also::accounts(r.subscription.as_ref());
        let also = also::all(&accounts);
        self.gate
            .pass(&m::UPDATE_SUBSCRIPTION, &name, &also, caller, async {
                self.engine.update_subscription(r)
            })
            .await
    }

    pub(crate) async fn modify_push_config(
        &self,
        caller: &Caller,
        r: pb::ModifyPushConfigRequest,
    ) -> Result<()> {
        let subscription = r.subscription.clone();
        let pushes = pb::Subscription {
            push_config: r.push_config.clone(),
            ..pb::Subscription::default()
        };
        let accounts = also::accounts(Some(&pushes));
        let also = also::all(&accounts);
        self.gate
            .pass(&m::MODIFY_PUSH_CONFIG, &subscription, &also, caller, async {
                self.engine.modify_push_config(r)
            })
            .await
    }

    pub(crate) async fn create_subscription(
        &self,
        caller: &Caller,
        r: pb::Subscription,
    ) -> Result<pb::Subscription> {
        let (name, topic, accounts) = (r.name.clone(), r.topic.clone(), also::accounts(Some(&r)));
        let mut also = also::all(&accounts);
        also.push(("pubsub.topics.attachSubscription", topic.as_str()));
        self.gate
            .pass(&m::CREATE_SUBSCRIPTION, &name, &also, caller, async {
                self.engine.create_subscription(r)
            })
            .await
    }

    pub(crate) async fn detach_subscription(
        &self,
        caller: &Caller,
        r: pb::DetachSubscriptionRequest,
    ) -> Result<pb::DetachSubscriptionResponse> {
        let topic = self
            .engine
            .subscription_config(&r.subscription)
            .map(|s| s.topic)
            .unwrap_or_default();
        let also = [("pubsub.topics.detachSubscription", topic.as_str())];
        let call = async { self.engine.detach_subscription(&r) };
        self.gate
            .pass(&m::DETACH_SUBSCRIPTION, &r.subscription, &also, caller, call)
            .await
    }

    pub(crate) async fn create_snapshot(
        &self,
        caller: &Caller,
        r: pb::CreateSnapshotRequest,
    ) -> Result<pb::Snapshot> {
        let (name, subscription) = (r.name.clone(), r.subscription.clone());
        let also = [("pubsub.subscriptions.consume", subscription.as_str())];
        self.gate
            .pass(&m::CREATE_SNAPSHOT, &name, &also, caller, async {
                self.engine.create_snapshot(r)
            })
            .await
    }

    pub(crate) async fn seek(&self, caller: &Caller, r: pb::SeekRequest) -> Result<pb::SeekResponse> {
        let also = match &r.target {
            Some(pb::seek_request::Target::Snapshot(name)) => vec![("pubsub.snapshots.seek", name.as_str())],
            Some(pb::seek_request::Target::Time(_)) | None => Vec::new(),
        };
        self.gate
            .pass(&m::SEEK, &r.subscription, &also, caller, async {
                self.engine.seek(&r)
            })
            .await
    }

    pub(crate) async fn pull(&self, caller: &Caller, r: pb::PullRequest) -> Result<Pulled> {
        self.gate
            .pass(&m::PULL, &r.subscription, &[], caller, self.engine.pull(&r))
            .await
    }

    pub(crate) async fn get_iam_policy(
        &self,
        caller: &Caller,
        r: iam::GetIamPolicyRequest,
    ) -> Result<iam::Policy> {
        let permission = policy_permission(&r.resource, "getIamPolicy");
        let also = [(permission.as_str(), r.resource.as_str())];
        self.gate
            .pass(&m::GET_IAM_POLICY, &r.resource, &also, caller, async {
                self.engine.get_policy(&r)
            })
            .await
    }

    pub(crate) async fn set_iam_policy(
        &self,
        caller: &Caller,
        r: iam::SetIamPolicyRequest,
    ) -> Result<iam::Policy> {
        let resource = r.resource.clone();
        let permission = policy_permission(&resource, "setIamPolicy");
        let also = [(permission.as_str(), resource.as_str())];
        self.gate
            .pass(&m::SET_IAM_POLICY, &resource, &also, caller, async {
                self.engine.set_policy(r)
            })
            .await
    }

    pub(crate) async fn test_iam_permissions(
        &self,
        caller: &Caller,
        r: iam::TestIamPermissionsRequest,
    ) -> Result<iam::TestIamPermissionsResponse> {
        let enforced = self.engine.settings.read().iam == IamMode::Enforce;
        let members = enforced.then_some(caller.members.as_slice());
        let call = async { self.engine.test_permissions(&r, members) };
        self.gate
            .pass(&m::TEST_IAM_PERMISSIONS, &r.resource, &[], caller, call)
            .await
    }
}

/// `pubsub.topics.getIamPolicy` and so on.
fn policy_permission(resource: &str, verb: &str) -> String {
    match Name::any(resource).map(|name| name.kind()) {
        Ok(kind @ (Kind::Topic | Kind::Subscription | Kind::Snapshot | Kind::Schema)) => {
            format!("pubsub.{}.{verb}", kind.collection())
        }
        Err(_) => format!("resourcemanager.projects.{verb}"),
    }
}
