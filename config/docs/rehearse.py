#!/usr/bin/env python3
"""Holds every command block of README.md and docs against the real tools, as far as that goes without Google Cloud and without pods.

    rehearse.py [DOCUMENT…]      exit code 1: each fault is a line FILE:LINE: COMMAND: WHAT

The blocks of a page run in one shell, one after the other. Of their commands

    kubectl, helm   run on a real API server, which has the kinds, a Tenant with its objects, and the operator's release, but no pods:
                    what needs a pod may fail, what the tool does not understand may not
    gcloud          reads its arguments, and goes no further: it has no account and no network
    make            says what it would do
    cargo           has to have the package and the test that are named
    scripts         have to be there; they are not run
    others          (tofu, curl, redis-cli, …) are not run; their arguments are not looked at

A tool that is not installed is named at the end. Needs the bundled control plane: e2e/cluster/cluster build.
"""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import blocks

sys.path.insert(0, str(blocks.ROOT / "charts/test/policy"))

import control_plane  # noqa: E402 - charts/test/policy starts the API server

TENANT = "tenant-123"
TOPIC = "document-events"
PROJECT = "acme-events-1"
# What stands in the documents for a name of the reader's.
PLACEHOLDERS = {
    "NAMESPACE": TENANT, "NAME": TENANT, "TOPIC": TOPIC, "POD": "event-worker-0", "EXECUTION": "event-worker-tenant-123-abcde",
    "SUBSCRIPTION": f"living-twin-{TOPIC}-{TENANT}-dlq", "EVENT_ID": "event-1", "PASSWORD": "secret", "ADDRESS": "address.of.a.resource",
}
VARIABLES = {
    "PROJECT": PROJECT, "PROJECT_ID": PROJECT, "SECOND": "acme-events-2", "GCP_TEST_PROJECT": PROJECT, "NUMBER": "123456789012",
    "REGISTRY": "registry.example/images", "REGION": "europe-west1", "TENANT_ID": TENANT,
    "POOL": f"projects/123456789012/locations/global/workloadIdentityPools/{PROJECT}.svc.id.goog",
}
# Files that readers have by then.
FILES = {"google.yaml": "{}\n", "mine.yaml": "{}\n", "jwks.json": "{}\n", "job.yaml": "{}\n", "redis-ca.pem": "none\n"}
NOT_RUN = "argocd asciinema chromium cosign curl docker eventctl event-worker flux git kind mdbook npm npx pip promtool redis-cli sudo terraform tofu velero".split()
# What kubectl says of a command that it does not understand, and not of a cluster in which something is not there.
MISUSE = re.compile(
    r"unknown (command|flag|shorthand)|required flag|invalid argument|Error from server \((BadRequest|Invalid)\)|exactly|must specify|must be|error parsing"
    r"|doesn't have a resource type|error: (unknown|unable to match|expected)|no matches for kind|unrecognized|the path .* does not exist"
)
# Needs a pod, a node or another server; only misuse counts.
MAY_FAIL = {"logs", "port-forward", "top", "exec", "rollout", "attach"}
LONG_WAIT = re.compile(r"^--timeout")
GCLOUD_READ = "1234"


def fault_of(tool, arguments):
    """Runs a command as far as it goes; what is wrong with it, and what it prints."""
    return {"kubectl": kubectl, "helm": helm, "gcloud": gcloud, "make": make, "cargo": cargo}[tool](arguments)


def _run(command, **more):
    return subprocess.run(command, capture_output=True, text=True, check=False, **more)


def kubectl(arguments):
    verb = next((one for one in arguments if not one.startswith("-") and one not in ("-n",)), "")
    words = [one for one in arguments if one not in ("-w", "--watch") and not LONG_WAIT.match(one)]
    verbs = set(arguments) & (MAY_FAIL | {"wait"})
    if "wait" in verbs or "rollout" in verbs:
        words.append("--timeout=5s")
    command = [*shlex.split(os.environ["REAL_KUBECTL"]), *words]
    try:
        done = _run(command, stdin=None if "-f" in arguments and "-" in arguments else subprocess.DEVNULL, timeout=20)
    except subprocess.TimeoutExpired:
        return None if verbs else f"{verb} does not end", ""
    if done.returncode and (MISUSE.search(done.stderr) or not verbs & MAY_FAIL):
        words = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return next((line for line in words if "rror" in line or "nvalid" in line), words[-1]), done.stdout
    return None, done.stdout


