"""A real control plane on loopback, without nodes: etcd, API server and controller manager, which end with this process
however it ends."""

import json
import os
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
ADMIN = "admin"
PATIENCE = 90

# Ends the servers when its standard input ends.
SUPERVISOR = r"""
cd "$1"
$ETCD --data-dir=etcd --unsafe-no-fsync --listen-client-urls="$ETCD_URL" --advertise-client-urls="$ETCD_URL" \
    --listen-peer-urls="$PEER_URL" --initial-advertise-peer-urls="$PEER_URL" --initial-cluster="default=$PEER_URL" \
    --log-level=warn >etcd.log 2>&1 </dev/null &
pids=$!
$APISERVER --etcd-servers="$ETCD_URL" --bind-address=127.0.0.1 --advertise-address=127.0.0.1 --secure-port="$PORT" \
    --cert-dir=certs --service-cluster-ip-range=10.96.0.0/16 --authorization-mode=RBAC --allow-privileged=true --token-auth-file=tokens.csv \
    --service-account-issuer=https://kubernetes.default.svc --service-account-key-file=sa.key \
    --service-account-signing-key-file=sa.key --endpoint-reconciler-type=none >apiserver.log 2>&1 </dev/null &
pids="$pids $!"
until [ -s certs/apiserver.crt ] || ! kill -0 $! 2>/dev/null; do sleep 0.1; done
$CONTROLLERS --kubeconfig=kubeconfig-controllers --use-service-account-credentials --leader-elect=false \
    --service-account-private-key-file=sa.key --bind-address=127.0.0.1 --secure-port=0 >controllers.log 2>&1 </dev/null &
pids="$pids $!"
cat >/dev/null
kill -9 $pids 2>/dev/null
wait
"""


def binaries():
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        return {name: f"{assets}/{name}" for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")}
    kube = ROOT / ".cache/cluster/bin/kube"
    assert kube.exists(), f"{kube} is missing; build it with: e2e/cluster/cluster build --control-plane-only"
    return {name: f"{kube} {name}" for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kubectl")}


def free_ports(number):
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [one.getsockname()[1] for one in held]
    for one in held:
        one.close()
    return ports


class ControlPlane:
    def __enter__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="chart-policy-"))
        self.binaries = binaries()
        etcd, peer, port = free_ports(3)
        self.url = f"https://127.0.0.1:{port}"
        subprocess.run(["openssl", "genrsa", "-out", "sa.key", "2048"], cwd=self.folder, check=True, capture_output=True)
        tokens = f"{ADMIN},{ADMIN},{ADMIN},system:masters\ncontrollers,system:kube-controller-manager,controllers,\n"
        (self.folder / "tokens.csv").write_text(tokens)
        for user in (ADMIN, "controllers"):
            (self.folder / f"kubeconfig-{user}").write_text(self.kubeconfig(user))
        environment = os.environ | {
            "ETCD": self.binaries["etcd"],
            "APISERVER": self.binaries["kube-apiserver"],
            "CONTROLLERS": self.binaries["kube-controller-manager"],
            "ETCD_URL": f"http://127.0.0.1:{etcd}",
            "PEER_URL": f"http://127.0.0.1:{peer}",
            "PORT": str(port),
        }
        self.supervisor = subprocess.Popen(["sh", "-c", SUPERVISOR, "control-plane", str(self.folder)],
                                           stdin=subprocess.PIPE, env=environment)
        try:
            until("the API server is ready", lambda: self.kubectl("get", "--raw", "/readyz").returncode == 0, self.log)
        except BaseException:
            self.__exit__()
            raise
        self.trust = ssl.create_default_context(cafile=str(self.folder / "certs/apiserver.crt"))
        return self

    def __exit__(self, *_):
        self.supervisor.stdin.close()
        self.supervisor.wait()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        path = self.folder / "apiserver.log"
        return path.read_text()[-3000:] if path.exists() else "it was never started"

    def kubeconfig(self, user):
        return json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.url,
                                                      "certificate-authority": str(self.folder / "certs/apiserver.crt")}}],
            "users": [{"name": user, "user": {"token": user}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": user}}],
        })

    def kubectl(self, *args, text=None):
        """As admin."""
        command = [*self.binaries["kubectl"].split(), "--kubeconfig", str(self.folder / f"kubeconfig-{ADMIN}"), *args]
        return subprocess.run(command, input=text, capture_output=True, text=True, check=False)

    def ask(self, token, method, path, body=None, kind="application/json"):
        """The code and the answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {token}", "content-type": kind, "accept": "application/json"}
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with urllib.request.urlopen(request, context=self.trust, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)


def until(what, condition, explain=lambda: ""):
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"not after {PATIENCE} s: {what}; {explain()}"
        time.sleep(0.1)
