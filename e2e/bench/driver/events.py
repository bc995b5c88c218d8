"""Events of one kilobyte, encoded once: a request is made by joining bytes, so that filling costs next to nothing."""

import json

from emulator import TENANT, TOPIC

EVENT_BYTES = 1_024
BLOCK = 20_000  # events that are encoded; later ones are these with another number in front
REQUEST = 1_000  # messages in a publish request, the most there may be
_MARK = b"evt-0000-"


def _varint(n):
    out = bytearray()
    while n > 0x7F:
        out.append(n & 0x7F | 0x80)
        n >>= 7
    out.append(n)
    return bytes(out)


def _field(number, data):
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def envelope(event_id, tenant=TENANT):
    """What events/src/event.rs has, filled up to a kilobyte."""
    event = {
        "event_id": event_id,
        "event_type": "document.ingested",
        "tenant_id": tenant,
        "occurred_at": "2026-01-02T03:04:05.678Z",
        "user_id": "user-42",
        "correlation_id": event_id,
        "idempotency_key": f"document.ingested:{tenant}:{event_id}",
        "source": "bench",
        "data": {
            "version": "1.0",
            "document_id": "doc-456",
            "bucket": "tenant-documents",
            "pages": 12,
            "labels": ["invoice", "2026", "reviewed"],
            "owner": {"name": "Ann Example", "team": "accounts"},
            "text": "",
        },
    }
    event["data"]["text"] = "x" * (EVENT_BYTES - len(json.dumps(event)))
    return json.dumps(event).encode()


def attributes(event_id, tenant=TENANT):
    return {
        "tenant_id": tenant,
        "event_type": "document.ingested",
        "event_id": event_id,
        "idempotency_key": f"document.ingested:{tenant}:{event_id}",
        "correlation_id": event_id,
        "version": "1.0",
    }


def encode(data, attributes):
    """A PubsubMessage as field 2 of a PublishRequest."""
    message = _field(1, data)
    for key, value in attributes.items():
        message += _field(2, _field(1, key.encode()) + _field(2, value.encode()))
    return _field(2, message)


class Source:
    """Requests with events that never repeat."""

    def __init__(self):
        self.head = _field(1, TOPIC.encode())
        ids = [f"{_MARK.decode()}{i:07}" for i in range(BLOCK)]
        self.chunks = [encode(envelope(id_), attributes(id_)) for id_ in ids]
        self.made = 0

    def request(self, count):
        """The next so many events (at most REQUEST), as a PublishRequest."""
        parts = [self.head]
        while count:
            block, start = divmod(self.made, BLOCK)
            taken = self.chunks[start : start + count]
            parts.append(b"".join(taken).replace(_MARK, b"evt-%04d-" % block))
            self.made += len(taken)
            count -= len(taken)
        return b"".join(parts)
