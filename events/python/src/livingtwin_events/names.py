"""What projects and topics may be called."""

from __future__ import annotations

import re

from .errors import SettingError

MAX_TOPIC_ID = 255
"""The longest id of a topic (https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names)."""

_PROJECT = re.compile(r"(?:[a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_TOPIC = re.compile(r"[A-Za-z][A-Za-z0-9._~+%-]{2,254}")


def project_id(setting: str, value: str) -> str:
    """A Google Cloud project's id."""
    if not _PROJECT.fullmatch(value):
        raise SettingError(
            f"{setting}: {value!r} is not a project id: 6 to 30 characters of a-z 0-9 -, a letter first and no hyphen last "
            '(domain-scoped ids such as "example.com:my-project" are taken too)'
        )
    return value


def topic_id(setting: str, value: str) -> str:
    """A topic's id."""
    if not _TOPIC.fullmatch(value) or value.startswith("goog"):
        raise SettingError(
            f"{setting}: {value!r} is not a Pub/Sub id: 3 to {MAX_TOPIC_ID} characters of A-Z a-z 0-9 - _ . ~ + %, "
            'a letter first, and not "goog" in front'
        )
    return value
