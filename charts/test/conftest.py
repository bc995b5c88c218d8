"""What Helm makes of the chart, for the tests: `render` gives objects, `refusal` the words of a failed one."""

import json
import os
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "charts/event-operator"
HELM = os.environ.get("HELM") or str(ROOT / ".cache/cluster/bin/helm")

# What has no default: the least that an installation says.
LEAST = {
    "config": {"projectId": "demo-project", "worker": {"image": "registry.example/event-worker:1"}},
    "image": {"repository": "registry.example/event-operator"},
}


def merged(base, over):
    """As Helm merges values: maps key by key, everything else as a whole."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: merged(base.get(key), value) for key, value in over.items()}


def helm(*args, values=None):
    """The finished process."""
    command = [HELM, *map(str, args)]
    # JSON is YAML; on standard input, so that no file is left behind.
    text = None if values is None else json.dumps(values)
    if text is not None:
        command += ["--values", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False)


def template(values, *, chart=CHART, release="event-operator", namespace="event-operator", more=()):
    return helm("template", release, chart, "--namespace", namespace, "--kube-version", "1.35.0", *more, values=values)


class Objects(list):
    """What a chart makes."""

    def of(self, kind):
        return [one for one in self if one["kind"] == kind]

    def the(self, kind, name=None):
        found = [one for one in self.of(kind) if name is None or one["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} of kind {kind} named {name}: {[one['metadata']['name'] for one in found]}"
        return found[0]

    @property
    def pod(self):
        return self.the("Deployment")["spec"]["template"]["spec"]

    @property
    def container(self):
        return self.pod["containers"][0]


class Strict(yaml.CSafeLoader):
    """Refuses a map that names a key twice, of which Kubernetes would take the last."""

    def construct_mapping(self, node, deep=False):
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {str(key) for key in keys if keys.count(key) > 1}
        assert not twice, f"{twice} twice in one map, {node.start_mark}"
        return super().construct_mapping(node, deep)


def objects(text):
    return Objects(one for one in yaml.load_all(text, Loader=Strict) if one)


@pytest.fixture
def render():
    def render(over=None, **options):
        done = template(merged(LEAST, over or {}), **options)
        assert done.returncode == 0, done.stderr
        return objects(done.stdout)

    return render


@pytest.fixture
def refusal():
    def refusal(over, *, base=LEAST, **options):
        done = template(merged(base, over), **options)
        assert done.returncode != 0, f"{over} is taken"
        return done.stderr

    return refusal


@pytest.fixture(scope="session")
def defaults():
    return yaml.safe_load((CHART / "values.yaml").read_text())


@pytest.fixture(scope="session")
def plane():
    from control_plane import ControlPlane

    with ControlPlane() as plane:
        yield plane