def helm(arguments):
    done = _run([*shlex.split(os.environ["REAL_HELM"]), *arguments], cwd=os.environ["TREE"], timeout=120)
    return (done.stderr.strip().splitlines() or ["it failed"])[-1] if done.returncode else None, done.stdout


def gcloud(arguments):
    real = os.environ.get("REAL_GCLOUD")
    if not real:
        return None, GCLOUD_READ
    settings = {"CLOUDSDK_CONFIG": os.environ["TREE"] + "/gcloud", "CLOUDSDK_CORE_DISABLE_PROMPTS": "1", "CLOUDSDK_CORE_CHECK_GCE_METADATA": "false",
                "CLOUDSDK_METRICS_ENVIRONMENT": "", "CLOUDSDK_CORE_DISABLE_USAGE_REPORTING": "true", "PATH": os.environ["SYSTEM_PATH"],
                "HOME": os.environ["TREE"], "HTTPS_PROXY": "http://127.0.0.1:9"}
    try:
        done = _run([real, *arguments], env=settings, stdin=subprocess.DEVNULL, timeout=60)
    except subprocess.TimeoutExpired:
        return "gcloud does not end", GCLOUD_READ
    # 2 is what gcloud ends with over its arguments; anything later fails for want of an account.
    return done.stderr.strip().splitlines()[0] if done.returncode == 2 else None, GCLOUD_READ


def make(arguments):
    done = _run([os.environ["REAL_MAKE"], "--dry-run", *arguments], cwd=blocks.ROOT)
    return done.stderr.strip() if done.returncode else None, ""


def cargo(arguments):
    manifests = [path.read_text() for path in blocks.ROOT.glob("**/Cargo.toml") if "target" not in path.parts and ".cache" not in path.parts]
    for before, name in zip(arguments, arguments[1:]):
        if before == "-p" and not any(f'name = "{name}"' in text for text in manifests):
            return f"there is no package {name}", ""
        if before == "--test" and not list(blocks.ROOT.glob(f"**/tests/{name}")) and not list(blocks.ROOT.glob(f"**/tests/{name}.rs")):
            return f"there is no test {name}", ""
    return None, ""


def shim():
    """What stands in the place of a tool, in the shell of a page."""
    tool, arguments = Path(sys.argv[0]).name, sys.argv[1:]
    if tool in NOT_RUN:
        return
    fault, printed = fault_of(tool, arguments)
    with Path(os.environ["REPORT"]).open("a") as report:
        print(json.dumps([os.environ["BLOCK"], " ".join([tool, *arguments]), fault]), file=report)
    print(printed, end="" if printed.endswith("\n") or not printed else "\n")


def is_command(text, name):
    return re.search(rf"(?:^|[|;&(]\s*|^\s*(?:[A-Z_]+=\S*\s+)+){re.escape(name)}(?=\s|$)", text, re.MULTILINE)


