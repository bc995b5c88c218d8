//! Server traits for Google's services over the published message crates: no protoc, no proto files.

use tonic_build::manual::{Builder, Method, Service};

/// Writes stored messages straight into the response (see `grpc/codec.rs`).
const DELIVERY: &str = "crate::grpc::codec::DeliveryCodec";
const PUBSUB: &str = "googleapis_tonic_google_pubsub_v1::google::pubsub::v1";
const IAM: &str = "googleapis_tonic_google_iam_v1::google::iam::v1";

/// Each kind of request has its own limits (see `grpc/request.rs`).
fn codec(route: &str) -> &'static str {
    match route {
        "Publish" => "crate::grpc::request::PublishCodec",
        "Acknowledge" | "ModifyAckDeadline" => "crate::grpc::request::AckCodec",
        _ => "crate::grpc::request::AdminCodec",
    }
}

fn method(route: &str, input: String, output: String) -> Method {
    Method::builder()
        .name(snake(route))
        .route_name(route)
        .input_type(input)
        .output_type(output)
        .codec_path(codec(route))
        .build()
}

fn snake(name: &str) -> String {
    let mut out = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.push(c.to_ascii_lowercase());
    }
    out
}

fn pubsub(name: &str, methods: &[(&str, &str, &str)]) -> Service {
    let mut service = Service::builder().name(name).package("google.pubsub.v1");
    for (route, input, output) in methods {
        let output = if *output == "()" {
            "crate::grpc::Empty".to_owned()
        } else {
            format!("{PUBSUB}::{output}")
        };
        service = service.method(method(route, format!("{PUBSUB}::{input}"), output));
    }
    if name == "Subscriber" {
        service = service
            .method(
                Method::builder()
                    .name("pull")
                    .route_name("Pull")
                    .input_type(format!("{PUBSUB}::PullRequest"))
                    .output_type("crate::grpc::codec::Deliveries")
                    .codec_path(DELIVERY)
                    .build(),
            )
            .method(
                Method::builder()
                    .name("streaming_pull")
                    .route_name("StreamingPull")
                    .input_type(format!("{PUBSUB}::StreamingPullRequest"))
                    .output_type("crate::grpc::codec::Deliveries")
                    .codec_path(DELIVERY)
                    .client_streaming()
                    .server_streaming()
                    .build(),
            );
    }
    service.build()
}

fn main() {
    let publisher = pubsub(
        "Publisher",
        &[
            ("CreateTopic", "Topic", "Topic"),
            ("UpdateTopic", "UpdateTopicRequest", "Topic"),
            ("Publish", "PublishRequest", "PublishResponse"),
            ("GetTopic", "GetTopicRequest", "Topic"),
            ("ListTopics", "ListTopicsRequest", "ListTopicsResponse"),
            (
                "ListTopicSubscriptions",
                "ListTopicSubscriptionsRequest",
                "ListTopicSubscriptionsResponse",
            ),
            (
                "ListTopicSnapshots",
                "ListTopicSnapshotsRequest",
                "ListTopicSnapshotsResponse",
            ),
            ("DeleteTopic", "DeleteTopicRequest", "()"),
            (
                "DetachSubscription",
                "DetachSubscriptionRequest",
                "DetachSubscriptionResponse",
            ),
        ],
    );
    let subscriber = pubsub(
        "Subscriber",
        &[
            ("CreateSubscription", "Subscription", "Subscription"),
            ("GetSubscription", "GetSubscriptionRequest", "Subscription"),
            ("UpdateSubscription", "UpdateSubscriptionRequest", "Subscription"),
            (
                "ListSubscriptions",
                "ListSubscriptionsRequest",
                "ListSubscriptionsResponse",
            ),
            ("DeleteSubscription", "DeleteSubscriptionRequest", "()"),
            ("ModifyAckDeadline", "ModifyAckDeadlineRequest", "()"),
            ("Acknowledge", "AcknowledgeRequest", "()"),
            ("ModifyPushConfig", "ModifyPushConfigRequest", "()"),
            ("GetSnapshot", "GetSnapshotRequest", "Snapshot"),
            ("ListSnapshots", "ListSnapshotsRequest", "ListSnapshotsResponse"),
            ("CreateSnapshot", "CreateSnapshotRequest", "Snapshot"),
            ("UpdateSnapshot", "UpdateSnapshotRequest", "Snapshot"),
            ("DeleteSnapshot", "DeleteSnapshotRequest", "()"),
            ("Seek", "SeekRequest", "SeekResponse"),
        ],
    );
    let schemas = pubsub(
        "SchemaService",
        &[
            ("CreateSchema", "CreateSchemaRequest", "Schema"),
            ("GetSchema", "GetSchemaRequest", "Schema"),
            ("ListSchemas", "ListSchemasRequest", "ListSchemasResponse"),
            (
                "ListSchemaRevisions",
                "ListSchemaRevisionsRequest",
                "ListSchemaRevisionsResponse",
            ),
            ("CommitSchema", "CommitSchemaRequest", "Schema"),
            ("RollbackSchema", "RollbackSchemaRequest", "Schema"),
            ("DeleteSchemaRevision", "DeleteSchemaRevisionRequest", "Schema"),
            ("DeleteSchema", "DeleteSchemaRequest", "()"),
            (
                "ValidateSchema",
                "ValidateSchemaRequest",
                "ValidateSchemaResponse",
            ),
            (
                "ValidateMessage",
                "ValidateMessageRequest",
                "ValidateMessageResponse",
            ),
        ],
    );
    let policies = Service::builder()
        .name("IAMPolicy")
        .package("google.iam.v1")
        .method(method(
            "SetIamPolicy",
            format!("{IAM}::SetIamPolicyRequest"),
            format!("{IAM}::Policy"),
        ))
        .method(method(
            "GetIamPolicy",
            format!("{IAM}::GetIamPolicyRequest"),
            format!("{IAM}::Policy"),
        ))
        .method(method(
            "TestIamPermissions",
            format!("{IAM}::TestIamPermissionsRequest"),
            format!("{IAM}::TestIamPermissionsResponse"),
        ))
        .build();
    Builder::new()
        .build_client(false)
        .compile(&[publisher, subscriber, schemas, policies]);
}
