"""The import path that applications of the platform use; see the README, "In an application that has these names already"."""

from livingtwin_events import DomainEvent, EventFactory, EventType

__all__ = ["DomainEvent", "EventFactory", "EventType"]
