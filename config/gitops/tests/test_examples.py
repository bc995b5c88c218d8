"""The examples are what the CRDs of Flux and Argo CD take, on a real API server that refuses fields it does not know."""

import copy
import json
import os
import subprocess

import pytest
import yaml

from control_plane import ROOT, until
from kubectl import GITOPS, build, read, text

CRDS = ROOT / ".cache/gitops/crds"
CHARTS = ("event-operator-crds", "event-operator")


@pytest.fixture(scope="module")
def server(plane):
    """An API server that knows the kinds of Flux and Argo CD."""
    done = plane.kubectl("apply", "--server-side", "-f", str(CRDS))
    assert done.returncode == 0, done.stderr
    until("the kinds are served",
          lambda: plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", "-f", str(CRDS)).returncode == 0)
    for name in ("flux-system", "argocd"):
        plane.kubectl("create", "namespace", name)
    return plane


def take(server, objects):
    return server.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", "-", text=text(objects))


@pytest.mark.parametrize("tool", ["flux", "argo-cd"])
def test_it_is_taken(server, tool):
    objects = build(GITOPS / tool)
    done = take(server, objects)
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.splitlines()) == len(objects)


def wrong(kind, change):
    """The example of a kind with a fault."""
    for tool in ("flux", "argo-cd"):
        for one in build(GITOPS / tool):
            if one["kind"] == kind:
                faulty = copy.deepcopy(one)
                change(faulty["spec"])
                return faulty
    raise AssertionError(kind)


@pytest.mark.parametrize(("kind", "change"), [
    ("OCIRepository", lambda spec: spec.update(intervall="1m")),
    ("HelmRelease", lambda spec: spec["driftDetection"].update(mode="sometimes")),
    ("Kustomization", lambda spec: spec.pop("prune")),
    ("AppProject", lambda spec: spec.update(repos=[])),
    ("Application", lambda spec: spec["syncPolicy"].update(retries=1)),
    ("ApplicationSet", lambda spec: spec["template"]["spec"].pop("project")),
])
def test_a_fault_would_be_seen(server, kind, change):
    done = take(server, [wrong(kind, change)])
    assert done.returncode != 0, done.stdout


def installations():
    """Chart, version and values of each example."""
    for one in build(GITOPS / "flux"):
        if one["kind"] == "HelmRelease":
            source = next(made for made in build(GITOPS / "flux")
                          if made["kind"] == "OCIRepository" and made["metadata"]["name"] == one["spec"]["chartRef"]["name"])
            yield source["spec"]["url"].rsplit("/", 1)[1], source["spec"]["ref"]["tag"], one["spec"].get("values", {})
    for one in build(GITOPS / "argo-cd"):
        if one["kind"] == "Application":
            source = one["spec"]["source"]
            yield source["chart"], source["targetRevision"], source.get("helm", {}).get("valuesObject", {})


def test_each_chart_takes_its_values():
    found = list(installations())
    assert sorted(chart for chart, _, _ in found) == sorted(CHARTS * 2)
    for chart, version, values in found:
        folder = ROOT / "charts" / chart
        assert yaml.safe_load((folder / "Chart.yaml").read_text())["version"] == version
        done = subprocess.run([os.environ["HELM"], "template", chart, folder, "--kube-version", "1.35.0", "--values", "-"],
                              input=json.dumps(values), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr


def test_argo_cds_config_map_gets_the_health_script(tmp_path):
    (tmp_path / "config-map.yaml").write_text(text([{
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "argocd-cm", "namespace": "argocd"},
        "data": {"url": "https://argocd.example"}}]))
    (tmp_path / "kustomization.yaml").write_text(text([{"resources": ["config-map.yaml"],
                                                        "components": [os.path.relpath(GITOPS / "argo-cd/health", tmp_path)]}]))
    (made,) = build(tmp_path)
    script = (GITOPS / "argo-cd/health/health.lua").read_text()
    kinds = [one["spec"]["names"]["kind"] for path in (ROOT / "crds").glob("*.yaml") for one in read(path)]
    assert made["data"] == {"url": "https://argocd.example"} | {
        f"resource.customizations.health.events.livingtwin.io_{kind}": script for kind in kinds}
    assert made["metadata"]["name"] == "argocd-cm"
