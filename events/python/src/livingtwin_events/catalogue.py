"""Which topic an event type is published to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from pathlib import Path
from types import MappingProxyType
from typing import Any

import yaml

from . import names
from .errors import SettingError
from .ids import is_event_pattern

DEFAULT_PREFIX = "living-twin"
"""In front of every topic's name, as in the operator's default configuration."""

DEFAULT_TOPICS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        "events": ("organization.created", "organization.updated"),
        "document-events": ("document.ingested", "document.updated", "document.deleted"),
        "query-events": ("query.executed", "query.failed"),
        "user-events": ("user.registered", "user.login"),
        "system-events": ("system.error", "system.health_check"),
    }
)
"""The topics of the operator's default configuration (config/operator.yaml), with their event types."""


@dataclass(frozen=True)
class Catalogue:
    """Topics by key, with the event types that are published to each.

    A type is written in full (``document.ingested``), or as a category (``document.*``); the type in full goes before a
    category, and a longer category before a shorter one. A topic is called ``{prefix}-{key}``.

    Raises:
        SettingError: names the key and what is allowed.
    """

    topics: Mapping[str, Sequence[str]] = field(default_factory=lambda: DEFAULT_TOPICS)
    prefix: str = DEFAULT_PREFIX
    _keys: Mapping[str, str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Checks keys and types, and turns the catalogue around."""
        if not self.topics:
            raise SettingError("catalogue: name at least one topic")
        keys: dict[str, str] = {}
        for key, event_types in self.topics.items():
            names.topic_id(f"catalogue.{key}", self.topic_id(key))
            for event_type in event_types:
                if not is_event_pattern(event_type):
                    raise SettingError(
                        f"catalogue.{key}.eventTypes: {event_type!r} is neither an event type such as "
                        '"document.ingested" nor a category such as "document.*"'
                    )
                if event_type in keys:
                    raise SettingError(f"catalogue.{key}.eventTypes: {event_type!r} is published to {keys[event_type]} already")
                keys[event_type] = key
        frozen = MappingProxyType({key: tuple(event_types) for key, event_types in self.topics.items()})
        object.__setattr__(self, "topics", frozen)
        object.__setattr__(self, "_keys", MappingProxyType(keys))

    @classmethod
    def from_file(cls, path: str | PathLike[str]) -> Catalogue:
        """The catalogue of an operator's configuration: its keys ``catalogue`` and ``topicPrefix``; others are let go.

        Raises:
            SettingError: names the file, or the key and what is allowed.
        """
        try:
            settings: Any = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise SettingError(f"the catalogue {path} cannot be read: {error}") from error
        if not isinstance(settings, Mapping) or not isinstance(settings.get("catalogue"), Mapping):
            raise SettingError(f"{path}: the key catalogue is missing, or holds no topics by key")
        topics = {}
        for key, topic in settings["catalogue"].items():
            event_types = topic.get("eventTypes", []) if isinstance(topic, Mapping) else None
            if not isinstance(key, str) or not isinstance(event_types, list):
                raise SettingError(f"{path}: catalogue.{key} is of the form {{eventTypes: [document.ingested]}}")
            topics[key] = [str(event_type) for event_type in event_types]
        prefix = settings.get("topicPrefix", DEFAULT_PREFIX)
        if not isinstance(prefix, str):
            raise SettingError(f"{path}: topicPrefix is a text")
        return cls(topics, prefix)

    def key_of(self, event_type: str) -> str | None:
        """The key of the topic for an event type; nothing where the catalogue has none."""
        text = str(event_type)
        if text in self._keys:
            return self._keys[text]
        words = text.split(".")
        for length in range(len(words) - 1, 0, -1):
            key = self._keys.get(".".join(words[:length]) + ".*")
            if key is not None:
                return key
        return None

    def topic_id(self, key: str) -> str:
        """What the topic of a key is called."""
        return f"{self.prefix}-{key}" if self.prefix else key
