"""Make and publish Living Twin events.

Events are made by `EventFactory`. What publishes them, `livingtwin_events.pubsub.PubSubBusAdapter`, is a module of its own, so
that code which only makes or reads events does not load the Pub/Sub client.
"""

from .errors import DecodeError, EventError, InvalidEventError, ReadError, SettingError
from .event import DomainEvent
from .factory import EventFactory
from .generated.event_type import EventType
from .payload import Payload

__all__ = [
    "DecodeError",
    "DomainEvent",
    "EventError",
    "EventFactory",
    "EventType",
    "InvalidEventError",
    "Payload",
    "ReadError",
    "SettingError",
]
