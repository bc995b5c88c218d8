"""What the tests share: official clients, fresh names, and a look behind the emulator's counter."""

import itertools
import json
import os
import threading
import time
import urllib.request
import uuid

import pytest
from google.cloud import pubsub_v1

PATIENCE = 15  # seconds that a condition may take to come true


def eventually(what, condition, patience=PATIENCE):
    """Waits for a condition and returns its value; fails after a while."""
    deadline = time.monotonic() + patience
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {patience} s for {what}"
        time.sleep(0.02)


class Emulator:
    """The emulator's own API, which the service does not have (see e2e/emulator/README.md)."""

    def __init__(self, host):
        self.host = host

    def call(self, verb, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://{self.host}{path}", data=data, method=verb)
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.loads(response.read() or b"{}")

    def stats(self, subscription):
        listed = self.call("GET", "/emulator/v1/subscriptions")["subscriptions"]
        return next(stats for stats in listed if stats["name"] == subscription)

    def backlog_is(self, subscription, expected):
        eventually(
            f"a backlog of {expected} in {subscription}",
            lambda: self.stats(subscription)["backlog"] == expected,
        )


class Bench:
    """One test's topics and subscriptions, in a project of its own."""

    def __init__(self, emulator, publisher, subscriber):
        self.emulator, self.publisher, self.subscriber = emulator, publisher, subscriber
        self.project = f"clients-python-{uuid.uuid4().hex[:12]}"
        self.numbers = itertools.count(1)
        self.streams = []

    def name(self, collection, id_=None):
        return f"projects/{self.project}/{collection}/{id_ or f'n-{next(self.numbers)}'}"

    def topic(self, id_=None, **fields):
        return self.publisher.create_topic(request={"name": self.name("topics", id_), **fields}).name

    def subscription(self, topic, id_=None, **fields):
        request = {"name": self.name("subscriptions", id_), "topic": topic, **fields}
        return self.subscriber.create_subscription(request=request).name

    def publish(self, topic, *bodies, **attributes):
        futures = [self.publisher.publish(topic, body.encode(), **attributes) for body in bodies]
        return [future.result(PATIENCE) for future in futures]

    def pull(self, subscription, count):
        """Pulls that many messages, over as many calls as it takes."""
        messages = []
        deadline = time.monotonic() + PATIENCE
        while len(messages) < count:
            assert time.monotonic() < deadline, f"got {len(messages)} of {count} messages"
            request = {"subscription": subscription, "max_messages": count - len(messages)}
            messages += self.subscriber.pull(request=request, timeout=PATIENCE).received_messages
        return messages

    def ack(self, subscription, messages):
        request = {"subscription": subscription, "ack_ids": [m.ack_id for m in messages]}
        self.subscriber.acknowledge(request=request)

    def stream(self, subscription, callback, max_messages=100, **flow):
        """A streaming pull, which ends with the test."""
        control = pubsub_v1.types.FlowControl(max_messages=max_messages, **flow)
        future = self.subscriber.subscribe(
            subscription, callback, flow_control=control, await_callbacks_on_shutdown=True
        )
        self.streams.append(future)
        return future

    def stop(self):
        for future in self.streams:
            future.cancel()
        for future in self.streams:
            try:
                future.result(PATIENCE)
            except Exception:  # noqa: BLE001  what ended a stream is for the test to ask
                pass


class Inbox:
    """Collects what a streaming pull brings. `decide(message, times_seen)` acks or nacks."""

    def __init__(self, decide=lambda message, times: message.ack()):
        self.decide = decide
        self.lock = threading.Lock()
        self.messages = []
        self.times = {}

    def __call__(self, message):
        with self.lock:
            self.messages.append(message)
            times = self.times[message.message_id] = self.times.get(message.message_id, 0) + 1
        self.decide(message, times)

    def bodies(self):
        with self.lock:
            return [message.data.decode() for message in self.messages]

    def wait(self, count):
        eventually(f"{count} messages", lambda: len(self.messages) >= count)
        return list(self.messages)


@pytest.fixture(scope="session")
def emulator():
    return Emulator(os.environ["PUBSUB_EMULATOR_HOST"])


@pytest.fixture(scope="session")
def publisher():
    options = pubsub_v1.types.PublisherOptions(enable_message_ordering=True)
    with pubsub_v1.PublisherClient(publisher_options=options) as client:
        yield client


@pytest.fixture(scope="session")
def subscriber():
    with pubsub_v1.SubscriberClient() as client:
        yield client


@pytest.fixture
def bench(emulator, publisher, subscriber):
    bench = Bench(emulator, publisher, subscriber)
    yield bench
    bench.stop()
