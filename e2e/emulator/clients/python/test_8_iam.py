"""IAM: policies with etags on every kind of resource, and, where enforced, what they allow."""

import os
import uuid

import grpc
import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.iam.v1 import policy_pb2
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from conftest import PATIENCE, Inbox, eventually

VIEWER, SUBSCRIBER = "roles/pubsub.viewer", "roles/pubsub.subscriber"
ANN = "user:ann@example.com"


def binding(role, *members):
    return policy_pb2.Binding(role=role, members=members)


@pytest.mark.parametrize("kind", ["topic", "subscription", "snapshot"])
def test_a_policy_is_read_written_and_guarded_by_its_etag(bench, kind):
    topic = bench.topic()
    subscription = bench.subscription(topic)
    client, resource = bench.subscriber, subscription
    if kind == "topic":
        client, resource = bench.publisher, topic
    if kind == "snapshot":
        resource = bench.name("snapshots")
        bench.subscriber.create_snapshot(request={"name": resource, "subscription": subscription})

    def write(policy):
        return client.set_iam_policy(request={"resource": resource, "policy": policy})

    empty = client.get_iam_policy(request={"resource": resource})
    assert not empty.bindings and empty.etag, "never set, and still guarded"
    empty.bindings.append(binding(VIEWER, ANN))
    first = write(empty)
    assert first.etag not in (b"", empty.etag) and first.version == 1
    read = client.get_iam_policy(request={"resource": resource})
    assert read == first and read.bindings[0].role == VIEWER and list(read.bindings[0].members) == [ANN]

    read.bindings.append(binding(SUBSCRIBER, ANN))
    second = write(read)
    with pytest.raises(exceptions.Aborted):
        write(read)  # its etag is that of the first
    assert client.get_iam_policy(request={"resource": resource}) == second
    overwritten = write(policy_pb2.Policy(bindings=[binding(VIEWER, "allUsers")]))
    assert [b.role for b in overwritten.bindings] == [VIEWER], "no etag overwrites all"
    assert overwritten.etag != second.etag


def test_a_policy_refuses_what_is_no_member_or_role_and_what_is_not_there(bench):
    topic = bench.topic()

    def write(resource, role, member):
        policy = policy_pb2.Policy(bindings=[binding(role, member)])
        bench.publisher.set_iam_policy(request={"resource": resource, "policy": policy})

    for role, member in [
        (VIEWER, "ann@example.com"),
        (VIEWER, "somebody:ann@example.com"),
        (VIEWER, "serviceAccount:service-999@gcp-sa-pubsub.iam.gserviceaccount.com"),
        ("viewer", ANN),
    ]:
        with pytest.raises(exceptions.InvalidArgument):
            write(topic, role, member)
    missing = bench.name("topics", "missing")
    with pytest.raises(exceptions.NotFound):
        write(missing, VIEWER, ANN)
    with pytest.raises(exceptions.NotFound):
        bench.publisher.get_iam_policy(request={"resource": missing})
    assert not bench.publisher.get_iam_policy(request={"resource": topic}).bindings


def test_permissions_are_tested_on_a_resource_that_is_there(bench):
    topic = bench.topic()
    asked = ["pubsub.topics.publish", "pubsub.topics.get"]
    answer = bench.publisher.test_iam_permissions(request={"resource": topic, "permissions": asked})
    assert list(answer.permissions) == asked, "nothing is forbidden while IAM is off"
    missing = bench.name("topics", "missing")
    with pytest.raises(exceptions.NotFound):
        bench.publisher.test_iam_permissions(request={"resource": missing, "permissions": asked})


