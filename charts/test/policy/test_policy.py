"""The operator's own token tries to get out: into other namespaces, onto nodes, into other accounts. The API server refuses
with the policy's words; what the operator does every day it takes."""

import copy
import json
import re
from functools import reduce

import pytest
import yaml

from control_plane import ADMIN, ROOT, until
from conftest import LEAST, helm, objects, template

TENANT, CREATED = "events.livingtwin.io/tenant", "events.livingtwin.io/created"
SNAPSHOTS = ROOT / "operator/tests/stages/snapshots"
SPACE = "tenant-456"
PATHS = {
    "Namespace": "/api/v1/namespaces/{name}",
    "ServiceAccount": "/api/v1/namespaces/{space}/serviceaccounts/{name}",
    "ConfigMap": "/api/v1/namespaces/{space}/configmaps/{name}",
    "Deployment": "/apis/apps/v1/namespaces/{space}/deployments/{name}",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{space}/networkpolicies/{name}",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{space}/poddisruptionbudgets/{name}",
    "ScaledObject": "/apis/keda.sh/v1alpha1/namespaces/{space}/scaledobjects/{name}",
    "EventSubscription": "/apis/events.livingtwin.io/v1alpha1/namespaces/{space}/eventsubscriptions/{name}",
}
VERSIONS = {"Namespace": "v1", "ServiceAccount": "v1", "ConfigMap": "v1", "Deployment": "apps/v1",
            "NetworkPolicy": "networking.k8s.io/v1", "PodDisruptionBudget": "policy/v1",
            "ScaledObject": "keda.sh/v1alpha1", "EventSubscription": "events.livingtwin.io/v1alpha1"}
