"""Helm itself, on a real API server: the release before is upgraded with the flags that people use."""

import shutil

import pytest
import yaml

from conftest import CHART, LEAST, ROOT, helm, merged, objects
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


def test_an_overlay_of_kustomize_says_what_is_ones_own(plane, tmp_path):
    base = ROOT / "config/kustomize/base"
    shutil.copytree(base, tmp_path / "base")
    (tmp_path / "config.yaml").write_text((base / "config.yaml").read_text().replace("my-project", "another-project"))
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({
        "resources": ["base"],
        "images": [{"name": "registry.example/event-operator", "newName": "registry.example/mine", "newTag": "1"}],
        "configMapGenerator": [{"name": "event-operator", "namespace": "event-operator", "behavior": "replace",
                                "files": ["config.yaml"]}],
    }))
    done = plane.kubectl("kustomize", str(tmp_path))
    assert done.returncode == 0, done.stderr
    made = objects(done.stdout)
    config = made.the("ConfigMap")
    assert yaml.safe_load(config["data"]["config.yaml"])["projectId"] == "another-project"
    assert made.container["image"] == "registry.example/mine:1"
    # Another configuration is another name, and so another pod.
    assert config["metadata"]["name"] != "event-operator"
    assert config["metadata"]["name"] in [one["configMap"]["name"] for one in made.pod["volumes"] if "configMap" in one]