class As(
    grpc.UnaryUnaryClientInterceptor, grpc.StreamStreamClientInterceptor
):
    """Official clients whose calls carry a bearer token, which insecure channels cannot do by themselves."""

    def __init__(self, host, principal):
        self.principal = principal
        channel = grpc.intercept_channel(grpc.insecure_channel(host), self)
        self.publisher = pubsub_v1.PublisherClient(transport=PublisherGrpcTransport(channel=channel))
        self.subscriber = pubsub_v1.SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))

    def _call(self, continuation, details, request):
        metadata = list(details.metadata or ())
        if self.principal:
            metadata.append(("authorization", f"Bearer {self.principal}"))
        return continuation(details._replace(metadata=metadata), request)

    intercept_unary_unary = intercept_stream_stream = _call


@pytest.fixture
def enforcing():
    host = os.environ.get("PUBSUB_EMULATOR_ENFORCING_HOST")
    if not host:
        pytest.skip("needs PUBSUB_EMULATOR_ENFORCING_HOST, an emulator with --iam enforce: run ../run.sh")
    return host


def test_where_iam_is_enforced_a_principal_may_do_what_its_grants_say_and_no_more(enforcing):
    project = os.environ["PUBSUB_EMULATOR_ENFORCING_PROJECT"]
    name = lambda collection: f"projects/{project}/{collection}/py-{uuid.uuid4().hex[:12]}"
    owner = As(enforcing, "user:owner@example.com")
    worker = As(enforcing, "serviceAccount:worker@example.com")
    nobody = As(enforcing, None)
    topic, subscription, other = name("topics"), name("subscriptions"), name("subscriptions")
    with pytest.raises(exceptions.PermissionDenied):
        worker.publisher.create_topic(name=topic)
    with pytest.raises(exceptions.Unauthenticated):
        nobody.publisher.create_topic(name=topic)
    with pytest.raises(exceptions.Unauthenticated):
        As(enforcing, " ").publisher.create_topic(name=topic)
    owner.publisher.create_topic(name=topic)
    for sub in [subscription, other]:
        owner.subscriber.create_subscription(name=sub, topic=topic)
    owner.publisher.publish(topic, b"1").result(PATIENCE)

    pull = lambda sub: worker.subscriber.pull(
        request={"subscription": sub, "max_messages": 1}, timeout=PATIENCE
    )
    with pytest.raises(exceptions.PermissionDenied) as info:
        pull(subscription)
    assert info.value.reason == "IAM_PERMISSION_DENIED"
    assert info.value.metadata["permission"] == "pubsub.subscriptions.consume"
    asked = ["pubsub.subscriptions.consume", "pubsub.subscriptions.get", "pubsub.subscriptions.delete"]
    tested = lambda: list(
        worker.subscriber.test_iam_permissions(request={"resource": subscription, "permissions": asked}).permissions
    )
    assert tested() == []

    policy = owner.subscriber.get_iam_policy(request={"resource": subscription})
    policy.bindings.append(binding(SUBSCRIBER, "serviceAccount:worker@example.com"))
    granted = owner.subscriber.set_iam_policy(request={"resource": subscription, "policy": policy})
    assert tested() == ["pubsub.subscriptions.consume"], "roles/pubsub.subscriber reads no subscription"
    received = pull(subscription).received_messages
    assert [m.message.data for m in received] == [b"1"]
    worker.subscriber.acknowledge(
        request={"subscription": subscription, "ack_ids": [m.ack_id for m in received]}
    )
    with pytest.raises(exceptions.PermissionDenied):
        pull(other)
    with pytest.raises(exceptions.PermissionDenied):
        worker.publisher.publish(topic, b"not allowed").result(PATIENCE)

    # A stream works with the grant and ends with it.
    inbox = Inbox()
    stream = worker.subscriber.subscribe(subscription, inbox)
    owner.publisher.publish(topic, b"2").result(PATIENCE)
    inbox.wait(1)
    del granted.bindings[:]
    owner.subscriber.set_iam_policy(request={"resource": subscription, "policy": granted})
    owner.publisher.publish(topic, b"3").result(PATIENCE)
    eventually("the end of the stream", stream.done)
    with pytest.raises(exceptions.PermissionDenied):
        stream.result(PATIENCE)
    assert inbox.bodies() == ["2"]
