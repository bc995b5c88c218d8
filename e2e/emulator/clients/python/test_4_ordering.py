"""Ordering keys: in order, and again in order from the one that failed."""

import threading

from conftest import Inbox


def publish_keyed(bench, topic, pairs):
    futures = [bench.publisher.publish(topic, body.encode(), ordering_key=key) for key, body in pairs]
    return [future.result(15) for future in futures]


def by_key(messages):
    keys = {}
    for message in messages:
        keys.setdefault(message.ordering_key, []).append(message.data.decode())
    return keys


def test_messages_of_a_key_come_in_the_order_they_were_published(bench):
    topic = bench.topic()
    name = bench.subscription(topic, enable_message_ordering=True)
    pairs = [(f"key-{i % 5}", f"{i:03}") for i in range(250)]
    publish_keyed(bench, topic, pairs)
    inbox = Inbox()
    bench.stream(name, inbox, max_messages=20)
    messages = inbox.wait(250)
    expected = {f"key-{k}": [body for key, body in pairs if key == f"key-{k}"] for k in range(5)}
    assert by_key(messages) == expected
    bench.emulator.backlog_is(name, 0)


def test_one_message_of_a_key_at_a_time_is_in_a_callback(bench):
    topic = bench.topic()
    name = bench.subscription(topic, enable_message_ordering=True)
    publish_keyed(bench, topic, [("k", f"{i}") for i in range(20)])
    lock, most = threading.Lock(), []

    def handle(message, _times):
        most.append(lock.acquire(blocking=False))
        if most[-1]:
            lock.release()
        message.ack()

    inbox = Inbox(handle)
    bench.stream(name, inbox)
    inbox.wait(20)
    bench.emulator.backlog_is(name, 0)
    assert all(most) and inbox.bodies() == [f"{i}" for i in range(20)]


def test_a_nack_brings_its_message_and_all_later_ones_of_the_key_again_in_order(bench):
    topic = bench.topic()
    name = bench.subscription(topic, enable_message_ordering=True)
    pairs = [("a", "1"), ("a", "2"), ("b", "1"), ("a", "3"), ("b", "2"), ("a", "4")]
    publish_keyed(bench, topic, pairs)
    # "Subscribers receive … all messages with the same ordering key again, from the nacked one on" (Order messages).
    inbox = Inbox(
        lambda message, times: message.nack()
        if (message.ordering_key, message.data, times) == ("a", b"2", 1)
        else message.ack()
    )
    bench.stream(name, inbox)
    bench.emulator.backlog_is(name, 0)
    keys = by_key(inbox.messages)
    assert keys["b"] == ["1", "2"], "another key is not touched"
    got = keys["a"]
    assert got[:2] == ["1", "2"] and got[-3:] == ["2", "3", "4"], got
    # What is between are deliveries that were under way when the nack came: in order too.
    assert got[1:-3] == sorted(got[1:-3]), got


def test_a_key_waits_for_the_backoff_of_its_failed_message(bench):
    topic = bench.topic()
    name = bench.subscription(topic, enable_message_ordering=True)
    publish_keyed(bench, topic, [("k", "1"), ("k", "2"), ("k", "3")])
    [first, *rest] = bench.pull(name, 1)
    assert first.message.data == b"1" and not rest
    bench.subscriber.modify_ack_deadline(
        request={"subscription": name, "ack_ids": [first.ack_id], "ack_deadline_seconds": 0}
    )
    again = bench.pull(name, 3)
    assert [m.message.data for m in again] == [b"1", b"2", b"3"]
    bench.ack(name, again)
    bench.emulator.backlog_is(name, 0)


def test_without_ordering_a_nack_touches_no_other_message(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    publish_keyed(bench, topic, [("k", "1"), ("k", "2"), ("k", "3")])
    inbox = Inbox(
        lambda message, times: message.nack() if (message.data, times) == (b"1", 1) else message.ack()
    )
    bench.stream(name, inbox)
    bench.emulator.backlog_is(name, 0)
    assert sorted(inbox.bodies()) == ["1", "1", "2", "3"]
    assert all(m.ordering_key == "k" for m in inbox.messages)
