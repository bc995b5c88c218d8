"""Helm itself, on a real API server: the release before is upgraded with the flags that people use."""

import shutil

import pytest
import yaml

from conftest import CHART, LEAST, helm, merged
from test_upgrade import FIRST


@pytest.fixture
def release(plane, tmp_path):
    config = str(plane.folder / "kubeconfig-admin")

    def release(*args, values=None):
        done = helm(*args, "--namespace", "before", "--kubeconfig", config, values=values)
        assert done.returncode == 0, done.stderr
        return done.stdout

    chart = tmp_path / "event-operator"
    shutil.copytree(CHART, chart)
    (chart / "values.yaml").write_text(FIRST.read_text())
    release("install", "before", chart, "--create-namespace", values=LEAST)
    yield release
    release("uninstall", "before")


@pytest.mark.parametrize("flag", ["--reuse-values", "--reset-then-reuse-values"])
def test_a_release_is_upgraded(release, flag):
    text = release("upgrade", "before", CHART, flag, "--set", "logLevel=debug")
    assert "rollout status deployment/before-event-operator" in text
    values = yaml.safe_load(release("get", "values", "before", "--output", "yaml"))
    assert values["config"]["projectId"] == "demo-project" and values["logLevel"] == "debug"
    manifest = release("get", "manifest", "before")
    assert "kind: ValidatingAdmissionPolicy" in manifest and "registry.example/event-operator:0.1.0" in manifest


def test_what_was_said_once_counts_on(release):
    release("upgrade", "before", CHART, "--reset-then-reuse-values", values=merged({}, {"admissionPolicy": {"enabled": False}}))
    release("upgrade", "before", CHART, "--reset-then-reuse-values")
    assert "ValidatingAdmissionPolicy" not in release("get", "manifest", "before")
