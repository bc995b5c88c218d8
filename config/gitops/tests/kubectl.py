"""kubectl without a cluster, and objects as text."""

import json
import subprocess

import yaml

from control_plane import ROOT, binaries

GITOPS = ROOT / "config/gitops"


class Loader(yaml.SafeLoader):
    """Dates stay what they are in Kubernetes: text."""


Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in known if tag != "tag:yaml.org,2002:timestamp"]
    for first, known in yaml.SafeLoader.yaml_implicit_resolvers.items()}


def parse(written):
    return [one for one in yaml.load_all(written, Loader) if one]


def build(folder):
    """What kustomize makes of a folder."""
    command = [*binaries()["kubectl"].split(), "kustomize", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return parse(done.stdout)


def read(path):
    return parse(path.read_text())


def text(objects):
    """In this order."""
    return "---\n".join(json.dumps(one) + "\n" for one in objects)
