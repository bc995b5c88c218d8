"""Seek by time and by snapshot, and snapshots themselves."""

import datetime

import pytest
from google.api_core import exceptions
from google.protobuf import duration_pb2

UTC = datetime.timezone.utc


def bodies(messages):
    return sorted(m.message.data.decode() for m in messages)


def drain(bench, name, count):
    messages = bench.pull(name, count)
    bench.ack(name, messages)
    bench.emulator.backlog_is(name, 0)
    return messages


def test_a_seek_back_in_time_brings_what_the_subscription_retained(bench):
    topic = bench.topic()
    keeps = bench.subscription(topic, retain_acked_messages=True)
    drops = bench.subscription(topic)
    bench.publish(topic, "1", "2")
    cut = max(m.message.publish_time for m in drain(bench, keeps, 2))
    drain(bench, drops, 2)
    bench.publish(topic, "3")
    drain(bench, keeps, 1)
    drain(bench, drops, 1)
    after = cut + datetime.timedelta(microseconds=1)
    for name in [keeps, drops]:
        bench.subscriber.seek(request={"subscription": name, "time": after})
    assert bench.emulator.stats(drops)["backlog"] == 0, "an acked message that is not retained is gone"
    assert bodies(bench.pull(keeps, 1)) == ["3"]
    assert bench.emulator.stats(keeps)["backlog"] == 1
    past = datetime.datetime.now(UTC) - datetime.timedelta(hours=1)
    bench.subscriber.seek(request={"subscription": keeps, "time": past})
    assert bodies(bench.pull(keeps, 3)) == ["1", "2", "3"]


def test_a_seek_to_the_future_acknowledges_everything(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    bench.publish(topic, "1", "2", "3")
    [held] = bench.pull(name, 1)
    future = datetime.datetime.now(UTC) + datetime.timedelta(minutes=1)
    bench.subscriber.seek(request={"subscription": name, "time": future})
    assert bench.emulator.stats(name)["backlog"] == 0
    bench.ack(name, [held])
    bench.publish(topic, "new")
    assert bodies(bench.pull(name, 1)) == ["new"]


def test_a_topic_that_retains_gives_a_new_subscription_its_past(bench):
    topic = bench.topic(message_retention_duration=duration_pb2.Duration(seconds=3_600))
    before = datetime.datetime.now(UTC) - datetime.timedelta(seconds=1)
    bench.publish(topic, "ours", tenant_id="a")
    bench.publish(topic, "theirs", tenant_id="b")
    name = bench.subscription(topic, filter='attributes.tenant_id = "a"')
    assert bench.emulator.stats(name)["backlog"] == 0
    bench.subscriber.seek(request={"subscription": name, "time": before})
    assert bodies(bench.pull(name, 1)) == ["ours"]
    assert bench.emulator.stats(name)["backlog"] == 1


def test_a_seek_to_a_snapshot_restores_what_was_unacknowledged_then(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    bench.publish(topic, "acked before")
    drain(bench, name, 1)
    bench.publish(topic, "unacked then")
    snapshot = bench.name("snapshots", "snap")
    made = bench.subscriber.create_snapshot(request={"name": snapshot, "subscription": name})
    life = made.expire_time - datetime.datetime.now(UTC)
    assert made.topic == topic and datetime.timedelta(days=6.9) < life < datetime.timedelta(days=7.1)
    bench.publish(topic, "published since")
    drain(bench, name, 2)
    bench.subscriber.seek(request={"subscription": name, "snapshot": snapshot})
    assert bodies(bench.pull(name, 2)) == ["published since", "unacked then"]

    # The same snapshot puts another subscription of the topic to the same place.
    other = bench.subscription(topic)
    assert bench.emulator.stats(other)["backlog"] == 0
    bench.subscriber.seek(request={"subscription": other, "snapshot": snapshot})
    assert bodies(drain(bench, other, 2)) == ["published since", "unacked then"]


def test_snapshots_are_made_read_listed_changed_and_deleted(bench):
    topic = bench.topic()
    name = bench.subscription(topic)
    snapshot = bench.name("snapshots", "snap")
    request = {"name": snapshot, "subscription": name, "labels": {"a": "1"}}
    made = bench.subscriber.create_snapshot(request=request)
    assert dict(made.labels) == {"a": "1"}
    with pytest.raises(exceptions.AlreadyExists):
        bench.subscriber.create_snapshot(request=request)
    assert bench.subscriber.get_snapshot(snapshot=snapshot) == made
    listed = bench.subscriber.list_snapshots(project=f"projects/{bench.project}")
    assert [s.name for s in listed] == [snapshot]
    assert list(bench.publisher.list_topic_snapshots(topic=topic)) == [snapshot]
    changed = bench.subscriber.update_snapshot(
        request={"snapshot": {"name": snapshot, "labels": {"b": "2"}}, "update_mask": {"paths": ["labels"]}}
    )
    assert dict(changed.labels) == {"b": "2"}
    with pytest.raises(exceptions.InvalidArgument):
        bench.subscriber.update_snapshot(
            request={"snapshot": {"name": snapshot}, "update_mask": {"paths": ["topic"]}}
        )
    bench.subscriber.delete_snapshot(snapshot=snapshot)
    for call in [
        lambda: bench.subscriber.get_snapshot(snapshot=snapshot),
        lambda: bench.subscriber.seek(request={"subscription": name, "snapshot": snapshot}),
        lambda: bench.subscriber.delete_snapshot(snapshot=snapshot),
    ]:
        with pytest.raises(exceptions.NotFound):
            call()


def test_a_seek_refuses_what_makes_no_sense(bench):
    topic, other = bench.topic(), bench.topic()
    name, foreign = bench.subscription(topic), bench.subscription(other)
    snapshot = bench.name("snapshots")
    bench.subscriber.create_snapshot(request={"name": snapshot, "subscription": foreign})
    # SeekRequest.snapshot: "The snapshot's topic must be the same as that of the provided subscription."
    with pytest.raises((exceptions.FailedPrecondition, exceptions.InvalidArgument)):
        bench.subscriber.seek(request={"subscription": name, "snapshot": snapshot})
    with pytest.raises(exceptions.InvalidArgument):
        bench.subscriber.seek(request={"subscription": name})
    missing = bench.name("subscriptions", "missing")
    with pytest.raises(exceptions.NotFound):
        bench.subscriber.seek(request={"subscription": missing, "time": datetime.datetime.now(UTC)})
