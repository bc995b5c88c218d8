"""Streaming pull: filters, flow control, nacks with backoff, leases, several workers, missing subscriptions."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.protobuf import duration_pb2
from google.pubsub_v1.types import StreamingPullRequest

from conftest import PATIENCE, Inbox, eventually


def millis(n):
    return duration_pb2.Duration(nanos=n * 1_000_000)


def test_streaming_pull_handles_a_backlog_and_what_comes_later(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    first = bench.publish(topic, *(f"{i}" for i in range(300)))
    inbox = Inbox()
    bench.stream(name, inbox)
    inbox.wait(300)
    later = bench.publish(topic, *(f"{i}" for i in range(300, 400)))
    inbox.wait(400)
    bench.emulator.backlog_is(name, 0)
    assert {m.message_id for m in inbox.messages} == set(first + later) and len(inbox.messages) == 400
    assert bench.emulator.stats(name)["totals"]["acked"] == 400


def test_streaming_pull_holds_no_more_than_its_flow_control_allows(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    bench.publish(topic, *(f"{i}" for i in range(50)))
    gate, inbox = threading.Semaphore(0), Inbox()

    def hold(message, _times):
        gate.acquire()
        message.ack()

    inbox.decide = hold
    bench.stream(name, inbox, max_messages=4)
    try:
        inbox.wait(4)
        for handled in range(1, 20):
            assert bench.emulator.stats(name)["outstanding"] <= 4
            gate.release()
            inbox.wait(min(4 + handled, 50))
        stats = bench.emulator.stats(name)
        assert stats["outstanding"] <= 4 and stats["totals"]["delivered"] <= 4 + 19
    finally:
        gate.release(100)
    bench.emulator.backlog_is(name, 0)


def test_streaming_pull_is_bounded_in_bytes_too(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    bench.publish(topic, *("x" * 100_000 for _ in range(10)))
    gate, inbox = threading.Semaphore(0), Inbox()

    def hold(message, _times):
        gate.acquire()
        message.ack()

    inbox.decide = hold
    bench.stream(name, inbox, max_messages=1_000, max_bytes=250_000)
    try:
        inbox.wait(2)
        # The message that crosses the limit is still sent, the next one is not.
        stats = bench.emulator.stats(name)
        assert 2 <= stats["outstanding"] <= 3, stats
    finally:
        gate.release(100)
    bench.emulator.backlog_is(name, 0)


def test_a_nacked_message_comes_again_after_its_backoff(bench):
    topic = bench.topic()
    policy = {"minimum_backoff": millis(400), "maximum_backoff": millis(800)}
    name = bench.subscription(topic, retry_policy=policy)
    [message_id] = bench.publish(topic, "again")
    times = []

    def decide(message, count):
        times.append(time.monotonic())
        (message.ack if count == 3 else message.nack)()

    inbox = Inbox(decide)
    bench.stream(name, inbox)
    messages = inbox.wait(3)
    assert {m.message_id for m in messages} == {message_id}
    assert len({m.ack_id for m in messages}) == 3, "each delivery has an ack id of its own"
    gaps = [later - earlier for earlier, later in zip(times, times[1:])]
    assert all(gap >= 0.4 for gap in gaps), gaps
    bench.emulator.backlog_is(name, 0)
    assert bench.emulator.stats(name)["totals"]["nacked"] == 2


def test_without_a_retry_policy_a_nacked_message_comes_at_once(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    bench.publish(topic, "again")
    inbox = Inbox(lambda message, times: message.ack() if times == 3 else message.nack())
    start = time.monotonic()
    bench.stream(name, inbox)
    inbox.wait(3)
    assert time.monotonic() - start < 5
    bench.emulator.backlog_is(name, 0)


def test_a_message_is_extended_while_its_handler_works(bench):
    topic = bench.topic()
    name = bench.subscription(topic, ack_deadline_seconds=10)
    bench.publish(topic, "slow")
    done = threading.Event()

    def slow(message, _times):
        done.wait(13)
        message.ack()

    inbox = Inbox(slow)
    # Ten seconds are the shortest lease there is: thirteen need an extension.
    bench.stream(name, inbox, max_duration_per_lease_extension=10)
    bench.emulator.backlog_is(name, 1)
    eventually("the ack", lambda: bench.emulator.stats(name)["backlog"] == 0, 25)
    totals = bench.emulator.stats(name)["totals"]
    assert (totals["delivered"], totals["expired"], totals["acked"]) == (1, 0, 1)


def test_a_message_that_is_not_acked_comes_again_after_its_deadline(bench):
    topic = bench.topic()
    name = bench.subscription(topic, ack_deadline_seconds=10)
    bench.publish(topic, "dropped")
    [first] = bench.pull(name, 1)
    start = time.monotonic()
    [second] = bench.pull(name, 1)
    assert 8 < time.monotonic() - start < 14
    assert second.message.message_id == first.message.message_id and second.ack_id != first.ack_id
    bench.ack(name, [second])
    bench.emulator.backlog_is(name, 0)


def test_workers_share_a_subscription_and_lose_nothing(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    refuse_first = lambda message, times: message.nack() if times == 1 and message.data.endswith(b"7") else message.ack()
    inbox = Inbox(refuse_first)
    shares = [[], []]
    for share in shares:
        bench.stream(name, lambda message, share=share: (share.append(message.message_id), inbox(message)), max_messages=20)
    eventually("two streams", lambda: bench.emulator.stats(name)["pullers"] == 2)
    ids = bench.publish(topic, *(f"{i}" for i in range(600)))
    bench.emulator.backlog_is(name, 0)
    assert set(inbox.times) == set(ids)
    assert all(shares), "both got some"
    assert bench.emulator.stats(name)["totals"]["acked"] == 600


def test_a_missing_subscription_ends_the_stream(bench):
    future = bench.stream(bench.name("subscriptions", "missing"), Inbox())
    with pytest.raises(exceptions.NotFound):
        future.result(PATIENCE)


def test_a_stream_that_fails_is_opened_again(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    fault = {"method": "Subscriber.StreamingPull", "resource": name, "code": "UNAVAILABLE", "count": 2}
    bench.emulator.call("POST", "/emulator/v1/faults", fault)
    inbox = Inbox()
    bench.stream(name, inbox)
    # The client sometimes opens two streams after a failure and reads only one of them; what the other holds comes
    # again after its lease. So it is not one message that has to arrive, but one of several.
    eventually("a message", lambda: bench.publish(topic, "after") and inbox.messages)
    calls = bench.emulator.call("GET", "/emulator/v1/calls?method=Subscriber.StreamingPull")["calls"]
    codes = [call["code"] for call in calls if call["resource"] == name]
    assert codes[:3] == ["UNAVAILABLE", "UNAVAILABLE", "OK"]


@pytest.mark.parametrize(
    "later",
    [
        {"subscription": "projects/p/subscriptions/other"},
        {"max_outstanding_messages": 6},
        {"max_outstanding_bytes": 6},
        {"protocol_version": 1},
        {"ack_ids": ["malformed"]},
        {"modify_deadline_ack_ids": ["malformed"], "modify_deadline_seconds": [10, 10]},
        {"stream_ack_deadline_seconds": 601},
    ],
    ids=lambda later: next(iter(later)),
)
def test_a_stream_is_aborted_by_a_request_that_may_not_be(bench, later):
    # StreamingPullRequest: each of these fields says "the stream will be aborted with status INVALID_ARGUMENT".
    name = bench.subscription(bench.topic())
    end = threading.Event()

    def requests():
        yield StreamingPullRequest(subscription=name, stream_ack_deadline_seconds=10)
        yield StreamingPullRequest(**later)
        end.wait(PATIENCE)

    try:
        with pytest.raises(exceptions.InvalidArgument):
            list(bench.subscriber.streaming_pull(requests=requests(), timeout=5))
    finally:
        end.set()


def test_an_acknowledgement_of_nothing_is_refused(bench):
    # AcknowledgeRequest.ack_ids: "Must not be empty."
    name = bench.subscription(bench.topic())
    with pytest.raises(exceptions.InvalidArgument):
        bench.subscriber.acknowledge(request={"subscription": name, "ack_ids": []})


def test_what_is_given_back_at_a_stop_goes_to_the_next_subscriber(bench):
    """A worker that is replaced. Only a client that awaits its callbacks at its stop sends all their nacks."""
    topic = bench.topic()
    name = bench.subscription(topic)
    bench.publish(topic, *(f"{i}" for i in range(100)))
    stopping = threading.Event()
    inbox = Inbox(lambda message, _times: (stopping.wait(PATIENCE), message.nack()))
    # A thread for each message: what is only under way to the client when it stops is lost to its lease.
    scheduler = pubsub_v1.subscriber.scheduler.ThreadScheduler(ThreadPoolExecutor(100))
    control = pubsub_v1.types.FlowControl(max_messages=100)
    first = bench.subscriber.subscribe(
        name, inbox, flow_control=control, scheduler=scheduler, await_callbacks_on_shutdown=True
    )
    inbox.wait(100)
    first.cancel()
    # It closes its stream before it awaits its callbacks.
    eventually("the stream to close", lambda: bench.emulator.stats(name)["pullers"] == 0)
    stopping.set()
    first.result(PATIENCE)
    stopped = time.monotonic()
    second = Inbox()
    bench.stream(name, second)
    bench.emulator.backlog_is(name, 0)
    assert time.monotonic() - stopped < 8
    assert {m.data for m in second.messages} >= {f"{i}".encode() for i in range(100)}
    assert bench.emulator.stats(name)["totals"]["expired"] == 0
