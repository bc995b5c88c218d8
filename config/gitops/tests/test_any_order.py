"""CRDs, operator and Tenants, each time in another order, again and again, until the API server takes all: then all comes to be
Ready, in the eyes of Flux and of Argo CD, and what is in Git differs in nothing from what is in the cluster."""

import copy
import json
import os
import random
import subprocess
import time

import pytest
import yaml

from control_plane import ROOT, until
from fleet import Emulator, Nodes, Operator, operators_config
from kubectl import GITOPS, build, read, text

BINARIES = os.environ["BINARIES"]
SEED = int(os.environ.get("ORDER_SEED", "1"))
MANAGERS = ("kubectl", "kustomize-controller", "argocd-controller")
# As a platform may add it to a tenant's folder: its namespace is made by the operator, and it is refused until then.
BY_HAND = {
    "apiVersion": "events.livingtwin.io/v1alpha1", "kind": "EventSubscription",
    "metadata": {"name": "system-events", "namespace": "acme"},
    "spec": {"tenantRef": {"name": "acme"}, "topic": "system-events", "eventTypes": ["system.*"]},
}


def overlay(folder, config):
    """As config/kustomize/README.md has it."""
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "kustomization.yaml").write_text(json.dumps({
        "resources": [os.path.relpath(ROOT / "config/kustomize/base", folder)],
        "configMapGenerator": [{"name": "event-operator", "namespace": "event-operator", "behavior": "replace",
                                "files": ["config.yaml"]}],
    }))
    return build(folder)


class Fleet:
    def __init__(self, plane, folder):
        self.plane = plane
        self.emulator = Emulator(BINARIES, folder)
        config = operators_config(self.emulator)
        self.tenants = [*build(GITOPS / "tenants"), BY_HAND]
        self.rest = [*overlay(folder, config), *read(ROOT / "crds/tenants.yaml"), *read(ROOT / "crds/eventsubscriptions.yaml")]
        self.nodes, self.operator = Nodes(plane), Operator(plane, BINARIES, config, folder)
        self.nodes.start()
        self.operator.start()

    def end(self):
        for one in (self.operator, self.nodes, self.emulator):
            one.end()

    @property
    def objects(self):
        return [*self.tenants, *self.rest]

    def apply(self, objects, *more):
        return self.plane.kubectl("apply", "--server-side", *more, "-f", "-", text=text(objects))

    def live(self, objects=None):
        done = self.plane.kubectl("get", "-o", "json", "-f", "-", text=text(objects or self.objects))
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        return answer["items"] if answer["kind"] == "List" else [answer]

    def generations(self):
        return {one["metadata"]["uid"]: one["metadata"].get("generation") for one in self.live()}


def verdicts(objects):
    """What Flux and Argo CD make of each."""
    done = subprocess.run([ROOT / ".cache/gitops/bin/tools", GITOPS / "argo-cd/health/health.lua"],
                          input=json.dumps(objects), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def name(one):
    return f"{one['kind']} {one['metadata']['name']}"


@pytest.fixture(scope="module")
def fleet(plane, tmp_path_factory):
    made = Fleet(plane, tmp_path_factory.mktemp("fleet"))
    yield made
    made.end()


@pytest.fixture(scope="module")
def accepted(fleet):
    """How many times all was applied until it was taken. The Tenants come first, when there are not even their kinds."""
    order, rounds = random.Random(SEED), 1
    objects = fleet.objects
    done = fleet.apply(objects)
    assert done.returncode != 0, "the API server took Tenants before their kind was there"
    deadline = time.monotonic() + 180
    while done.returncode != 0:
        assert time.monotonic() < deadline, f"{done.stderr}; {fleet.operator.words()}"
        order.shuffle(objects)
        done = fleet.apply(objects)
        rounds += 1
    return rounds


def test_all_is_taken_and_comes_to_be_ready(fleet, accepted):
    def waiting():
        objects = fleet.live()
        return [f"{name(one)}: {said['kstatus']}, {said['message']}"
                for one, said in zip(objects, verdicts(objects)) if said["kstatus"] != "Current"]

    until("everything is current", lambda: not waiting(), lambda: f"{waiting()}; {fleet.operator.words()}")
    # The operator needs its rights and the CRDs, and was started again until it had them; afterwards it stayed.
    assert fleet.operator.process.poll() is None
    own = fleet.live(fleet.tenants)
    assert [said["argo"] for said in verdicts(own)] == ["Healthy"] * len(own)
    print(f"taken after {accepted} rounds; the operator was started {fleet.operator.starts} times")


def test_once_more_changes_nothing(fleet, accepted):
    before = fleet.generations()
    order = random.Random(SEED + 1)
    for _ in range(2):
        objects = fleet.objects
        order.shuffle(objects)
        done = fleet.apply(objects)
        assert done.returncode == 0, done.stderr
    assert fleet.generations() == before


@pytest.mark.parametrize("manager", MANAGERS)
def test_the_server_sees_no_difference_after_a_sync(fleet, accepted, manager):
    # Both controllers take over what other managers own.
    done = fleet.apply(fleet.objects, "--field-manager", manager, "--force-conflicts")
    assert done.returncode == 0, done.stderr
    done = fleet.plane.kubectl("diff", "--server-side", "--field-manager", manager, "-f", "-", text=text(fleet.objects))
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_server_would_see_one(fleet, accepted):
    changed = copy.deepcopy(fleet.tenants)
    changed[0]["spec"]["deletionPolicy"] = "Delete"
    done = fleet.plane.kubectl("diff", "--server-side", "-f", "-", text=text(changed))
    assert done.returncode == 1 and "+  deletionPolicy: Delete" in done.stdout, done.stdout + done.stderr


def test_what_is_not_looked_at_yet_is_in_progress(fleet, accepted):
    """As the API server makes it, and as an edit leaves it."""
    new = copy.deepcopy(fleet.tenants[0])
    new["metadata"]["name"] = "initech"
    done = fleet.plane.kubectl("create", "--dry-run=server", "-o", "json", "-f", "-", text=text([new]))
    edited = fleet.live(fleet.tenants)[0]
    edited["metadata"]["generation"] += 1
    for said in verdicts([json.loads(done.stdout), edited]):
        assert (said["kstatus"], said["argo"]) == ("InProgress", "Progressing"), said


def test_what_cannot_go_on_has_failed(fleet, accepted):
    stalled = {"apiVersion": "events.livingtwin.io/v1alpha1", "kind": "Tenant", "metadata": {"name": "umbrella"},
               "spec": {"subscriptions": [{"topic": "no-such-topic"}]}}
    assert fleet.apply([stalled]).returncode == 0

    def failed():
        (said,) = verdicts(fleet.live([stalled]))
        return (said["kstatus"], said["argo"]) == ("Failed", "Degraded")

    until("the Tenant has failed", failed, lambda: f"{verdicts(fleet.live([stalled]))}; {fleet.operator.words()}")
