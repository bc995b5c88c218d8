"""The blocks of the documents run as they stand, and a worker handles what they publish."""

from __future__ import annotations

import ast
import hashlib
import inspect
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import CodeType
from typing import Any

import pytest
from app.domain.events import DomainEvent, EventFactory, EventType
from support import binaries
from support.binaries import WORKSPACE
from support.emulator import Emulator
from support.markdown import Block, blocks
from support.plane import Plane
from support.waiting import eventually
from support.worker import Worker

README = WORKSPACE / "events" / "python" / "README.md"
PUBLISHING = WORKSPACE / "docs" / "publishing.md"
SNIPPETS = WORKSPACE / "docs" / "snippets"
CACHE = WORKSPACE / ".cache" / "events-python"
GCLOUD_STAND_IN = Path(__file__).resolve().parents[1] / "support" / "gcloud"


class Reader:
    """Does what the documents say, in the project that they name."""

    def __init__(self, logs: Path) -> None:
        self.emulator = Emulator(logs / "emulator")
        self.plane = Plane(self.emulator, "your-project")
        self.worker = Worker(self.plane, "tenant-123", self.plane.tenant("tenant-123"), logs / "worker")
        self._before = 0

    def stop(self) -> None:
        self.worker.stop()
        self.emulator.stop()

    def audit(self, count: int) -> list[dict[str, Any]]:
        """The worker's lines since the last call, when there are so many."""
        eventually(f"{count} events of a document", lambda: len(self.worker.audit()) >= self._before + count)
        lines = self.worker.audit()[self._before :]
        self._before += len(lines)
        return lines

    def handled(self, count: int) -> list[str]:
        """The types of the events that were handled since the last call, when there are so many."""
        lines = self.audit(count)
        assert {line["outcome"] for line in lines} == {"success"}, lines
        return [line["event_type"] for line in lines]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    reader = Reader(tmp_path_factory.mktemp("documents"))
    yield reader
    reader.stop()


@pytest.fixture
def reader(started: Reader, monkeypatch: pytest.MonkeyPatch) -> Reader:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", started.emulator.host)
    return started


def in_language(path: Path, language: str) -> list[Block]:
    return [block for block in blocks(path) if block.language == language]


