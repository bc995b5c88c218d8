"""Pure: is this message an event of our tenant? What worker/src/guard.rs asks, asked in the same order."""

import json
from datetime import datetime

MAX_BYTES = 10 * 1024 * 1024
ID_FIELDS = ("event_id", "correlation_id", "causation_id", "idempotency_key")


class Refused(Exception):
    """The message never reaches a handler."""


class Event:
    __slots__ = ("event_id", "event_type", "tenant_id", "occurred_at", "source", "data", "key")

    def __init__(self, body):
        self.event_id = body["event_id"]
        self.event_type = body["event_type"]
        self.tenant_id = body["tenant_id"]
        self.occurred_at = datetime.fromisoformat(body["occurred_at"])
        self.source = body["source"]
        self.data = body.get("data") or {}
        self.key = body.get("idempotency_key") or f"{self.event_type}:{self.tenant_id}:{self.event_id}"


def valid_id(text):
    return isinstance(text, str) and 1 <= len(text) <= 256 and text.isascii() and text.isprintable() and " " not in text


def admit(tenant, data, attributes):
    """The event, or Refused."""
    if attributes.get("tenant_id") != tenant:
        raise Refused("the tenant_id attribute is not ours")
    if len(data) > MAX_BYTES:
        raise Refused("the message is too large")
    try:
        body = json.loads(data)
        if any(not valid_id(body[field]) for field in ID_FIELDS if body.get(field) is not None):
            raise Refused("an id is not valid")
        event = Event(body)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise Refused("the message is not an event") from error
    if not valid_id(event.event_id) or not isinstance(event.data, dict):
        raise Refused("the message is not an event")
    if event.tenant_id != tenant:
        raise Refused("the body's tenant is not ours")
    if attributes.get("event_type", event.event_type) != event.event_type:
        raise Refused("the event_type attribute is not the event's type")
    return event
