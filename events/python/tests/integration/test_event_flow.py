"""From the factory to the worker that handled the event: the emulator and the worker are the real programs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from decimal import Decimal

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from samples import of_each_type
from support.emulator import Emulator
from support.plane import Plane
from support.worker import Worker

from livingtwin_events import EventFactory, EventType
from livingtwin_events.pubsub import MAX_MESSAGE_BYTES, EventTooLargeError, PubSubBusAdapter

TENANTS = ("tenant-123", "tenant-456")


class Story:
    """Two tenants in one project, each with its worker."""

    def __init__(self, emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> None:
        self.plane = Plane(emulator)
        logs = tmp_path_factory.mktemp("workers")
        self.workers = [Worker(self.plane, tenant, self.plane.tenant(tenant), logs / tenant) for tenant in TENANTS]


@pytest.fixture(scope="module")
def story(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    started = Story(emulator, tmp_path_factory)
    yield started
    for worker in started.workers:
        worker.stop()


@pytest.fixture
def bus(story: Story, monkeypatch: pytest.MonkeyPatch) -> PubSubBusAdapter:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", story.plane.emulator.host)
    return PubSubBusAdapter(project_id=story.plane.project, timeout=20)


async def test_the_worker_handles_an_event_of_each_type(story: Story, bus: PubSubBusAdapter) -> None:
    events = of_each_type("tenant-123")
    assert {event.event_type for event in events} == set(EventType)
    async with bus:
        message_ids = await asyncio.gather(*map(bus.publish_domain_event, events))
    lines = story.workers[0].handled(event.event_id for event in events)
    told = {line["event_id"]: line for line in lines}
    for event, message_id in zip(events, message_ids, strict=True):
        line = told[event.event_id]
        topic = story.plane.catalogue.topic_id(str(story.plane.catalogue.key_of(event.event_type)))
        assert line["subscription"].endswith(f"/subscriptions/{topic}-tenant-123-worker")
        assert line["message_id"] == message_id
        assert line["event_type"] == event.event_type
        assert line["idempotency_key"] == event.idempotency_key
        assert line["correlation_id"] == event.correlation_id
        assert line["version"] == "1.0"


async def test_another_tenants_event_is_seen_by_that_tenants_worker_alone(story: Story, bus: PubSubBusAdapter) -> None:
    own, other = (EventFactory.create_document_deleted(tenant_id=tenant, document_id="doc-1") for tenant in TENANTS)
    async with bus:
        await bus.publish_domain_event(other)
        await bus.publish_domain_event(own)
    story.workers[0].handled([own.event_id])
    story.workers[1].handled([other.event_id])
    assert other.event_id not in story.workers[0].seen()
    assert own.event_id not in story.workers[1].seen()
    assert {line["tenant"] for line in story.workers[1].audit()} == {"tenant-456"}


async def test_an_event_that_is_published_twice_is_handled_once(story: Story, bus: PubSubBusAdapter) -> None:
    event = EventFactory.create_user_login(tenant_id="tenant-123", user_id="user-789")
    async with bus:
        first = await bus.publish_domain_event(event)
        story.workers[0].handled([event.event_id])
        assert await bus.publish_domain_event(event) != first
        last = EventFactory.create_user_login(tenant_id="tenant-123", user_id="user-789")
        await bus.publish_domain_event(last)
    story.workers[0].handled([last.event_id])
    outcomes = [line["outcome"] for line in story.workers[0].audit() if line["event_id"] == event.event_id]
    assert sorted(outcomes) in (["duplicate", "success"], ["success"])
    assert outcomes.count("success") == 1


async def test_an_event_of_a_type_of_ones_own_goes_to_the_topic_that_is_named(story: Story, bus: PubSubBusAdapter) -> None:
    event = EventFactory.create(
        tenant_id="tenant-123",
        event_type="invoice.paid",
        data={"version": "2.0", "total": Decimal("123456789012345678901234567890.10"), "lines": [1, None, "a"]},
    )
    async with bus:
        await bus.publish_domain_event(event, topic="events")
    [line] = story.workers[0].handled([event.event_id])
    assert (line["event_type"], line["version"]) == ("invoice.paid", "2.0")


async def test_the_largest_message_is_handled_and_a_larger_one_is_never_sent(story: Story, bus: PubSubBusAdapter) -> None:
    def of_size(size: int) -> bytes:
        return EventFactory.create_query_executed(
            tenant_id="tenant-123", query_id="q-1", query_text="x" * size, event_id="evt-large"
        ).encode()

    # What the message has beside the text: the envelope, attributes, and framing.
    beside = len(of_size(0)) + 600
    large, larger = (
        EventFactory.create_query_executed(tenant_id="tenant-123", query_id="q-1", query_text="x" * size)
        for size in (MAX_MESSAGE_BYTES - beside, MAX_MESSAGE_BYTES - beside + 600)
    )
    async with bus:
        await bus.publish_domain_event(large)
        calls = story.plane.emulator.published()
        with pytest.raises(EventTooLargeError, match="takes 10000000") as refused:
            await bus.publish_domain_event(larger)
        assert not refused.value.retryable
        assert refused.value.event_id == larger.event_id
        # The adapter works on.
        await bus.publish_domain_event(EventFactory.create_query_executed(tenant_id="tenant-123", query_id="q-2"))
    assert story.plane.emulator.published() == calls + 1
    story.workers[0].handled([large.event_id])


async def test_the_workers_spans_join_the_publishers_trace(story: Story, bus: PubSubBusAdapter) -> None:
    tracer = TracerProvider().get_tracer(__name__)
    current, given = (EventFactory.create_document_deleted(tenant_id="tenant-123", document_id="doc-1") for _ in range(2))
    async with bus:
        with tracer.start_as_current_span("request") as span:
            await bus.publish_domain_event(current)
        await bus.publish_domain_event(given, traceparent=f"00-{'a' * 32}-{'b' * 16}-01")
    traces = {line["event_id"]: line["trace_id"] for line in story.workers[0].handled([current.event_id, given.event_id])}
    assert traces[current.event_id] == trace.format_trace_id(span.get_span_context().trace_id)
    assert traces[given.event_id] == "a" * 32


async def test_what_the_worker_gets_is_what_was_made(plane: Plane) -> None:
    [subscription, *_] = (name for name in plane.tenant("tenant-123") if "-document-events-" in name)
    event = of_each_type("tenant-123")[0]
    async with PubSubBusAdapter(project_id=plane.project) as bus:
        await bus.publish_domain_event(event)
    [message] = plane.pull(subscription, 1)
    assert message.data == event.encode()
    assert message.attributes == event.attributes()
    assert json.loads(message.data)["data"]["size_bytes"] == 2**63 + 1
