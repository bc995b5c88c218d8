"""What the chart hands on about workers' pods, and the right that it takes."""

import pytest
import yaml


def configuration(objects):
    return yaml.safe_load(objects.the("ConfigMap", "event-operator")["data"]["config.yaml"])


def test_the_operator_is_given_what_the_values_say_of_pods(render):
    worker = {
        "user": "platform",
        "allow": ["nodeSelector"],
        "template": {
            "imagePullSecrets": [{"name": "mirror"}],
            "tolerations": [{"key": "events", "operator": "Exists"}],
            "volumes": [{"name": "authorities", "configMap": {"name": "authorities"}}],
            "volumeMounts": [{"name": "authorities", "mountPath": "/etc/ssl/certs"}],
        },
        "env": [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "http://collector.monitoring:4317"}],
        "networkPolicy": {
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "extraEgress": [{"ports": [{"port": 3128}]}],
        },
    }
    written = configuration(render({"config": {"worker": worker}}))["worker"]
    assert {key: written[key] for key in worker} == worker


def test_by_default_no_pod_has_more_and_the_list_of_what_is_allowed_is_that_of_the_default_file(render):
    from conftest import ROOT

    default = yaml.safe_load((ROOT / "config/operator.yaml").read_text())["worker"]
    written = configuration(render())["worker"]
    for key in ["user", "allow", "template", "env", "networkPolicy"]:
        assert written[key] == default[key], key


@pytest.mark.parametrize(
    ("worker", "named"),
    [
        ({"user": "root"}, "/config/worker/user"),
        ({"allow": ["hostPath"]}, "/config/worker/allow/0"),
        ({"template": {"hostNetwork": True}}, "hostNetwork"),
        ({"template": {"securityContext": {}}}, "securityContext"),
        ({"template": {"tolerations": {}}}, "/config/worker/template/tolerations"),
        ({"template": {"labels": {"a": 1}}}, "/config/worker/template/labels/a"),
        ({"env": {"A": "b"}}, "/config/worker/env"),
        ({"networkPolicy": {"extraEgres": []}}, "extraEgres"),
    ],
    ids=str,
)
def test_what_cannot_be_is_named(refusal, worker, named):
    assert named in refusal({"config": {"worker": worker}})


def test_services_are_read_one_by_one(render):
    rules = render().the("ClusterRole", "event-operator")["rules"]
    about = [rule for rule in rules if "services" in rule["resources"]]
    assert [(rule["resources"], rule["verbs"]) for rule in about] == [(["services"], ["get"])]
