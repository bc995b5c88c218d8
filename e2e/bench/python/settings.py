"""The environment variables of the event worker, those that a benchmark needs."""

import os
import sys
from dataclasses import dataclass


@dataclass(frozen=True)
class Settings:
    tenant: str
    subscription: str
    emulator: str
    idempotency_url: str
    outstanding: int
    concurrent: int


def from_environment():
    def wanted(name, default=None):
        value = os.environ.get(name) or default
        if value is None:
            sys.exit(f"{name} is missing")
        return value

    name = wanted("SUBSCRIPTIONS")
    if "/" not in name:
        name = f"projects/{wanted('GCP_PROJECT_ID')}/subscriptions/{name}"
    outstanding = int(wanted("MAX_OUTSTANDING_MESSAGES", "1000"))
    return Settings(
        tenant=wanted("TENANT_ID"),
        subscription=name,
        emulator=wanted("PUBSUB_EMULATOR_HOST"),
        idempotency_url=wanted("IDEMPOTENCY_URL", "memory:"),
        outstanding=outstanding,
        concurrent=int(wanted("MAX_CONCURRENT_MESSAGES", str(outstanding))),
    )
