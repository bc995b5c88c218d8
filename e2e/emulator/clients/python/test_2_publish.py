"""Publish: what was accepted arrives as it was, once in each matching subscription; the rest is refused."""

import datetime

import pytest
from google.api_core import exceptions
from google.pubsub_v1 import PublisherClient


def test_publish_brings_data_attributes_id_and_time(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    data = bytes(range(256))
    before = datetime.datetime.now(datetime.timezone.utc)
    attributes = {"tenant_id": "tenant-1", "umlaut": "äöü", "empty": ""}
    message_id = bench.publisher.publish(topic, data, **attributes).result(10)
    [received] = bench.pull(name, 1)
    message = received.message
    assert message.data == data and dict(message.attributes) == attributes
    assert message.message_id == message_id and not message.ordering_key
    assert received.delivery_attempt == 0, "not counted without a dead-letter policy"
    age = (message.publish_time - before).total_seconds()
    assert -1 < age < 10
    bench.ack(name, [received])
    bench.emulator.backlog_is(name, 0)


def test_publish_in_batches_loses_and_doubles_nothing(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    bodies = [f"message {i}" for i in range(1_500)]
    ids = bench.publish(topic, *bodies)
    assert len(set(ids)) == 1_500
    assert bench.emulator.stats(name)["backlog"] == 1_500
    received = bench.pull(name, 1_500)
    assert {m.message.message_id: m.message.data.decode() for m in received} == dict(zip(ids, bodies))


def test_publish_reaches_those_whose_filter_matches(bench):
    topic = bench.topic()
    filters = {
        "all": "",
        "equal": 'attributes.tenant_id = "a"',
        "unequal": 'attributes.tenant_id != "a"',
        "has": "attributes:urgent",
        "prefix": 'hasPrefix(attributes.type, "document.")',
        "mixed": '(attributes.tenant_id = "a" OR attributes.tenant_id = "b") AND NOT attributes:urgent',
    }
    names = {key: bench.subscription(topic, filter=filter_) for key, filter_ in filters.items()}
    bench.publish(topic, "1", tenant_id="a", type="document.ingested")
    bench.publish(topic, "2", tenant_id="b", type="user.login", urgent="")
    bench.publish(topic, "3")
    expected = {"all": "123", "equal": "1", "unequal": "23", "has": "2", "prefix": "1", "mixed": "1"}
    for key, name in names.items():
        got = bench.pull(name, len(expected[key]))
        assert sorted(m.message.data.decode() for m in got) == list(expected[key]), key
        assert bench.emulator.stats(name)["backlog"] == len(expected[key]), key


def test_publish_refuses_what_is_wrong(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    call = PublisherClient.publish  # the call itself: the client's own publish() batches and checks

    def refused(messages, topic=topic, error=exceptions.InvalidArgument):
        with pytest.raises(error):
            call(bench.publisher, topic=topic, messages=messages)

    # Quotas page, "Resource limits".
    refused([])
    refused([{}])
    refused([{"data": b"x", "attributes": {f"k{i}": "v" for i in range(101)}}])
    refused([{"data": b"x", "attributes": {"k" * 257: "v"}}])
    refused([{"data": b"x", "attributes": {"k": "v" * 1_025}}])
    refused([{"data": b"x", "attributes": {"google": "v"}}])
    refused([{"data": b"x", "ordering_key": "k" * 1_025}])
    refused([{"data": b"x"}] * 1_001)
    refused([{"data": b"x" * 10_000_001}])
    refused([{"data": b"ok"}, {}])
    refused([{"data": b"x"}], bench.name("topics", "missing"), exceptions.NotFound)
    assert bench.emulator.stats(name)["backlog"] == 0, "one wrong message refuses its whole request"
    largest = {"data": b"x" * 9_999_000, "attributes": {"k" * 256: "v" * 512}}
    call(bench.publisher, topic=topic, messages=[largest])
    assert bench.emulator.stats(name)["backlog"] == 1