class Rehearsal:
    """The tools' stand-ins, and a cluster in which the documents' commands find what they name."""

    def __init__(self, plane, folder):
        self.plane, self.folder = plane, folder
        self.shims, self.report = folder / "bin", folder / "report"
        self.config = plane.folder / "kubeconfig-admin"
        self.shims.mkdir()
        for tool in ("kubectl", "helm", "gcloud", "make", "cargo", *NOT_RUN):
            (self.shims / tool).symlink_to(Path(__file__).resolve())
        self.missing = [tool for tool in ("gcloud", "make") if not shutil.which(tool)]
        self.helm = [str(blocks.ROOT / ".cache/cluster/bin/helm")] if (blocks.ROOT / ".cache/cluster/bin/helm").exists() else ["helm"]

    def must(self, *command, text=None):
        done = self.plane.kubectl(*command, text=text)
        if done.returncode:
            sys.exit(f"kubectl {' '.join(command)}: {done.stderr}")
        return done.stdout

    def there(self, kind, name, *where):
        return self.plane.kubectl("get", kind, name, *where).returncode == 0

    def furnish(self):
        """Makes what the documents talk about, where it is missing."""
        if not self.there("crd", "tenants.events.livingtwin.io"):
            charts = blocks.ROOT / "charts"
            self.must("apply", "-f", "-", text=SCALED_OBJECT)
            for name, more in (("event-operator-crds", []), ("event-operator", RELEASE)):
                done = _run([*self.helm, "--kubeconfig", str(self.config), "upgrade", "--install", name, str(charts / name),
                             "-n", "event-operator", "--create-namespace", *more])
                if done.returncode:
                    sys.exit(f"helm: {done.stderr}")
            self.must("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        elif _run([*self.helm, "--kubeconfig", str(self.config), "status", "event-operator", "-n", "event-operator"]).returncode:
            _run([*self.helm, "--kubeconfig", str(self.config), "install", "event-operator", str(blocks.ROOT / "charts/event-operator"),
                  "-n", "event-operator", *RELEASE])
        if self.there("tenant", TENANT) and self.there("evsub", TOPIC, "-n", TENANT):
            return
        for object_ in objects():
            if object_["kind"] == "Pod":
                # A controller makes the namespace's ServiceAccount, without which a pod is refused.
                control_plane.until("the namespace has its ServiceAccount", lambda: self.there("serviceaccount", "default", "-n", TENANT))
            self.must("apply", "-f", "-", text=json.dumps(object_))
            if "status" in object_:
                where = ["-n", object_["metadata"]["namespace"]] if "namespace" in object_["metadata"] else []
                self.must("patch", object_["kind"].lower(), object_["metadata"]["name"], *where, "--subresource=status", "--type=merge",
                          "-p", json.dumps({"status": object_["status"]}))

    def tree(self, text):
        """A folder in which the paths that a page names are there, and scripts are stand-ins."""
        tree = Path(tempfile.mkdtemp(dir=self.folder))
        for name, content in FILES.items():
            (tree / name).write_text(content)
        for name in set(re.findall(r"[\w.-]+(?:/[\w.-]+)+", text)):
            real, there = blocks.ROOT / name, tree / name
            if not real.exists() or there.exists() or any(parent.is_symlink() for parent in there.parents):
                continue
            there.parent.mkdir(parents=True, exist_ok=True)
            if is_command(text, name):
                there.write_text("#!/bin/sh\necho {}\n")
                there.chmod(0o755)
            else:
                there.symlink_to(real)
        return tree

    def environment(self, text, tree):
        names = set(re.findall(r"\$\{?([A-Z][A-Z0-9_]*)", text)) - set(re.findall(r"(?:^|[\s;(])([A-Z][A-Z0-9_]*)=", text))
        unset = {name: VARIABLES.get(name, name.lower().replace("_", "-")) for name in names if name not in os.environ}
        return os.environ | unset | {
            "PATH": f"{self.shims}:{os.environ['PATH']}", "SYSTEM_PATH": os.environ["PATH"], "REPORT": str(self.report), "TREE": str(tree),
            "REAL_KUBECTL": f"{self.plane.binaries['kubectl']} --kubeconfig {self.config}",
            "REAL_HELM": f"{' '.join(self.helm)} --kubeconfig {self.config}",
            "REAL_GCLOUD": shutil.which("gcloud") or "", "REAL_MAKE": shutil.which("make") or "true",
        }

    def page(self, found):
        """Every fault of the blocks of a page, and how many commands of a tool there were."""
        self.furnish()
        self.report.write_text("")
        script, text = "", ""
        for block in found:
            body = block.commands()
            for name, value in PLACEHOLDERS.items():
                body = re.sub(rf"(?<![$\w{{.-]){name}(?![\w=}}])", value, body)
            syntax = _run(["bash", "-n", "-c", body])
            if syntax.returncode:
                yield block.where, "bash", syntax.stderr.strip().splitlines()[0]
                continue
            script += f"export BLOCK={block.where}\n{body}\n"
            text += body
        tree = self.tree(text)
        done = _run(["bash", "-c", script], cwd=tree, env=self.environment(text, tree), stdin=subprocess.DEVNULL, timeout=600)
        for line in done.stderr.splitlines():
            if "command not found" in line or "No such file or directory" in line:
                yield found[0].document, "bash", line
        for line in self.report.read_text().splitlines():
            yield json.loads(line)


RELEASE = ["--set", f"image.repository=registry.example/event-operator,image.tag=0.1.0,config.projectId={PROJECT}",
           "--set", "config.worker.image=registry.example/event-worker:0.1.0"]
SCALED_OBJECT = json.dumps({
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "scaledobjects.keda.sh"},
    "spec": {"group": "keda.sh", "scope": "Namespaced", "names": {"kind": "ScaledObject", "plural": "scaledobjects", "singular": "scaledobject"},
             "versions": [{"name": "v1alpha1", "served": True, "storage": True,
                           "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]},
})


def objects():
    """A Tenant with what is its own, as far as documents name it."""
    def conditions(*types):
        return [{"type": one, "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"} for one in types]

    labels = {"app.kubernetes.io/name": "event-worker"}
    container = {"name": "worker", "image": "registry.example/event-worker:0.1.0"}
    own = {"namespace": TENANT, "name": "event-worker"}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TENANT}}
    yield {"apiVersion": "events.livingtwin.io/v1alpha1", "kind": "Tenant", "metadata": {"name": TENANT}, "spec": {},
           "status": {"conditions": conditions("Ready", "SubscriptionsReady", "WorkerReady", "Suspended")}}
    for topic in (TOPIC, "user-events"):
        yield {"apiVersion": "events.livingtwin.io/v1alpha1", "kind": "EventSubscription", "metadata": {"namespace": TENANT, "name": topic},
               "spec": {"tenantRef": {"name": TENANT}, "topic": topic}, "status": {"conditions": conditions("Ready")}}
    yield {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": own}
    yield {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": own,
           "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}}}}
    yield {"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": TENANT, "name": "event-worker-0", "labels": labels}, "spec": {"containers": [container]}}


# Each of these is a fault that has to be noticed, before it counts that none is in the documents.
FAULTS = r"""kubectl get tenantz
kubectl get tenants --outputt wide
kubectl patch tenant tenant-123 --type merge -p '{"spec":{"topics":"Some"}}'
kubectl -n tenant-123 logs deployment/event-worker --sinse=15m
helm upgrade event-operator charts/event-operator -n event-operator --reuse-values --set config.nosuch=1
gcloud pubsub topics list --projekt x
make nosuchtarget
cargo run -p nosuch
config/nosuch/script.sh
"""


def overlooked(rehearsal):
    """The faults of FAULTS that are not noticed, but for those of tools that are not there."""
    for line in FAULTS.splitlines():
        if line.split()[0] in rehearsal.missing:
            continue
        if not any(fault for *_, fault in rehearsal.page([blocks.Block("a fault on purpose", 1, "sh", line + "\n", None)])):
            yield line


def main(documents):
    pages = {}
    for block in blocks.all_commands():
        if (not documents or block.document in documents) and block.mark != ("run by", "config/docs/run_blocks.py"):
            pages.setdefault(block.document, []).append(block)
    wrong, commands = [], 0
    with tempfile.TemporaryDirectory(prefix="rehearsal-") as folder, control_plane.ControlPlane() as plane:
        rehearsal = Rehearsal(plane, Path(folder))
        missed = list(overlooked(rehearsal))
        if missed:
            sys.exit("not noticed: " + "; not noticed: ".join(missed))
        for found in pages.values():
            for where, command, fault in rehearsal.page(found):
                commands += 1
                if fault:
                    wrong.append(f"{where}: {command}: {fault}")
    for tool in rehearsal.missing:
        print(f"NOT looked at: commands of {tool}, which is not installed")
    if wrong:
        sys.exit("\n".join(wrong))
    print(f"{sum(map(len, pages.values()))} blocks of {len(pages)} pages, {commands} commands: the tools understand them")


if __name__ == "__main__":
    if Path(sys.argv[0]).name == Path(__file__).resolve().name:
        main(sys.argv[1:])
    else:
        shim()
