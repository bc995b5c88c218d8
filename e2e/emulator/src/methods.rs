//! Every method of the service: its name in the call log, what it needs, and whether it counts
//! against the quota of administrative operations.

/// A method and what the gate must know of it.
#[derive(Debug)]
pub(crate) struct Method {
    pub(crate) name: &'static str,
    /// Asked for on the resource or, for `create` and `list`, on its project.
    pub(crate) permission: &'static str,
    pub(crate) on_project: bool,
    pub(crate) admin: bool,
}

const fn admin(name: &'static str, permission: &'static str) -> Method {
    Method {
        name,
        permission,
        on_project: false,
        admin: true,
    }
}

const fn of_project(name: &'static str, permission: &'static str) -> Method {
    Method {
        name,
        permission,
        on_project: true,
        admin: true,
    }
}

const fn data(name: &'static str, permission: &'static str) -> Method {
    Method {
        name,
        permission,
        on_project: false,
        admin: false,
    }
}

pub(crate) static CREATE_TOPIC: Method = of_project("Publisher.CreateTopic", "pubsub.topics.create");
pub(crate) static UPDATE_TOPIC: Method = admin("Publisher.UpdateTopic", "pubsub.topics.update");
pub(crate) static PUBLISH: Method = data("Publisher.Publish", "pubsub.topics.publish");
pub(crate) static GET_TOPIC: Method = admin("Publisher.GetTopic", "pubsub.topics.get");
pub(crate) static LIST_TOPICS: Method = of_project("Publisher.ListTopics", "pubsub.topics.list");
pub(crate) static LIST_TOPIC_SUBSCRIPTIONS: Method =
    admin("Publisher.ListTopicSubscriptions", "pubsub.topics.get");
pub(crate) static LIST_TOPIC_SNAPSHOTS: Method = admin("Publisher.ListTopicSnapshots", "pubsub.topics.get");
pub(crate) static DELETE_TOPIC: Method = admin("Publisher.DeleteTopic", "pubsub.topics.delete");
/// The permission is asked for on the subscription's topic.
pub(crate) static DETACH_SUBSCRIPTION: Method = admin("Publisher.DetachSubscription", "");

/// Also needs `pubsub.topics.attachSubscription` on the topic.
pub(crate) static CREATE_SUBSCRIPTION: Method =
    of_project("Subscriber.CreateSubscription", "pubsub.subscriptions.create");
pub(crate) static GET_SUBSCRIPTION: Method = admin("Subscriber.GetSubscription", "pubsub.subscriptions.get");
pub(crate) static UPDATE_SUBSCRIPTION: Method =
    admin("Subscriber.UpdateSubscription", "pubsub.subscriptions.update");
pub(crate) static LIST_SUBSCRIPTIONS: Method =
    of_project("Subscriber.ListSubscriptions", "pubsub.subscriptions.list");
pub(crate) static DELETE_SUBSCRIPTION: Method =
    admin("Subscriber.DeleteSubscription", "pubsub.subscriptions.delete");
pub(crate) static MODIFY_PUSH_CONFIG: Method =
    admin("Subscriber.ModifyPushConfig", "pubsub.subscriptions.update");
pub(crate) static MODIFY_ACK_DEADLINE: Method =
    data("Subscriber.ModifyAckDeadline", "pubsub.subscriptions.consume");
pub(crate) static ACKNOWLEDGE: Method = data("Subscriber.Acknowledge", "pubsub.subscriptions.consume");
pub(crate) static PULL: Method = data("Subscriber.Pull", "pubsub.subscriptions.consume");
pub(crate) static STREAMING_PULL: Method = data("Subscriber.StreamingPull", "pubsub.subscriptions.consume");
/// Also needs `pubsub.snapshots.seek` on a snapshot.
pub(crate) static SEEK: Method = admin("Subscriber.Seek", "pubsub.subscriptions.consume");
/// Also needs `pubsub.subscriptions.consume` on the subscription.
pub(crate) static CREATE_SNAPSHOT: Method =
    of_project("Subscriber.CreateSnapshot", "pubsub.snapshots.create");
pub(crate) static GET_SNAPSHOT: Method = admin("Subscriber.GetSnapshot", "pubsub.snapshots.get");
pub(crate) static UPDATE_SNAPSHOT: Method = admin("Subscriber.UpdateSnapshot", "pubsub.snapshots.update");
pub(crate) static LIST_SNAPSHOTS: Method = of_project("Subscriber.ListSnapshots", "pubsub.snapshots.list");
pub(crate) static DELETE_SNAPSHOT: Method = admin("Subscriber.DeleteSnapshot", "pubsub.snapshots.delete");

pub(crate) static CREATE_SCHEMA: Method = of_project("SchemaService.CreateSchema", "pubsub.schemas.create");
pub(crate) static GET_SCHEMA: Method = admin("SchemaService.GetSchema", "pubsub.schemas.get");
pub(crate) static LIST_SCHEMAS: Method = of_project("SchemaService.ListSchemas", "pubsub.schemas.list");
pub(crate) static LIST_SCHEMA_REVISIONS: Method = admin(
    "SchemaService.ListSchemaRevisions",
    "pubsub.schemas.listRevisions",
);
pub(crate) static COMMIT_SCHEMA: Method = admin("SchemaService.CommitSchema", "pubsub.schemas.commit");
pub(crate) static ROLLBACK_SCHEMA: Method = admin("SchemaService.RollbackSchema", "pubsub.schemas.rollback");
pub(crate) static DELETE_SCHEMA_REVISION: Method =
    admin("SchemaService.DeleteSchemaRevision", "pubsub.schemas.delete");
pub(crate) static DELETE_SCHEMA: Method = admin("SchemaService.DeleteSchema", "pubsub.schemas.delete");
pub(crate) static VALIDATE_SCHEMA: Method =
    of_project("SchemaService.ValidateSchema", "pubsub.schemas.validate");
pub(crate) static VALIDATE_MESSAGE: Method =
    of_project("SchemaService.ValidateMessage", "pubsub.schemas.validate");

/// The permission depends on the kind of resource.
pub(crate) static GET_IAM_POLICY: Method = admin("IAMPolicy.GetIamPolicy", "");
pub(crate) static SET_IAM_POLICY: Method = admin("IAMPolicy.SetIamPolicy", "");
/// Anyone may ask what they may do.
pub(crate) static TEST_IAM_PERMISSIONS: Method = admin("IAMPolicy.TestIamPermissions", "");

/// Other services that share the port; not Pub/Sub's quota.
pub(crate) static GET_PROJECT: Method = data("Projects.GetProject", "resourcemanager.projects.get");
pub(crate) static LIST_TIME_SERIES: Method =
    data("MetricService.ListTimeSeries", "monitoring.timeSeries.list");
