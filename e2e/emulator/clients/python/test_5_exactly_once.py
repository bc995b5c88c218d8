"""Exactly-once delivery: acks are confirmed, and an ack id that is over is refused, not swallowed."""

import pytest
from google.api_core import exceptions
from google.cloud.pubsub_v1.subscriber.exceptions import AcknowledgeError, AcknowledgeStatus

from conftest import PATIENCE, Inbox


def test_an_ack_is_confirmed(bench):
    topic = bench.topic()
    name = bench.subscription(topic, enable_exactly_once_delivery=True)
    ids = bench.publish(topic, *(f"{i}" for i in range(20)))
    futures = []
    inbox = Inbox(lambda message, _times: futures.append(message.ack_with_response()))
    bench.stream(name, inbox)
    inbox.wait(20)
    bench.emulator.backlog_is(name, 0)
    assert [future.result(PATIENCE) for future in futures] == [AcknowledgeStatus.SUCCESS] * 20
    assert sorted(m.message_id for m in inbox.messages) == sorted(ids), "each came once"


def test_a_nack_is_confirmed_and_brings_the_message_again(bench):
    topic = bench.topic()
    name = bench.subscription(topic, enable_exactly_once_delivery=True)
    bench.publish(topic, "again")
    futures = []
    inbox = Inbox(
        lambda message, times: futures.append(
            message.nack_with_response() if times == 1 else message.ack_with_response()
        )
    )
    bench.stream(name, inbox)
    bench.emulator.backlog_is(name, 0)
    assert [future.result(PATIENCE) for future in futures] == [AcknowledgeStatus.SUCCESS] * 2
    assert len({m.ack_id for m in inbox.messages}) == 2


def test_an_ack_id_whose_lease_was_taken_back_is_refused(bench):
    topic = bench.topic()
    name = bench.subscription(topic, enable_exactly_once_delivery=True)
    bench.publish(topic, "once")
    futures = []

    def decide(message, times):
        if times == 1:
            request = {"subscription": name, "ack_ids": [message.ack_id], "ack_deadline_seconds": 0}
            bench.subscriber.modify_ack_deadline(request=request)
        else:
            # In one request with the refused id, the client would call this one's ack failed too, though it was not.
            futures[0].exception(PATIENCE)
        futures.append(message.ack_with_response())

    inbox = Inbox(decide)
    bench.stream(name, inbox)
    inbox.wait(2)
    bench.emulator.backlog_is(name, 0)
    with pytest.raises(AcknowledgeError) as info:
        futures[0].result(PATIENCE)
    assert info.value.error_code == AcknowledgeStatus.INVALID_ACK_ID
    assert futures[1].result(PATIENCE) == AcknowledgeStatus.SUCCESS
    totals = bench.emulator.stats(name)["totals"]
    assert (totals["acked"], totals["delivered"]) == (1, 2), "the refused ack did not count"


def test_an_expired_ack_id_is_refused_and_named(bench):
    topic = bench.topic()
    name = bench.subscription(topic, enable_exactly_once_delivery=True, ack_deadline_seconds=10)
    bench.publish(topic, "expires")
    [first] = bench.pull(name, 1)
    [second] = bench.pull(name, 1)
    assert second.message.message_id == first.message.message_id
    with pytest.raises(exceptions.GoogleAPICallError) as info:
        bench.ack(name, [first])
    # "Exactly-once delivery": the failed ids are in the metadata of an ErrorInfo.
    assert info.value.reason == "EXACTLY_ONCE_ACKID_FAILURE"
    assert info.value.metadata == {first.ack_id: "PERMANENT_FAILURE_INVALID_ACK_ID"}
    with pytest.raises(exceptions.GoogleAPICallError) as info:
        request = {"subscription": name, "ack_ids": [first.ack_id], "ack_deadline_seconds": 60}
        bench.subscriber.modify_ack_deadline(request=request)
    assert first.ack_id in info.value.metadata
    bench.ack(name, [second])
    bench.emulator.backlog_is(name, 0)


def test_no_message_comes_again_while_its_lease_runs(bench):
    topic = bench.topic()
    name = bench.subscription(topic, enable_exactly_once_delivery=True)
    bench.publish(topic, "held")
    [held] = bench.pull(name, 1)
    inbox = Inbox()
    bench.stream(name, inbox)
    bench.publish(topic, "free")
    inbox.wait(1)
    assert inbox.bodies() == ["free"]
    bench.ack(name, [held])
    bench.emulator.backlog_is(name, 0)
    with pytest.raises(exceptions.GoogleAPICallError):
        bench.ack(name, [held])
    assert bench.emulator.stats(name)["totals"]["acked"] == 2


def test_it_can_be_switched_on_later(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    bench.publish(topic, "1")
    [received] = bench.pull(name, 1)
    bench.ack(name, [received])
    bench.ack(name, [received])  # at least once: an ack too many is fine
    bench.subscriber.update_subscription(
        subscription={"name": name, "enable_exactly_once_delivery": True},
        update_mask={"paths": ["enable_exactly_once_delivery"]},
    )
    with pytest.raises(exceptions.GoogleAPICallError):
        bench.ack(name, [received])