async def run(block: Block, names: dict[str, Any]) -> None:
    """Executes a block that may await at its top, as in a notebook."""
    code = block.compiled(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    assert isinstance(code, CodeType)
    result = eval(code, names)
    if inspect.isawaitable(result):
        await result


def test_every_block_is_of_a_language_that_is_run_here() -> None:
    assert [block.language for block in blocks(README)] == ["python"] * 7
    assert [block.language for block in blocks(PUBLISHING)] == ["rust", "python", "typescript", "sh", "sh"]


async def test_the_readme_publishes_reads_and_orders(reader: Reader) -> None:
    names: dict[str, Any] = {}
    first, second, third = in_language(README, "python")[:3]
    await run(first, names)
    assert reader.handled(1) == ["query.executed"]
    await run(second, names)
    await run(third, names)
    outcomes = [(line["event_type"], line["outcome"]) for line in reader.audit(101)]
    # The last one is the first block's event again.
    assert sorted(outcomes) == [("document.deleted", "success")] * 100 + [("query.executed", "duplicate")]


async def test_examples_of_the_platform_run_unchanged(reader: Reader, caplog: pytest.LogCaptureFixture) -> None:
    publish, process, unit_test, versions = in_language(README, "python")[3:]

    names: dict[str, Any] = {}
    await run(publish, names)
    assert reader.handled(1) == ["document.ingested"]
    assert names["message_id"].isdigit()
    await names["pubsub"].close()

    logger = logging.getLogger("platform")
    event = names["event"]
    names = {"DomainEvent": DomainEvent, "logger": logger}
    await run(process, names)
    with caplog.at_level(logging.INFO):
        assert await names["process_event"](event) is True
    assert "Processing document.ingested for tenant tenant-123" in caplog.messages
    assert await names["process_event"](None) is False

    names = {"EventFactory": EventFactory, "EventType": EventType}
    await run(unit_test, names)
    names["test_document_ingested_event"]()

    names = {
        "DomainEvent": DomainEvent,
        "logger": logger,
        "process_v1_event": lambda event: f"v1 {event.version}",
        "process_v2_event": lambda event: f"v2 {event.version}",
    }
    await run(versions, names)
    of_version = [
        EventFactory.create(tenant_id="t", event_type="document.ingested", data=data)
        for data in ({}, {"version": "1.0"}, {"version": "2.0"}, {"version": "3.0"})
    ]
    assert [names["process_event"](each) for each in of_version] == ["v1 1.0", "v1 1.0", "v2 2.0", True]
    assert "Unknown event version: 3.0" in caplog.messages


def test_the_rust_block(reader: Reader) -> None:
    [block] = in_language(PUBLISHING, "rust")
    assert block.text == (WORKSPACE / "events" / "examples" / "publish.rs").read_text()
    published = subprocess.run([binaries.publish_example()], cwd=WORKSPACE, check=True, stdout=subprocess.PIPE, timeout=60)
    assert len(published.stdout.split()) == 2
    assert sorted(reader.handled(2)) == ["document.deleted", "document.ingested"]


async def test_the_python_block(reader: Reader) -> None:
    [block] = in_language(PUBLISHING, "python")
    await run(block, {})
    assert reader.handled(1) == ["document.ingested"]


@pytest.mark.skipif(shutil.which("npm") is None, reason="Node.js and npm are not installed")
def test_the_typescript_block(reader: Reader) -> None:
    [block] = in_language(PUBLISHING, "typescript")
    folder = typescript()
    (folder / "publish.ts").write_text(block.text)
    subprocess.run(["node", "node_modules/typescript/bin/tsc"], cwd=folder, check=True)
    subprocess.run(["node", "out/publish.js"], cwd=folder, check=True, timeout=60)
    assert reader.handled(1) == ["user.login"]


def typescript() -> Path:
    """A folder with the packages that the block needs, to the byte; another list of them makes it anew."""
    source, folder = SNIPPETS / "typescript", CACHE / "typescript"
    files = [source / name for name in ("package.json", "package-lock.json", "tsconfig.json")]
    wanted = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    made_of = folder / "made-of"
    if not made_of.exists() or made_of.read_text() != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in files:
            shutil.copy(file, folder)
        subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel", "error"], cwd=folder, check=True)
        made_of.write_text(wanted)
    return folder


def shell(block: Block, **environment: str) -> None:
    subprocess.run(["bash", "-euo", "pipefail", "-c", block.text], check=True, env={**os.environ, **environment}, timeout=60)


def test_the_gcloud_block_with_the_call_that_gcloud_makes(reader: Reader) -> None:
    shell(in_language(PUBLISHING, "sh")[0], PATH=f"{GCLOUD_STAND_IN.parent}:{os.environ['PATH']}")
    assert reader.handled(1) == ["document.deleted"]


@pytest.mark.skipif(shutil.which("gcloud") is None, reason="gcloud is not installed")
def test_the_gcloud_block_with_gcloud(reader: Reader, tmp_path: Path) -> None:
    shell(
        in_language(PUBLISHING, "sh")[0],
        CLOUDSDK_CONFIG=str(tmp_path),
        CLOUDSDK_API_ENDPOINT_OVERRIDES_PUBSUB=f"http://{reader.emulator.host}/",
        CLOUDSDK_AUTH_DISABLE_CREDENTIALS="true",
        CLOUDSDK_CORE_DISABLE_PROMPTS="true",
        CLOUDSDK_CORE_DISABLE_USAGE_REPORTING="true",
        CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK="true",
    )
    assert reader.handled(1) == ["document.deleted"]


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_rest_block(reader: Reader) -> None:
    shell(in_language(PUBLISHING, "sh")[1])
    assert reader.handled(1) == ["system.health_check"]
