"""What platforms ask of every pod."""

import re

import pytest

from conftest import ROOT


def labels(objects):
    return objects.the("Deployment")["spec"]["template"]["metadata"]["labels"]


def test_the_selectors_labels_are_not_the_users(refusal, render):
    for label in ["app.kubernetes.io/name", "app.kubernetes.io/instance"]:
        text = refusal({"podLabels": {label: "mine"}})
        assert "podLabels" in text and label in text
    deployment = render({"podLabels": {"team": "events", "app.kubernetes.io/version": "mine"}}).the("Deployment")["spec"]
    found = deployment["template"]["metadata"]["labels"]
    assert found["team"] == "events" and found["app.kubernetes.io/version"] == "mine"
    assert deployment["selector"]["matchLabels"].items() <= found.items()


def test_replicas_are_put_on_different_nodes_where_that_can_be(render):
    objects = render()
    terms = objects.pod["affinity"]["podAntiAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [term["podAffinityTerm"]["topologyKey"] for term in terms] == ["kubernetes.io/hostname"]
    assert terms[0]["podAffinityTerm"]["labelSelector"] == objects.the("Deployment")["spec"]["selector"]
    assert "affinity" not in render({"replicas": 1}).pod
    own = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}}
    assert render({"affinity": own}).pod["affinity"] == own


SPREAD = [{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "ScheduleAnyway",
           "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "event-operator"}}}]


@pytest.mark.parametrize(("key", "value"), [
    ("topologySpreadConstraints", SPREAD),
    ("tolerations", [{"key": "dedicated", "operator": "Exists"}]),
    ("nodeSelector", {"kubernetes.io/os": "linux"}),
    ("priorityClassName", "system-cluster-critical"),
    ("imagePullSecrets", [{"name": "mine"}]),
    ("terminationGracePeriodSeconds", 90),
])
def test_it_is_passed_on(render, key, value):
    assert render({key: value}).pod[key] == value


def test_a_spread_without_a_selector_is_about_the_operators_pods(render):
    bare = {key: value for key, value in SPREAD[0].items() if key != "labelSelector"}
    objects = render({"topologySpreadConstraints": [bare]})
    spread = objects.pod["topologySpreadConstraints"][0]
    assert spread == {**bare, "labelSelector": objects.the("Deployment")["spec"]["selector"]}


def test_it_is_left_out_by_default(render):
    pod = render().pod
    for key in ["topologySpreadConstraints", "tolerations", "nodeSelector", "priorityClassName", "imagePullSecrets"]:
        assert key not in pod


def test_a_call_may_end_before_the_pod_is_killed(render, refusal):
    source = (ROOT / "operator/src/pubsub/google.rs").read_text()
    deadline = int(re.search(r"const DEADLINE: Duration = Duration::from_secs\((\d+)\);", source)[1])
    assert render().pod["terminationGracePeriodSeconds"] >= deadline + 10
    assert "terminationGracePeriodSeconds" in refusal({"terminationGracePeriodSeconds": deadline})


def test_resources_are_words_or_numbers(render):
    resources = {"requests": {"cpu": 1, "memory": "128Mi"}, "limits": {"cpu": 1.5, "memory": "1Gi"}}
    found = render({"resources": resources}).container["resources"]
    assert found == resources


@pytest.mark.parametrize(("limit", "expected"), [(2, "2"), (0.5, "0.5"), (2147483648, "2147483648"), ("500m", "500m")])
def test_a_workers_resources_are_words_for_the_operator(render, limit, expected):
    import yaml

    values = {"config": {"worker": {"limits": {"cpu": limit}, "requests": {"cpu": limit}}}}
    config = yaml.safe_load(render(values).the("ConfigMap")["data"]["config.yaml"])
    assert config["worker"]["limits"] == {"cpu": expected, "memory": "2Gi"}
    assert config["worker"]["requests"] == {"cpu": expected, "memory": "32Mi"}


def test_arguments_and_variables_are_added(render):
    objects = render({"extraArgs": ["--log-text"], "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]})
    assert objects.container["args"][-1] == "--log-text"
    assert objects.container["env"][-1] == {"name": "HTTPS_PROXY", "value": "http://proxy:3128"}


def test_a_variable_of_the_charts_is_not_set_twice(refusal):
    assert "extraEnv" in refusal({"extraEnv": [{"name": "POD_NAME", "value": "x"}]})


def test_volumes_are_added(render):
    volume = {"name": "ca", "configMap": {"name": "ca"}}
    mount = {"name": "ca", "mountPath": "/etc/ssl/certs", "readOnly": True}
    objects = render({"extraVolumes": [volume], "extraVolumeMounts": [mount]})
    assert objects.pod["volumes"][-1] == volume and objects.container["volumeMounts"][-1] == mount


def test_objects_are_added_as_templates(render):
    extra = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "{{ .Release.Name }}-extra"}},
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ include \"event-operator.name\" . }}-text\n",
    ]
    names = [one["metadata"]["name"] for one in render({"extraObjects": extra}).of("ConfigMap")]
    assert {"event-operator-extra", "event-operator-text"} <= set(names)


def test_annotations_are_added_and_the_checksum_stays(render):
    metadata = render({"podAnnotations": {"a": "b"}}).the("Deployment")["spec"]["template"]["metadata"]
    assert metadata["annotations"]["a"] == "b" and metadata["annotations"]["checksum/config"]


def test_the_pod_meets_the_restricted_standard(render):
    objects = render()
    pod, container = objects.pod, objects.container
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                            "capabilities": {"drop": ["ALL"]}}


def test_a_release_may_be_called_by_a_number(render):
    assert labels(render(release="123"))["app.kubernetes.io/instance"] == "123"
