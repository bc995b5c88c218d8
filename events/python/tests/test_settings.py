"""The adapter's settings, before anything is published."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from livingtwin_events import EventFactory, InvalidEventError, SettingError, trace
from livingtwin_events.pubsub import Catalogue, PubSubBusAdapter


@pytest.mark.parametrize("project", ["short", "Upper-case", "ends-in-", "9starts-with-digit", ":abcdef", ""])
def test_a_project_is_a_projects_id(project: str) -> None:
    with pytest.raises(SettingError, match=r"project_id: .* is not a project id"):
        PubSubBusAdapter(project_id=project)


def test_a_project_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="project_id: is missing, and so is GCP_PROJECT_ID"):
        PubSubBusAdapter()
    monkeypatch.setenv("GCP_PROJECT_ID", "x")
    with pytest.raises(SettingError, match="GCP_PROJECT_ID: 'x' is not a project id"):
        PubSubBusAdapter()
    monkeypatch.setenv("GCP_PROJECT_ID", "example.com:my-project")
    assert PubSubBusAdapter().topic_of("user.login") == "projects/example.com:my-project/topics/living-twin-user-events"


def test_the_prefix_is_the_callers_or_the_catalogues_or_the_environments(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "operator.yaml"
    path.write_text("{topicPrefix: acme, catalogue: {logins: {eventTypes: [user.*]}}}")
    monkeypatch.setenv("TOPIC_PREFIX", "from-environment")

    def topic(**settings: str | Catalogue | Path) -> str:
        return PubSubBusAdapter("your-project", **settings).topic_of("user.login").rsplit("/", 1)[1]  # type: ignore[arg-type]

    assert topic() == "from-environment-user-events"
    assert topic(topic_prefix="mine") == "mine-user-events"
    assert topic(topic_prefix="") == "user-events"
    assert topic(catalogue=path) == "acme-logins"
    assert topic(catalogue=str(path), topic_prefix="mine") == "mine-logins"
    assert topic(catalogue=Catalogue({"x-events": ["user.login"]})) == "living-twin-x-events"


def test_an_emulators_url_and_a_timeout_of_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingError, match="timeout: 0 is not a number of seconds above 0"):
        PubSubBusAdapter("your-project", timeout=0)
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", "http://127.0.0.1:8085")
    with pytest.raises(SettingError, match="PUBSUB_EMULATOR_HOST: is host:port"):
        PubSubBusAdapter("your-project")


@pytest.mark.parametrize("key", ["", "k" * 1025, "ä" * 513])
async def test_an_ordering_key_has_bounds(key: str) -> None:
    event = EventFactory.create_user_login(tenant_id="t", user_id="u")
    with pytest.raises(InvalidEventError, match="ordering_key: has 1 to 1024 bytes"):
        await PubSubBusAdapter("your-project").publish_domain_event(event, ordering_key=key)


def test_a_trace_context_is_of_the_w3cs_form() -> None:
    parent = f"00-{'a' * 32}-{'b' * 16}-01"
    assert trace.attributes() == {}
    assert trace.attributes(parent) == {"traceparent": parent}
    assert trace.attributes(parent, "k=v") == {"traceparent": parent, "tracestate": "k=v"}
    for wrong in ("", parent.upper(), parent + "\n", "ff" + parent[2:], f"00-{'0' * 32}-{'b' * 16}-01"):
        with pytest.raises(InvalidEventError, match="traceparent: is of the form"):
            trace.attributes(wrong)
    for state in ("", "x" * 513, "a\nb"):
        with pytest.raises(InvalidEventError, match="tracestate: has 1 to 512"):
            trace.attributes(parent, state)
    with pytest.raises(InvalidEventError, match="tracestate: goes with a traceparent"):
        trace.attributes(None, "k=v")


def test_making_events_loads_no_client() -> None:
    code = """
import sys
import livingtwin_events
assert not any(name.startswith(("google", "opentelemetry")) for name in sys.modules), sorted(sys.modules)
"""
    source = Path(__file__).resolve().parents[1] / "src"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(source)})
