"""What scrapes the metrics, by the kinds that a cluster has."""

import pytest


def test_nothing_of_foreign_kinds_by_default(render):
    groups = {one["apiVersion"].split("/")[0] for one in render() if "/" in one["apiVersion"]}
    assert not {group for group in groups if group.endswith(("coreos.com", "googleapis.com"))}


def on(**values):
    return {key: {"enabled": True, **(value or {})} for key, value in values.items()}


def test_the_operators_pods_by_pod_monitor(render):
    objects = render(on(podMonitor={"labels": {"release": "prometheus"}, "interval": "15s"}))
    monitor = objects.the("PodMonitor")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["podMetricsEndpoints"][0]["interval"] == "15s"
    assert monitor["spec"]["selector"] == objects.the("Deployment")["spec"]["selector"]


def test_the_operators_pods_by_service_monitor(render):
    objects = render(on(serviceMonitor={"labels": {"release": "prometheus"}}))
    monitor, service = objects.the("ServiceMonitor"), objects.the("Service")
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    endpoint = monitor["spec"]["endpoints"][0]
    assert endpoint["port"] in [port["name"] for port in service["spec"]["ports"]]


def test_no_pod_is_scraped_twice(refusal):
    assert "podMonitor" in refusal(on(podMonitor=None, serviceMonitor=None))


def test_the_workers_in_every_namespace(render):
    monitor = render(on(workerPodMonitor={"interval": "1m"})).the("PodMonitor")
    assert monitor["spec"]["namespaceSelector"] == {"any": True}
    assert monitor["spec"]["selector"]["matchLabels"] == {"app.kubernetes.io/name": "event-worker",
                                                          "app.kubernetes.io/managed-by": "event-operator"}
    [endpoint] = monitor["spec"]["podMetricsEndpoints"]
    # By this label alerts and dashboards know whose a worker is.
    assert [one["targetLabel"] for one in endpoint.pop("relabelings")] == ["tenant"]
    assert endpoint == {"port": "http", "path": "/metrics", "interval": "1m"}


def test_both_may_be_watched(render):
    names = [one["metadata"]["name"] for one in render(on(podMonitor=None, workerPodMonitor=None)).of("PodMonitor")]
    assert len(set(names)) == 2


def test_googles_managed_prometheus(render):
    objects = render(on(podMonitoring={"workers": True}))
    own, workers = objects.the("PodMonitoring"), objects.the("ClusterPodMonitoring")
    assert own["spec"]["selector"] == objects.the("Deployment")["spec"]["selector"]
    assert workers["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] == "event-worker"
    assert not render(on(podMonitoring={"workers": False})).of("ClusterPodMonitoring")


@pytest.mark.parametrize("key", ["podMonitor", "serviceMonitor", "workerPodMonitor", "podMonitoring"])
def test_a_wrong_interval_is_named(refusal, key):
    assert f"/{key}/interval" in refusal(on(**{key: {"interval": "often"}}))
