"""What the tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.emulator import Emulator
from support.plane import Plane


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    started = Emulator(tmp_path_factory.mktemp("emulator") / "log")
    yield started
    started.stop()


@pytest.fixture(autouse=True)
def no_settings_of_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PUBSUB_EMULATOR_HOST", "GCP_PROJECT_ID", "TOPIC_PREFIX", "EVENT_SOURCE"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def plane(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> Plane:
    """A fresh project, which the official clients of the test talk to."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", emulator.host)
    return Plane(emulator)
