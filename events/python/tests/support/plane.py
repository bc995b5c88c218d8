"""Tenants' event planes in a project of their own, as the operator makes them, and a look at what is published."""

from __future__ import annotations

import base64
import itertools
import uuid
from dataclasses import dataclass
from typing import Any

from livingtwin_events.catalogue import Catalogue

from .emulator import Emulator
from .waiting import PATIENCE, eventually

NUMBERS = itertools.count(100_000_000_000)


@dataclass(frozen=True)
class Message:
    """A message that was pulled."""

    data: bytes
    attributes: dict[str, str]
    ordering_key: str
    message_id: str


class Plane:
    """A fresh project; with the topics of the catalogue and their dead-letter topics."""

    def __init__(self, emulator: Emulator, project: str | None = None) -> None:
        self.emulator = emulator
        self.project = project or f"test-{uuid.uuid4().hex[:12]}"
        self.catalogue = Catalogue()
        number = next(NUMBERS)
        emulator.call("PUT", f"/emulator/v1/projects/{self.project}", {"projectNumber": str(number)})
        self._service_agent = f"serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com"
        for topic in self.topics():
            self._create("topics", topic, {})
            self._create("topics", f"{topic}-dlq", {})
            self._grant("topics", f"{topic}-dlq", "roles/pubsub.publisher")

    def topics(self) -> list[str]:
        return [self.catalogue.topic_id(key) for key in self.catalogue.topics]

    def tenant(self, tenant: str, ordered: bool = False) -> list[str]:
        """A tenant's subscriptions; the worker's ids of them. Their form is that of operator/src/subscription/desired.rs."""
        tenant_filter = f'attributes.tenant_id = "{tenant}"'
        ids = []
        for topic in self.topics():
            dead_letter = {
                "topic": self._name("topics", f"{topic}-dlq"),
                "filter": tenant_filter,
                "expirationPolicy": {},
            }
            self._create("subscriptions", f"{topic}-{tenant}-dlq", dead_letter)
            worker = {
                "topic": self._name("topics", topic),
                "filter": tenant_filter,
                "ackDeadlineSeconds": 600,
                "messageRetentionDuration": "604800s",
                "enableMessageOrdering": ordered,
                "retryPolicy": {"minimumBackoff": "10s", "maximumBackoff": "600s"},
                "deadLetterPolicy": {"deadLetterTopic": dead_letter["topic"], "maxDeliveryAttempts": 5},
                "expirationPolicy": {},
            }
            ids.append(f"{topic}-{tenant}-worker")
            self._create("subscriptions", ids[-1], worker)
            self._grant("subscriptions", ids[-1], "roles/pubsub.subscriber")
        return ids

    def backlog(self, subscription: str) -> int:
        name = self._name("subscriptions", subscription)
        listed = self.emulator.call("GET", "/emulator/v1/subscriptions")["subscriptions"]
        return int(next(stats["backlog"] for stats in listed if stats["name"] == name))

    def pull(self, subscription: str, count: int) -> list[Message]:
        """That many messages, acknowledged."""
        messages: list[Message] = []

        def enough() -> bool:
            messages.extend(self._pull(subscription, count - len(messages)))
            return len(messages) >= count

        eventually(f"{count} messages of {subscription}", enough, PATIENCE)
        return messages

    def _pull(self, subscription: str, most: int) -> list[Message]:
        path = f"/v1/{self._name('subscriptions', subscription)}"
        pulled = self.emulator.call("POST", f"{path}:pull", {"maxMessages": most, "returnImmediately": True})
        received: list[dict[str, Any]] = pulled.get("receivedMessages", [])
        if received:
            self.emulator.call("POST", f"{path}:acknowledge", {"ackIds": [each["ackId"] for each in received]})
        return [
            Message(
                base64.b64decode(each["message"].get("data", "")),
                each["message"].get("attributes", {}),
                each["message"].get("orderingKey", ""),
                each["message"]["messageId"],
            )
            for each in received
        ]

    def _name(self, collection: str, name: str) -> str:
        return f"projects/{self.project}/{collection}/{name}"

    def _create(self, collection: str, name: str, body: dict[str, Any]) -> None:
        self.emulator.call("PUT", f"/v1/{self._name(collection, name)}", body)

    def _grant(self, collection: str, name: str, role: str) -> None:
        policy = {"bindings": [{"role": role, "members": [self._service_agent]}]}
        self.emulator.call("POST", f"/v1/{self._name(collection, name)}:setIamPolicy", {"policy": policy})
