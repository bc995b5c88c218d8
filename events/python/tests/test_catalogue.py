"""Which topic takes which events."""

from __future__ import annotations

from pathlib import Path

import pytest

from livingtwin_events import EventType, SettingError
from livingtwin_events.catalogue import Catalogue

OPERATORS = Path(__file__).resolve().parents[3] / "config" / "operator.yaml"


def test_the_default_is_the_operators() -> None:
    assert Catalogue.from_file(OPERATORS) == Catalogue()


def test_every_event_type_has_its_topic() -> None:
    keys = {str(event_type): Catalogue().key_of(event_type) for event_type in EventType}
    assert keys["organization.created"] == "events"
    assert keys["user.login"] == "user-events"
    assert None not in keys.values()
    assert Catalogue().key_of("invoice.paid") is None
    assert Catalogue().topic_id("user-events") == "living-twin-user-events"
    assert Catalogue(prefix="").topic_id("user-events") == "user-events"


def test_a_type_in_full_goes_before_a_category_and_a_longer_one_before_a_shorter() -> None:
    catalogue = Catalogue({"all": ["a.*"], "some": ["a.b.*"], "one": ["a.b.c"]})
    assert [catalogue.key_of(text) for text in ("a.x", "a.b.x", "a.b.c", "ab.c")] == ["all", "some", "one", None]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("topicPrefix: x", "the key catalogue is missing"),
        ("[]", "the key catalogue is missing"),
        ("catalogue: {}", "catalogue: name at least one topic"),
        ("catalogue: {events: [a.b]}", r"catalogue.events is of the form \{eventTypes"),
        ("catalogue: {events: {eventTypes: a.b}}", "catalogue.events is of the form"),
        ("catalogue: {events: {eventTypes: [a]}}", "catalogue.events.eventTypes: 'a' is neither an event type"),
        ("catalogue: {a-b: {eventTypes: [a.b]}, c-d: {eventTypes: [a.b]}}", "'a.b' is published to a-b already"),
        ("catalogue: {'a b': {}}", "catalogue.a b: 'living-twin-a b' is not a Pub/Sub id"),
        ("{catalogue: {events: {}}, topicPrefix: 7}", "topicPrefix is a text"),
        ("catalogue: {", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "catalogue.yaml"
    path.write_text(text)
    with pytest.raises(SettingError, match=problem):
        Catalogue.from_file(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"none\.yaml cannot be read"):
        Catalogue.from_file(tmp_path / "none.yaml")