# KEDA's kind, as far as this test needs it.
SCALED_OBJECTS = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
    "metadata": {"name": "scaledobjects.keda.sh"},
    "spec": {"group": "keda.sh", "scope": "Namespaced",
             "names": {"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject"},
             "versions": [{"name": "v1alpha1", "served": True, "storage": True, "schema": {
                 "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]},
}


def snapshot(name):
    """What the operator composes, as its own tests have it."""
    text = (SNAPSHOTS / f"stages__{name}.snap").read_text()
    return yaml.safe_load(text.split("---\n", 2)[2])


def of_kind(kind, body):
    return {"apiVersion": VERSIONS[kind], "kind": kind, **copy.deepcopy(body)}


WORKER = of_kind("Deployment", snapshot("tenant_stages__worker_deployment"))
SCALED = of_kind("ScaledObject", snapshot("scaling__scaled_object"))


def part(kind, **fields):
    """An object of the worker's with the metadata that all of them have."""
    metadata = {key: WORKER["metadata"][key] for key in ("name", "namespace", "labels", "ownerReferences")}
    return {"apiVersion": VERSIONS[kind], "kind": kind, "metadata": copy.deepcopy(metadata), **fields}


NETWORK = part("NetworkPolicy", spec=snapshot("tenant_stages__worker_network_policy"))
PARTS = [
    part("ServiceAccount"),
    NETWORK,
    part("ConfigMap", data={"subscriptions.json": "{}"}),
    part("PodDisruptionBudget", spec={"maxUnavailable": 1, "selector": {"matchLabels": {"app.kubernetes.io/name": "event-worker"}}}),
    WORKER,
    SCALED,
]


def namespace(name, labels):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}


def made(name, tenant=None):
    """As operator/src/tenant/desired/namespace.rs."""
    return namespace(name, {"app.kubernetes.io/managed-by": "event-operator", TENANT: tenant or name, CREATED: "true",
                            "pod-security.kubernetes.io/enforce": "restricted"})


class Cluster:
    def __init__(self, plane):
        self.plane = plane
        path = "/api/v1/namespaces/event-operator/serviceaccounts/event-operator/token"
        code, answer = plane.ask(ADMIN, "POST", path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
        assert code == 201, answer
        self.token = answer["status"]["token"]
        # Garbage collection takes what belongs to a Tenant that is not there.
        tenant = {"apiVersion": "events.livingtwin.io/v1alpha1", "kind": "Tenant", "metadata": {"name": SPACE}}
        code, answer = plane.ask(ADMIN, "POST", "/apis/events.livingtwin.io/v1alpha1/tenants", tenant)
        assert code == 201, answer
        self.uid = answer["metadata"]["uid"]

    def owned(self, body):
        """With the owner that is there, where it has one."""
        body = copy.deepcopy(body)
        for owner in body["metadata"].get("ownerReferences", []):
            owner["uid"] = self.uid
        return body

    def apply(self, body, token=None, dry=False):
        """Server-side apply as the operator does it."""
        path = PATHS[body["kind"]].format(space=body["metadata"].get("namespace"), name=body["metadata"]["name"])
        query = "?fieldManager=event-operator&force=true" + ("&dryRun=All" if dry else "")
        return self.plane.ask(token or self.token, "PATCH", path + query, self.owned(body), "application/apply-patch+yaml")

    def patch(self, kind, space, name, body, query=""):
        path = PATHS[kind].format(space=space, name=name)
        return self.plane.ask(self.token, "PATCH", path + query, self.owned(body), "application/merge-patch+json")

    def delete(self, kind, space, name, token=None):
        return self.plane.ask(token or self.token, "DELETE", PATHS[kind].format(space=space, name=name))

    def admin(self, body):
        code, answer = self.apply(body, ADMIN)
        assert code in (200, 201), answer


def taken(answer):
    code, body = answer
    assert code in (200, 201), body
    return body


def refused(answer, *words):
    """By a policy of the chart's, and in its words."""
    code, body = answer
    assert code == 422 or code == 403, f"it was taken: {code} {body}"
    message = body["message"]
    assert re.search(r"ValidatingAdmissionPolicy 'event-operator-\w+' with binding", message), message
    for word in words:
        assert word in message, message


@pytest.fixture(scope="session")
def cluster(plane):
    crds = helm("template", "crds", ROOT / "charts/event-operator-crds", "--kube-version", "1.35.0").stdout
    # deleteNamespaces, so that RBAC grants the operator all that it can be granted.
    chart = template(LEAST | {"config": LEAST["config"] | {"deleteNamespaces": True}})
    assert chart.returncode == 0, chart.stderr
    plane.kubectl("create", "namespace", "event-operator")
    for text in (crds + "\n---\n" + json.dumps(SCALED_OBJECTS), chart.stdout):
        # Server-side, so that the API server's whole validation is asked, CEL's compiler included.
        done = plane.kubectl("apply", "--server-side", "-f", "-", text=text)
        assert done.returncode == 0, done.stderr
    kinds = ["scaledobjects.keda.sh", "tenants.events.livingtwin.io", "eventsubscriptions.events.livingtwin.io"]
    done = plane.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", *kinds)
    assert done.returncode == 0, done.stderr
    cluster = Cluster(plane)
    # A policy counts a moment after it is written. Each probe is refused by that one alone.
    cluster.admin(namespace("probes", {TENANT: "probes"}))

    def probe(body, space):
        body = copy.deepcopy(body)
        body["metadata"] |= {"namespace": space, "ownerReferences": []}
        return body

    for policy, body in {
        "namespaces": namespace("no-label", {}),
        "places": probe(part("ConfigMap"), "default"),
        "workers": probe(WORKER, "probes"),
        "networks": probe(part("NetworkPolicy", spec={"podSelector": {}}), "probes"),
    }.items():
        until(f"{policy} is enforced", lambda: in_force(cluster, body, policy), lambda: cluster.apply(body, dry=True))
    taken(cluster.apply(made(SPACE)))
    return cluster


def in_force(cluster, body, policy):
    code, body = cluster.apply(body, dry=True)
    return code >= 400 and f"event-operator-{policy}'" in str(body)


def test_the_expressions_fit_the_kinds(plane, cluster):
    names = [f"event-operator-{one}" for one in ("namespaces", "places", "workers", "networks")]
    path = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies/"

    def checked():
        found = [plane.ask(ADMIN, "GET", path + name)[1] for name in names]
        return all(one.get("status", {}).get("observedGeneration") == one["metadata"]["generation"] for one in found)

    until("the policies are checked", checked)
    for name in names:
        status = plane.ask(ADMIN, "GET", path + name)[1]["status"]
        assert not status.get("typeChecking", {}).get("expressionWarnings"), status


@pytest.mark.parametrize("body", PARTS, ids=lambda one: one["kind"])
def test_a_worker_is_made_kept_and_taken_away(cluster, body):
    made_again = copy.deepcopy(body)
    made_again["metadata"]["annotations"] = {"events.livingtwin.io/applied": "0"}
    taken(cluster.apply(body))
    taken(cluster.apply(made_again))
    name, kind = body["metadata"]["name"], body["kind"]
    # What an owner of an earlier life left behind is taken away by a merge patch.
    taken(cluster.patch(kind, SPACE, name, {"metadata": {"ownerReferences": body["metadata"]["ownerReferences"]}}))
    if kind in ("Deployment", "ScaledObject"):
        taken(cluster.delete(kind, SPACE, name))


def test_a_federated_worker_with_a_store_is_taken(cluster):
    pod = snapshot("federation__federated_pod")
    worker = copy.deepcopy(WORKER)
    template_ = worker["spec"]["template"]
    template_["metadata"]["annotations"] = pod["annotations"]
    store = {"name": "idempotency-store", "secret": {"secretName": "event-worker-store"}}
    template_["spec"]["volumes"] = [*pod["volumes"], store]
    container = template_["spec"]["containers"][0]
    container["env"] += pod["env"]
    container["volumeMounts"] = [*pod["volumeMounts"], {"name": store["name"], "mountPath": "/etc/event-worker-store"}]
    taken(cluster.apply(worker, dry=True))


def test_replicas_are_handed_over(cluster):
    taken(cluster.apply(WORKER))
    few = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "event-worker", "namespace": SPACE},
           "spec": {"replicas": 1}}
    path = PATHS["Deployment"].format(space=SPACE, name="event-worker") + "?fieldManager=event-operator-handover"
    taken(cluster.plane.ask(cluster.token, "PATCH", path, few, "application/apply-patch+yaml"))


def test_what_others_put_into_a_worker_does_not_stop_counting(cluster):
    taken(cluster.apply(WORKER))
    path = PATHS["Deployment"].format(space=SPACE, name="event-worker")
    host = {"spec": {"template": {"spec": {"volumes": [{"name": "host", "hostPath": {"path": "/"}}]}}}}
    code, answer = cluster.plane.ask(ADMIN, "PATCH", path, host, "application/strategic-merge-patch+json")
    assert code == 200, answer
    taken(cluster.patch("Deployment", SPACE, "event-worker", {"metadata": {}, "spec": {"replicas": 0}}))
    image = copy.deepcopy(WORKER)
    image["spec"]["template"]["spec"]["containers"][0]["image"] = "another"
    refused(cluster.apply(image), "volumes")
    code, answer = cluster.delete("Deployment", SPACE, "event-worker", ADMIN)
    assert code == 200, answer


# Where nothing of the operator's belongs.
@pytest.mark.parametrize("space", ["kube-system", "default", "event-operator", "somebodys"])
@pytest.mark.parametrize("body", PARTS, ids=lambda one: one["kind"])
def test_nothing_is_made_outside_of_tenants_namespaces(cluster, body, space):
    cluster.admin(namespace("somebodys", {}))
    body = copy.deepcopy(body)
    body["metadata"]["namespace"] = space
    refused(cluster.apply(body), TENANT)


def test_no_subscription_is_made_outside_of_tenants_namespaces(cluster):
    body = {"apiVersion": "events.livingtwin.io/v1alpha1", "kind": "EventSubscription",
            "metadata": {"name": "events", "namespace": "default", "finalizers": ["events.livingtwin.io/cleanup"]},
            "spec": {"tenantRef": {"name": SPACE}, "topic": "events"}}
    refused(cluster.apply(body), TENANT)
    body["metadata"]["namespace"] = SPACE
    taken(cluster.apply(body))
    taken(cluster.delete("EventSubscription", SPACE, "events"))
    # The last of it, wherever it is.
    body["metadata"]["namespace"] = "default"
    cluster.admin(body)
    taken(cluster.delete("EventSubscription", "default", "events"))
    taken(cluster.patch("EventSubscription", "default", "events", {"metadata": {"finalizers": []}}))


@pytest.mark.parametrize("kind", ["ServiceAccount", "ConfigMap", "Deployment", "NetworkPolicy"])
def test_nothing_of_others_is_written_in_a_tenants_namespace(cluster, kind):
    body = copy.deepcopy(next(one for one in PARTS if one["kind"] == kind))
    body["metadata"]["name"] = "somebodys"
    refused(cluster.apply(body), "event-worker")


def test_nothing_of_others_is_deleted(cluster):
    somebodys = copy.deepcopy(WORKER)
    for space, name in [(SPACE, "somebodys"), ("default", "event-worker")]:
        somebodys["metadata"] |= {"namespace": space, "name": name}
        cluster.admin(somebodys)
        refused(cluster.delete("Deployment", space, name))


def put(path, value):
    """Changes one field of a Deployment; None takes it away."""

    def change(body):
        *way, last = path.split("/")
        inner = reduce(lambda at, key: at[int(key)] if isinstance(at, list) else at.setdefault(key, {}), way, body)
        if value is None:
            inner.pop(last)
        elif isinstance(inner.get(last), list):
            inner[last] = inner[last] + value
        else:
            inner[last] = value

    return change


def both(*changes):
    return lambda body: [change(body) for change in changes]


POD, FIRST = "spec/template/spec", "spec/template/spec/containers/0"
PRIVILEGED = {"name": "more", "image": "x", "securityContext": {"privileged": True}}
ESCAPES = {
    "privileged": (both(put(f"{FIRST}/securityContext/privileged", True),
                        put(f"{FIRST}/securityContext/allowPrivilegeEscalation", None)), "privileged"),
    "a privileged container beside it": (put(f"{POD}/containers", [PRIVILEGED]), "privileged"),
    "a privileged container before it": (put(f"{POD}/initContainers", [PRIVILEGED]), "privileged"),
    "a capability": (put(f"{FIRST}/securityContext/capabilities/add", ["NET_ADMIN"]), "capabilities"),
    "another procMount": (both(put(f"{FIRST}/securityContext/procMount", "Unmasked"), put(f"{POD}/hostUsers", False)), "procMount"),
    "a folder of the node": (put(f"{POD}/volumes", [{"name": "host", "hostPath": {"path": "/"}}]), "volumes"),
    "a volume over the network": (put(f"{POD}/volumes", [{"name": "nfs", "nfs": {"server": "s", "path": "/"}}]), "volumes"),
    "the node's network": (put(f"{POD}/hostNetwork", True), "hostNetwork"),
    "the node's processes": (put(f"{POD}/hostPID", True), "hostPID"),
    "the node's IPC": (put(f"{POD}/hostIPC", True), "hostIPC"),
    "a port of the node": (put(f"{FIRST}/ports", [{"containerPort": 9, "hostPort": 9, "protocol": "TCP"}]), "hostPort"),
    "another account": (put(f"{POD}/serviceAccountName", "default"), "ServiceAccount event-worker"),
    "no account": (put(f"{POD}/serviceAccountName", None), "ServiceAccount event-worker"),
    "the account's token": (put(f"{POD}/automountServiceAccountToken", True), "automountServiceAccountToken"),
    "the account's token by default": (put(f"{POD}/automountServiceAccountToken", None), "automountServiceAccountToken"),
    "a token for the API server": (put(f"{POD}/volumes", [{"name": "t", "projected": {"sources": [
        {"serviceAccountToken": {"path": "token"}}]}}]), "audience"),
    "root": (put(f"{FIRST}/securityContext/runAsUser", 0), "runAsNonRoot"),
    "root for all": (put(f"{POD}/securityContext/runAsUser", 0), "runAsNonRoot"),
    "perhaps root": (put(f"{POD}/securityContext/runAsNonRoot", None), "runAsNonRoot"),
    "root in one container": (put(f"{FIRST}/securityContext/runAsNonRoot", False), "runAsNonRoot"),
    "no seccomp": (put(f"{POD}/securityContext/seccompProfile/type", "Unconfined"), "seccomp"),
    "no seccomp in one container": (put(f"{FIRST}/securityContext/seccompProfile", {"type": "Unconfined"}), "seccomp"),
    "no AppArmor": (put(f"{FIRST}/securityContext/appArmorProfile", {"type": "Unconfined"}), "AppArmor"),
    "another SELinux type": (put(f"{POD}/securityContext/seLinuxOptions", {"type": "spc_t"}), "SELinux"),
    "a process of a Windows host": (both(
        put(f"{FIRST}/securityContext/windowsOptions", {"hostProcess": True}), put(f"{POD}/hostNetwork", True)), "hostNetwork"),
    "pods that no NetworkPolicy finds": (both(put("spec/template/metadata/labels", {"app": "x"}),
                                              put("spec/selector/matchLabels", {"app": "x"})), "NetworkPolicy"),
    "an owner who is no Tenant": (put("metadata/ownerReferences", None), "Tenant"),
}


@pytest.mark.parametrize("name", ESCAPES)
def test_no_pod_is_more_than_a_worker(cluster, name):
    change, word = ESCAPES[name]
    body = copy.deepcopy(WORKER)
    body["metadata"]["name"] = "event-worker-escape"
    taken(cluster.apply(body, dry=True))
    change(body)
    refused(cluster.apply(body, dry=True), word)


def test_no_worker_becomes_more_than_one(cluster):
    before = taken(cluster.apply(WORKER))
    tried = 0
    for name, (change, word) in ESCAPES.items():
        body = copy.deepcopy(WORKER)
        change(body)
        # The selector cannot change at all, an owner is not looked at while the pods are the same, and an account that is said no
        # more stays, because Kubernetes keeps it under another field's name.
        if name in ("pods that no NetworkPolicy finds", "an owner who is no Tenant", "no account"):
            continue
        refused(cluster.apply(body), word)
        tried += 1
    assert tried > 20
    assert taken(cluster.apply(WORKER))["spec"]["template"] == before["spec"]["template"]


def test_no_network_is_opened_to_others(cluster):
    for selector in [{}, {"matchLabels": {"app": "x"}}]:
        body = copy.deepcopy(NETWORK)
        body["spec"]["podSelector"] = selector
        refused(cluster.apply(body), "NetworkPolicy")


def test_a_namespace_is_made_kept_and_deleted(cluster):
    taken(cluster.apply(made("tenant-7")))
    taken(cluster.apply(made("tenant-7")))
    taken(cluster.delete("Namespace", None, "tenant-7"))


def test_a_namespace_counts_from_the_moment_that_it_is_made(cluster):
    for number in range(20):
        name = f"at-once-{number}"
        taken(cluster.apply(made(name)))
        body = part("ServiceAccount")
        body["metadata"]["namespace"] = name
        taken(cluster.apply(body))


def test_namespaces_of_others_are_left_alone(cluster):
    refused(cluster.apply(namespace("without-labels", {})), "makes namespaces")
    refused(cluster.apply(namespace("not-said-to-be-made", {TENANT: "x"})), CREATED)
    cluster.admin(namespace("given", {TENANT: "given"}))
    cluster.admin(namespace("others", {}))
    for name in ["kube-system", "default", "event-operator", "others", "given"]:
        refused(cluster.apply(made(name)), "only namespaces that it made")
        # Those two Kubernetes keeps by itself.
        if name not in ("kube-system", "default"):
            refused(cluster.delete("Namespace", None, name), "only namespaces that it made")
    # One that was there before is a Tenant's when its owner says so.
    body = copy.deepcopy(part("ConfigMap", data={}))
    body["metadata"]["namespace"] = "given"
    taken(cluster.apply(body))


def test_no_namespace_goes_to_another_tenant(cluster):
    taken(cluster.apply(made("tenant-8")))
    refused(cluster.apply(made("tenant-8", "tenant-9")), "another Tenant")
    refused(cluster.patch("Namespace", None, "tenant-8", {"metadata": {"labels": {TENANT: None}}}), "labels")


def test_others_are_not_bound(cluster):
    cluster.admin({**part("ConfigMap", data={}), "metadata": {"name": "anything", "namespace": "default"}})


def test_everything_that_the_chart_can_make_is_taken_by_the_api_server(cluster, tmp_path):
    more = {
        "replicas": 3, "extraEnv": [{"name": "A", "value": "b"}], "extraVolumes": [{"name": "v", "emptyDir": {}}],
        "extraVolumeMounts": [{"name": "v", "mountPath": "/v"}], "podAnnotations": {"a": "b"}, "podLabels": {"a": "b"},
        "priorityClassName": "system-cluster-critical", "nodeSelector": {"a": "b"},
        "tolerations": [{"operator": "Exists"}], "resources": {"limits": {"cpu": 1, "memory": "1Gi"}},
        "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}],
        "imagePullSecrets": [{"name": "x"}], "networkPolicy": {"extraEgress": [{"ports": [{"port": 3128}]}]},
        "extraObjects": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-more"}}],
        "config": LEAST["config"] | {"endpoint": "http://[fd00::1]:8085/", "identity": {
            "mode": "federation", "pool": "tenants", "provider": "prod-eu", "poolProjectNumber": 123456789012}},
    }
    done = template(LEAST | more)
    assert done.returncode == 0, done.stderr
    assert len(objects(done.stdout)) > 10
    applied = cluster.plane.kubectl("apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts",
                                    "-f", "-", text=done.stdout)
    assert applied.returncode == 0, applied.stderr
