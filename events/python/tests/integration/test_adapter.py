"""The adapter against the emulator, when things go wrong."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from google.cloud import pubsub_v1
from support.emulator import Emulator
from support.plane import Plane

from livingtwin_events import DomainEvent, EventFactory
from livingtwin_events.pubsub import (
    AdapterClosedError,
    BatchSettings,
    ConnectionSetupError,
    FlowControlError,
    NoTopicError,
    OrderingKeyError,
    PublishFlowControl,
    PublishTimeoutError,
    PubSubBusAdapter,
    RejectedError,
    UnavailableError,
)

SUBSCRIPTION = "living-twin-document-events-tenant-123-worker"


def event(document_id: str = "doc-1") -> DomainEvent:
    return EventFactory.create_document_deleted(tenant_id="tenant-123", document_id=document_id)


@pytest.fixture
def bus(plane: Plane) -> PubSubBusAdapter:
    plane.tenant("tenant-123", ordered=True)
    return PubSubBusAdapter(project_id=plane.project, timeout=20)


@pytest.fixture
def no_faults_left(emulator: Emulator) -> Iterator[None]:
    yield
    emulator.call("DELETE", "/emulator/v1/faults")


def documents(plane: Plane, count: int) -> list[str]:
    return [str(DomainEvent.decode(message.data).data["document_id"]) for message in plane.pull(SUBSCRIPTION, count)]


@pytest.mark.usefixtures("no_faults_left")
async def test_a_failed_ordering_key_goes_on_with_the_next_event(plane: Plane, bus: PubSubBusAdapter) -> None:
    async with bus:
        await bus.publish_domain_event(event("first"), ordering_key="doc-1")
        plane.emulator.fault(method="Publisher.Publish", resource=plane.project, code="PERMISSION_DENIED", count=1)
        failed = event("second")
        with pytest.raises(RejectedError, match="no right to publish") as refused:
            await bus.publish_domain_event(failed, ordering_key="doc-1")
        assert not refused.value.retryable
        for each in (failed, event("third")):
            await bus.publish_domain_event(each, ordering_key="doc-1")
    assert documents(plane, 3) == ["first", "second", "third"]


@pytest.mark.usefixtures("no_faults_left")
async def test_events_behind_a_failed_one_of_their_key_are_not_sent_before_it(plane: Plane, bus: PubSubBusAdapter) -> None:
    # One message a request, so that the rest of the key waits behind the first.
    bus = PubSubBusAdapter(project_id=plane.project, timeout=20, batch_settings=BatchSettings(max_messages=1))
    plane.emulator.fault(method="Publisher.Publish", resource=plane.project, code="INVALID_ARGUMENT", count=1)
    events = [event(name) for name in ("first", "second", "third")]
    async with bus:
        answers = await asyncio.gather(
            *(bus.publish_domain_event(each, ordering_key="doc-1") for each in events), return_exceptions=True
        )
        assert [type(answer) for answer in answers] == [RejectedError, OrderingKeyError, OrderingKeyError]
        assert [getattr(answer, "retryable", None) for answer in answers] == [False, True, True]
        for each in events:
            await bus.publish_domain_event(each, ordering_key="doc-1")
    assert documents(plane, 3) == ["first", "second", "third"]
    assert plane.backlog(SUBSCRIPTION) == 0


async def test_events_of_a_key_that_are_published_at_once_keep_their_order(plane: Plane, bus: PubSubBusAdapter) -> None:
    names = [f"doc-{number:03}" for number in range(120)]
    async with bus:
        await asyncio.gather(*(bus.publish_domain_event(event(name), ordering_key="k") for name in names))
    assert documents(plane, len(names)) == names


@pytest.mark.parametrize("ordering_key", [None, "doc-1"])
@pytest.mark.usefixtures("no_faults_left")
async def test_a_passing_failure_is_tried_again(plane: Plane, bus: PubSubBusAdapter, ordering_key: str | None) -> None:
    plane.emulator.fault(method="Publisher.Publish", resource=plane.project, code="UNAVAILABLE", count=2)
    async with bus:
        await bus.publish_domain_event(event("patient"), ordering_key=ordering_key)
    assert documents(plane, 1) == ["patient"]


@pytest.mark.parametrize("ordering_key", [None, "doc-1"])
async def test_a_broker_that_is_away_is_said_in_time_and_taken_up_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ordering_key: str | None
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
    bus = PubSubBusAdapter(project_id="away-project", timeout=1.5)
    lost = event("lost")
    with pytest.raises(UnavailableError) as away:
        await bus.publish_domain_event(lost, ordering_key=ordering_key)
    assert away.value.retryable
    assert away.value.topic == "projects/away-project/topics/living-twin-document-events"

    back = Emulator(tmp_path / "log", port)
    try:
        plane = Plane(back, "away-project")
        plane.tenant("tenant-123")

        async def retried() -> None:
            while True:
                try:
                    await bus.publish_domain_event(lost, ordering_key=ordering_key)
                except UnavailableError:
                    continue
                return

        await asyncio.wait_for(retried(), 30)
        assert DomainEvent.decode(plane.pull(SUBSCRIPTION, 1)[0].data) == lost
        await bus.close()
    finally:
        back.stop()


@pytest.mark.usefixtures("no_faults_left")
async def test_no_answer_in_time_is_said_to_be_no_answer(plane: Plane) -> None:
    plane.tenant("tenant-123", ordered=True)
    plane.emulator.fault(method="Publisher.Publish", resource=plane.project, delayMs=3_000, count=1)
    bus = PubSubBusAdapter(project_id=plane.project, timeout=0.5)
    with pytest.raises(PublishTimeoutError, match="may or may not be published") as late:
        await bus.publish_domain_event(event("late"), ordering_key="doc-1")
    assert late.value.retryable
    with pytest.raises(PublishTimeoutError, match="did not answer all"):
        await bus.flush()
    # It was under way, and arrives.
    assert documents(plane, 1) == ["late"]
    await bus.close()


@pytest.mark.usefixtures("no_faults_left")
async def test_the_event_loop_runs_on_while_flow_control_blocks(plane: Plane) -> None:
    plane.tenant("tenant-123")
    plane.emulator.fault(method="Publisher.Publish", resource=plane.project, delayMs=100, count=10)
    block = PublishFlowControl(message_limit=1, limit_exceeded_behavior=pubsub_v1.types.LimitExceededBehavior.BLOCK)
    async with PubSubBusAdapter(project_id=plane.project, timeout=20, flow_control=block) as bus:
        publishing = asyncio.gather(*(bus.publish_domain_event(event(f"doc-{n}")) for n in range(10)))
        ticks = 0
        while not publishing.done():
            await asyncio.sleep(0.005)
            ticks += 1
        assert len(await publishing) == 10
    # Ten requests of a tenth of a second, one after the other; a loop that is blocked would tick once or so for each.
    assert ticks > 50
    assert sorted(documents(plane, 10)) == [f"doc-{n}" for n in range(10)]


async def test_the_client_is_called_on_a_thread_of_its_own(
    plane: Plane, bus: PubSubBusAdapter, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []
    for method in ("__init__", "publish", "stop"):
        original = getattr(pubsub_v1.PublisherClient, method)

        def recorded(*args: object, _original: object = original, **kwargs: object) -> object:
            threads.append(threading.current_thread())
            return _original(*args, **kwargs)  # type: ignore[operator]

        monkeypatch.setattr(pubsub_v1.PublisherClient, method, recorded)
    async with bus:
        await bus.publish_domain_event(event())
        await bus.publish_domain_event(event(), ordering_key="k")
    assert len(threads) >= 6
    assert threading.main_thread() not in threads


@pytest.mark.usefixtures("no_faults_left")
async def test_flow_control_that_refuses_is_a_typed_error(plane: Plane) -> None:
    plane.emulator.fault(method="Publisher.Publish", resource=plane.project, delayMs=300, count=1)
    refuse = PublishFlowControl(message_limit=1, limit_exceeded_behavior=pubsub_v1.types.LimitExceededBehavior.ERROR)
    async with PubSubBusAdapter(project_id=plane.project, timeout=20, flow_control=refuse) as bus:
        answers = await asyncio.gather(*(bus.publish_domain_event(event()) for _ in range(2)), return_exceptions=True)
    assert isinstance(answers[0], str)
    assert isinstance(answers[1], FlowControlError)
    assert answers[1].retryable


async def test_batches_are_as_they_were_asked_for(plane: Plane) -> None:
    before = plane.emulator.published()
    settings = BatchSettings(max_messages=1_000, max_latency=0.5)
    async with PubSubBusAdapter(project_id=plane.project, timeout=20, batch_settings=settings) as bus:
        await asyncio.gather(*(bus.publish_domain_event(event()) for _ in range(300)))
    assert plane.emulator.published() == before + 1


@pytest.mark.parametrize("ordering_key", [None, "doc-1"])
async def test_close_publishes_what_waits_for_its_batch(plane: Plane, ordering_key: str | None) -> None:
    plane.tenant("tenant-123")
    bus = PubSubBusAdapter(project_id=plane.project, timeout=20, batch_settings=BatchSettings(max_latency=1))
    waiting = asyncio.ensure_future(bus.publish_domain_event(event("waits"), ordering_key=ordering_key))
    await asyncio.sleep(0)
    await bus.close()
    assert await waiting
    assert documents(plane, 1) == ["waits"]
    await bus.close()
    with pytest.raises(AdapterClosedError):
        await bus.publish_domain_event(event())


async def test_flush_waits_for_what_was_published_before(plane: Plane, bus: PubSubBusAdapter) -> None:
    async with bus:
        publishing = [asyncio.ensure_future(bus.publish_domain_event(event())) for _ in range(50)]
        await asyncio.sleep(0)
        await bus.flush()
        assert plane.backlog(SUBSCRIPTION) == 50
        await asyncio.gather(*publishing)


async def test_an_adapter_serves_several_event_loops(plane: Plane, bus: PubSubBusAdapter) -> None:
    await bus.publish_domain_event(event("one"))
    await asyncio.to_thread(asyncio.run, bus.publish_domain_event(event("two")))
    await bus.close()
    assert sorted(documents(plane, 2)) == ["one", "two"]


async def test_a_cancelled_publish_leaves_the_adapter_working(plane: Plane, bus: PubSubBusAdapter) -> None:
    async with bus:
        publishing = asyncio.ensure_future(bus.publish_domain_event(event("cancelled")))
        await asyncio.sleep(0)
        publishing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await publishing
        await bus.publish_domain_event(event("next"))
    assert "next" in documents(plane, plane.backlog(SUBSCRIPTION))


async def test_a_topic_that_is_not_there_is_named(plane: Plane) -> None:
    async with PubSubBusAdapter(project_id=plane.project, topic_prefix="other") as bus:
        with pytest.raises(RejectedError, match=f"projects/{plane.project}/topics/other-document-events does not exist"):
            await bus.publish_domain_event(event())
        with pytest.raises(NoTopicError, match="no topic for 'invoice"):
            await bus.publish_domain_event(EventFactory.create(tenant_id="tenant-123", event_type="invoice.paid"))
        with pytest.raises(NoTopicError, match="no topic 'invoices': name one of events, document-events"):
            await bus.publish_domain_event(event(), topic="invoices")


async def test_the_settings_of_the_environment_count(plane: Plane, monkeypatch: pytest.MonkeyPatch) -> None:
    plane.tenant("tenant-123")
    monkeypatch.setenv("GCP_PROJECT_ID", plane.project)
    async with PubSubBusAdapter() as bus:
        await bus.publish_domain_event(event("by environment"))
    assert documents(plane, 1) == ["by environment"]


async def test_missing_credentials_are_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    async with PubSubBusAdapter(project_id="your-project", timeout=20) as bus:
        with pytest.raises(ConnectionSetupError, match="no credentials for Pub/Sub") as none:
            await bus.publish_domain_event(event())
    assert not none.value.retryable
