"""What the operator may reach, and who may reach it."""

import pytest

FEDERATION = {"mode": "federation", "pool": "tenants", "provider": "prod-eu", "poolProjectNumber": 123456789012}


def policy(objects):
    return objects.the("NetworkPolicy")["spec"]


def open_ports(objects):
    """Ports that are open to everywhere."""
    return [port["port"] for rule in policy(objects)["egress"] if "to" not in rule for port in rule["ports"]]


@pytest.mark.parametrize(("endpoint", "port"), [
    ("emulator:8085", 8085),
    ("emulator", 80),
    ("emulator2", 80),
    ("10.0.0.7", 80),
    ("http://emulator:8085", 8085),
    ("http://emulator:8085/", 8085),
    ("http://emulator", 80),
    ("http://emulator/v1:9", 80),
    ("http://emulator:8085/v1:9/x?y=:7#:6", 8085),
    ("https://emulator:8443/x", 8443),
    ("http://user:6543@emulator/", 80),
    ("http://user:6543@emulator:8085/", 8085),
    ("http://[fd00::1]:8085/", 8085),
    ("http://[fd00::1]/", 80),
    ("[fd00::1]:8085", 8085),
    ("[fd00::1]", 80),
])
def test_the_emulators_port_is_opened(render, endpoint, port):
    assert open_ports(render({"config": {"endpoint": endpoint}})) == [53, 53, 443, 6443, port]


@pytest.mark.parametrize("endpoint", ["https://emulator", "https://[fd00::1]", "https://user:1@emulator/x:2", "https://emulator:443"])
def test_https_is_open_as_it_is(render, endpoint):
    assert open_ports(render({"config": {"endpoint": endpoint}})) == [53, 53, 443, 6443]


def test_without_an_emulator_nothing_is_opened_for_one(render):
    assert open_ports(render()) == [53, 53, 443, 6443]


@pytest.mark.parametrize(("url", "ports"), [
    ("https://sts.example.com:8443/token", [8443]),
    ("https://sts.example.com/v1:99/token", []),
    ("http://sts.example.com/token", [80]),
    ("http://[fd00::1]:9090/", [9090]),
])
def test_where_tokens_are_exchanged_is_reached(render, url, ports):
    values = {"config": {"identity": {**FEDERATION, "tokenUrl": url}}}
    assert open_ports(render(values)) == [53, 53, 443, 6443, *ports]


def test_the_nodes_metadata_server_is_reached_on_gke_alone(render):
    assert "169.254.169.254/32" in str(policy(render()))
    assert "169.254" not in str(policy(render({"config": {"identity": FEDERATION}})))


def test_more_may_be_reached(render):
    collector = {"ports": [{"protocol": "TCP", "port": 4317}],
                 "to": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "otel"}}}]}
    assert policy(render({"networkPolicy": {"extraEgress": [collector]}}))["egress"][-1] == collector


def metrics(objects):
    return next(rule for rule in policy(objects)["ingress"] if rule["ports"][0]["port"] == "http")


def test_metrics_are_read_by_those_who_are_named(render):
    assert metrics(render())["from"] == [{"namespaceSelector": {}}]
    peers = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
              "podSelector": {"matchLabels": {"app.kubernetes.io/name": "prometheus"}}}]
    assert metrics(render({"networkPolicy": {"metricsFrom": peers}}))["from"] == peers


def test_keda_alone_asks_for_backlogs_and_may_be_kept_out(render):
    scaler = [rule for rule in policy(render())["ingress"] if rule["ports"][0]["port"] == "scaler"]
    assert scaler[0]["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "keda"}}}]
    assert "scaler" not in str(policy(render({"networkPolicy": {"kedaFrom": []}}))["ingress"])


def test_it_is_about_the_operators_pods(render):
    objects = render()
    assert policy(objects)["podSelector"] == objects.the("Deployment")["spec"]["selector"]


def test_it_may_be_left_out(render):
    assert not render({"networkPolicy": {"enabled": False}}).of("NetworkPolicy")
