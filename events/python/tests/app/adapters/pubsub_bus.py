"""The import path that applications of the platform use; see the README, "In an application that has these names already"."""

from livingtwin_events.pubsub import PubSubBusAdapter

__all__ = ["PubSubBusAdapter"]
