"""What a cluster has beside its API server: nodes that say that pods are ready, and the operator, which is started again when it
ends, as a node does."""

import json
import subprocess
import threading
import urllib.request

import yaml

from control_plane import ADMIN, ROOT, free_ports, until

NAMESPACE = "event-operator"


class Nodes(threading.Thread):
    """There are none: each pod is said to be ready."""

    def __init__(self, plane):
        super().__init__(daemon=True)
        self.plane, self.ends = plane, threading.Event()

    def run(self):
        while not self.ends.wait(0.5):
            _, pods = self.plane.ask(ADMIN, "GET", "/api/v1/pods")
            for pod in pods.get("items", []):
                if pod["status"].get("phase") != "Running":
                    self.say_ready(pod["metadata"])

    def say_ready(self, metadata):
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        self.plane.ask(ADMIN, "PATCH", f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}/status",
                       {"status": {"phase": "Running", "conditions": [ready]}}, "application/merge-patch+json")

    def end(self):
        self.ends.set()
        self.join()


class Emulator:
    """Pub/Sub."""

    def __init__(self, binaries, folder):
        (port,) = free_ports(1)
        self.address = f"127.0.0.1:{port}"
        self.process = subprocess.Popen([f"{binaries}/pubsub-emulator", "--port", str(port)],
                                        stderr=(folder / "emulator.log").open("w"))
        until("the emulator answers", self.answers)

    def answers(self):
        try:
            with urllib.request.urlopen(f"http://{self.address}/healthz", timeout=5):
                return True
        except OSError:
            return False

    def end(self):
        self.process.kill()
        self.process.wait()


class Operator(threading.Thread):
    """With its own ServiceAccount, once that is there."""

    def __init__(self, plane, binaries, config, folder):
        super().__init__(daemon=True)
        self.plane, self.binary, self.folder = plane, f"{binaries}/event-operator", folder
        self.log, self.starts, self.ends, self.process = folder / "operator.log", 0, threading.Event(), None
        (folder / "operator.yaml").write_text(yaml.safe_dump(config))

    def token(self):
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/event-operator/token"
        code, answer = self.plane.ask(ADMIN, "POST", path,
                                      {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
        return answer["status"]["token"] if code == 201 else None

    def run(self):
        while not self.ends.wait(0.5):
            if self.process is None or self.process.poll() is not None:
                token = self.token()
                if token:
                    self.start_with(token)

    def start_with(self, token):
        config = json.loads(self.plane.kubeconfig(ADMIN))
        config["users"][0]["user"]["token"] = token
        path = self.folder / "kubeconfig-operator"
        path.write_text(json.dumps(config))
        (port,) = free_ports(1)
        self.starts += 1
        self.process = subprocess.Popen(
            [self.binary, "--config", self.folder / "operator.yaml", "--http-addr", f"127.0.0.1:{port}", "--log-text"],
            env={"KUBECONFIG": str(path), "POD_NAMESPACE": NAMESPACE}, stdout=self.log.open("a"), stderr=subprocess.STDOUT)

    def end(self):
        self.ends.set()
        self.join()
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def words(self):
        return self.log.read_text()[-3000:] if self.log.exists() else "the operator was never started"


def operators_config(emulator):
    """The overlay's: the chart's defaults with what is this cluster's own."""
    config = yaml.safe_load((ROOT / "config/kustomize/base/config.yaml").read_text())
    return config | {"projectId": "demo-project", "clusterId": "demo", "endpoint": emulator.address, "regions": [],
                     "resync": "10s", "visibilityLag": "1s",
                     "worker": config["worker"] | {"image": "registry.example/event-worker:0.1.0"}}
