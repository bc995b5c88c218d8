"""The words after an installation name the next command."""

import shutil

import pytest

from conftest import CHART, LEAST, merged, objects, template


@pytest.fixture
def notes(tmp_path):
    """Helm renders notes for a cluster alone; as a text in an object it does without."""
    chart = tmp_path / "event-operator"
    shutil.copytree(CHART, chart)
    text = (chart / "templates/NOTES.txt").read_text()
    (chart / "templates/notes.yaml").write_text(
        '{{- define "notes" }}' + text + '{{ end }}\n'
        'apiVersion: v1\nkind: Notes\nmetadata: {name: notes}\ntext: {{ include "notes" . | quote }}\n'
    )

    def notes(over=None):
        done = template(merged(LEAST, over or {}), chart=chart)
        assert done.returncode == 0, done.stderr
        return objects(done.stdout).the("Notes")["text"]

    return notes


def test_the_next_command_comes_first(notes):
    text = notes()
    assert text.index("rollout status deployment/event-operator") < text.index("kubectl apply")


def test_a_stopped_operator_is_said_to_be_stopped(notes):
    text = notes({"replicas": 0})
    assert "replicas" in text and "rollout status" not in text


def test_an_emulator_is_named(notes):
    assert "emulator:8085" in notes({"config": {"endpoint": "emulator:8085"}})
    assert "emulator" not in notes()


def test_a_given_account_needs_its_rights(notes):
    assert "given" in notes({"serviceAccount": {"create": False, "name": "given"}})


def test_the_store_in_memory_is_said(notes):
    assert "memory" in notes()
    store = {"url": "rediss://redis.infra:6379", "secretName": "event-worker-store"}
    text = notes({"config": {"worker": {"idempotency": store}}})
    assert "event-worker-store" in text and "in memory" not in text


def test_a_federation_names_its_principal(notes):
    identity = {"mode": "federation", "pool": "tenants", "provider": "prod-eu", "poolProjectNumber": 123456789012}
    text = notes({"config": {"identity": identity}})
    assert "workloadIdentityPools/tenants/subject/system:serviceaccount:event-operator:event-operator" in text
    assert "demo-project.svc.id.goog/subject/ns/event-operator/sa/event-operator" in notes()
