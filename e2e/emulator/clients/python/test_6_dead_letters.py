"""Dead letters: forwarded with their origin, but only while the service agent has both of its grants."""

import pytest
from google.iam.v1 import policy_pb2

from conftest import Inbox, eventually

NUMBER = 123_456_789_012
PREFIX = "CloudPubSubDeadLetterSource"


class Letters:
    """A subscription with a dead-letter topic, and a subscription on that."""

    def __init__(self, bench, **fields):
        # Each test's project has a number of its own, as its service agent must exist.
        self.number = NUMBER + int(bench.project[-6:], 16)
        bench.emulator.call("PUT", f"/emulator/v1/projects/{bench.project}", {"projectNumber": str(self.number)})
        self.bench = bench
        self.topic, self.dead_topic = bench.topic("events"), bench.topic("dead")
        self.dead = bench.subscription(self.dead_topic, "dead-sub", filter='attributes.tenant_id = "tenant-1"')
        policy = {"dead_letter_topic": self.dead_topic, "max_delivery_attempts": 5}
        self.name = bench.subscription(self.topic, "sub", dead_letter_policy=policy, **fields)

    def grant(self, client, resource, role):
        agent = f"serviceAccount:service-{self.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
        policy = client.get_iam_policy(request={"resource": resource})
        policy.bindings.append(policy_pb2.Binding(role=role, members=[agent]))
        client.set_iam_policy(request={"resource": resource, "policy": policy})

    def grant_publisher(self):
        self.grant(self.bench.publisher, self.dead_topic, "roles/pubsub.publisher")

    def grant_subscriber(self):
        self.grant(self.bench.subscriber, self.name, "roles/pubsub.subscriber")


def refuse(message, _times):
    message.nack()


@pytest.mark.parametrize("grants", [[], ["publisher"], ["subscriber"]], ids=["none", "publisher", "subscriber"])
def test_nothing_is_forwarded_while_a_grant_is_missing_and_then_it_is(bench, grants):
    letters = Letters(bench)
    for grant in grants:
        getattr(letters, f"grant_{grant}")()
    [original] = bench.publish(letters.topic, "poison", tenant_id="tenant-1", other="kept")
    inbox = Inbox(refuse)
    stream = bench.stream(letters.name, inbox)
    # "If the service account lacks a role, Pub/Sub does not forward" (Handle message failures), and tells nobody.
    messages = inbox.wait(9)
    assert [m.delivery_attempt for m in messages[:9]] == list(range(1, 10))
    assert bench.emulator.stats(letters.dead)["backlog"] == 0
    assert bench.emulator.stats(letters.name)["backlog"] == 1
    assert not stream.done()

    for grant in {"publisher", "subscriber"} - set(grants):
        getattr(letters, f"grant_{grant}")()
    bench.emulator.backlog_is(letters.dead, 1)
    bench.emulator.backlog_is(letters.name, 0)
    [dead] = bench.pull(letters.dead, 1)
    assert dead.message.data == b"poison" and dead.message.message_id != original
    attributes = dict(dead.message.attributes)
    assert attributes["tenant_id"] == "tenant-1" and attributes["other"] == "kept"
    assert attributes[f"{PREFIX}Subscription"] == "sub"
    assert attributes[f"{PREFIX}SubscriptionProject"] == bench.project
    assert int(attributes[f"{PREFIX}DeliveryCount"]) == len(inbox.messages)
    assert attributes[f"{PREFIX}TopicPublishTime"].startswith("20")
    assert len(attributes) == 6


def test_a_dead_letter_arrives_after_exactly_its_attempts(bench):
    letters = Letters(bench)
    letters.grant_publisher()
    letters.grant_subscriber()
    assert bench.emulator.stats(letters.name)["forwardsDeadLetters"]
    bench.publish(letters.topic, "good", "poison", "good too", tenant_id="tenant-1")
    inbox = Inbox(lambda message, _times: message.nack() if message.data == b"poison" else message.ack())
    bench.stream(letters.name, inbox)
    bench.emulator.backlog_is(letters.dead, 1)
    bench.emulator.backlog_is(letters.name, 0)
    attempts = [m.delivery_attempt for m in inbox.messages if m.data == b"poison"]
    assert attempts == [1, 2, 3, 4, 5]
    assert sorted(body for body in inbox.bodies() if body != "poison") == ["good", "good too"]
    [dead] = bench.pull(letters.dead, 1)
    assert dead.message.attributes[f"{PREFIX}DeliveryCount"] == "5"
    assert bench.emulator.stats(letters.name)["totals"]["deadLettered"] == 1
    bench.ack(letters.dead, [dead])
    bench.emulator.backlog_is(letters.dead, 0)


def test_a_policy_that_is_taken_away_stops_the_counting(bench):
    letters = Letters(bench)
    letters.grant_publisher()
    letters.grant_subscriber()
    bench.subscriber.update_subscription(
        subscription={"name": letters.name}, update_mask={"paths": ["dead_letter_policy"]}
    )
    bench.publish(letters.topic, "poison", tenant_id="tenant-1")
    inbox = Inbox(refuse)
    bench.stream(letters.name, inbox)
    messages = inbox.wait(8)
    assert all(m.delivery_attempt is None for m in messages)
    assert bench.emulator.stats(letters.dead)["backlog"] == 0


def test_a_dead_letter_keeps_its_ordering_key(bench):
    letters = Letters(bench, enable_message_ordering=True)
    letters.grant_publisher()
    letters.grant_subscriber()
    for body in ["poison", "good"]:
        bench.publisher.publish(
            letters.topic, body.encode(), ordering_key="k", tenant_id="tenant-1"
        ).result(15)
    inbox = Inbox(lambda message, _times: message.nack() if message.data == b"poison" else message.ack())
    bench.stream(letters.name, inbox)
    bench.emulator.backlog_is(letters.dead, 1)
    eventually("the message behind it", lambda: bench.emulator.stats(letters.name)["backlog"] == 0)
    [dead] = bench.pull(letters.dead, 1)
    assert (dead.message.data, dead.message.ordering_key) == (b"poison", "k")
    assert inbox.bodies()[-1] == "good"
