#!/usr/bin/env python3
"""Runs blocks of the documents as they stand: the handler guide, the recovery of dead letters, the cost, and the Tenant of the migration.

    run_blocks.py --binaries DIR      DIR has pubsub-emulator, event-worker and eventctl

Servers listen on free ports of loopback, and end with this process.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

import blocks

PATIENCE = 60
PROJECT = "documents"
TOPIC = "living-twin-document-events"
TENANT = "tenant-123"
BINARIES = None


def eventually(what, condition):
    """Waits until a condition holds, and gives what it gave."""
    deadline = time.monotonic() + PATIENCE
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > deadline:
            raise AssertionError(f"not after {PATIENCE} s: {what}")
        time.sleep(0.05)


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as held:
        return held.getsockname()[1]


def block(document, language, beginning):
    """The one block of a document in a language that holds a text."""
    found = [one for one in blocks.blocks(document) if one.language == language and beginning in one.text]
    assert len(found) == 1, f"{document} has {len(found)} blocks with {beginning!r}"
    assert found[0].mark and found[0].mark[0] == "run by", f"{found[0].where} is not marked as run"
    return found[0].commands()


def shell(script, folder, **variables):
    """Runs a block in a folder, and gives what it prints."""
    environment = os.environ | {name: str(value) for name, value in variables.items()}
    done = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{script}\nexited {done.returncode}: {done.stdout}{done.stderr}"
    return done.stdout


class Documents(unittest.TestCase):
    """A folder, and processes that end with the test."""

    def setUp(self):
        self.stack = contextlib.ExitStack()
        self.addCleanup(self.stack.close)
        self.folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="documents-")))

    def start(self, *command, name, **variables):
        log = (self.folder / f"{name}.log").open("wb")
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **{key: str(value) for key, value in variables.items()}}
        process = subprocess.Popen([str(one) for one in command], cwd=self.folder, env=environment, stdout=log, stderr=log)

        def end():
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            log.close()

        self.stack.callback(end)
        return process

    def log(self, name):
        return (self.folder / f"{name}.log").read_text()

    def emulator(self):
        """Its address, host:port."""
        self.start(BINARIES / "pubsub-emulator", "--port", "0", name="emulator", NO_COLOR="1")
        found = eventually("the emulator listens", lambda: re.search(r"127\.0\.0\.1:\d+", self.log("emulator")))
        return found[0]

    def call(self, address, method, path, body=None):
        request = urllib.request.Request(
            f"http://{address}{path}", method=method, data=None if body is None else json.dumps(body).encode(),
            headers={"content-type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            return json.load(answer)

    def plane(self, address):
        """The topic, the dead letters and the subscription of a tenant, as the operator makes them, with the shortest backoff."""
        base = f"projects/{PROJECT}"
        tenants = f'attributes.tenant_id = "{TENANT}"'
        for topic in (TOPIC, f"{TOPIC}-dlq"):
            self.call(address, "PUT", f"/v1/{base}/topics/{topic}", {})
        self.call(address, "PUT", f"/v1/{base}/subscriptions/{TOPIC}-{TENANT}-dlq",
                  {"topic": f"{base}/topics/{TOPIC}-dlq", "filter": tenants, "ackDeadlineSeconds": 600})
        self.call(address, "PUT", f"/v1/{base}/subscriptions/{TOPIC}-{TENANT}-worker", {
            "topic": f"{base}/topics/{TOPIC}", "filter": tenants, "ackDeadlineSeconds": 600,
            "retryPolicy": {"minimumBackoff": "0s", "maximumBackoff": "0s"},
            "deadLetterPolicy": {"deadLetterTopic": f"{base}/topics/{TOPIC}-dlq", "maxDeliveryAttempts": 5},
        })
        number = next(one["projectNumber"] for one in self.call(address, "GET", "/emulator/v1/projects")["projects"]
                      if one["projectId"] == PROJECT)
        agent = f"serviceAccount:service-{number}@gcp-sa-pubsub.iam.gserviceaccount.com"
        for resource, role in ((f"{base}/topics/{TOPIC}-dlq", "publisher"), (f"{base}/subscriptions/{TOPIC}-{TENANT}-worker", "subscriber")):
            self.call(address, "PUT", f"/emulator/v1/policies/{resource}",
                      {"bindings": [{"role": f"roles/pubsub.{role}", "members": [agent]}]})

    def backlog(self, address, name):
        found = self.call(address, "GET", "/emulator/v1/subscriptions")["subscriptions"]
        return next(one["backlog"] for one in found if one["name"].endswith(f"/{TOPIC}-{TENANT}-{name}"))

    def publish(self, address, event_id, data, event_type="document.ingested"):
        subprocess.run(
            [BINARIES / "eventctl", "publish", "--project", PROJECT, "--topic", "document-events", "--tenant", TENANT,
             "--type", event_type, "--event-id", event_id, "--data", json.dumps(data)],
            check=True, capture_output=True, env={"PUBSUB_EMULATOR_HOST": address, "PATH": os.environ["PATH"]},
        )


class Handlers(Documents):
    """docs/handlers.md: its handler, asked by the worker and by the curl of the page."""

    def handled(self):
        path = self.folder / "documents.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            return sorted(database.execute("SELECT key, document FROM handled").fetchall())

    def serve(self):
        port = free_port()
        (self.folder / "handler.py").write_text(block("docs/handlers.md", "python", "BaseHTTPRequestHandler"))
        self.start(sys.executable, "handler.py", name="handler", HOST="127.0.0.1", PORT=port)

        def answers():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
            return False

        eventually("the handler listens", answers)
        return port

    def test_the_worker_and_the_handler_of_the_page(self):
        port, address = self.serve(), self.emulator()
        self.plane(address)
        self.start(
            BINARIES / "event-worker", name="worker", PUBSUB_EMULATOR_HOST=address, GCP_PROJECT_ID=PROJECT, TENANT_ID=TENANT,
            SUBSCRIPTIONS=f"{TOPIC}-{TENANT}-worker", HANDLER="http", HANDLER_URL=f"http://127.0.0.1:{port}/events",
            HTTP_ADDR="127.0.0.1:0",
        )
        for _ in range(2):
            self.publish(address, "a-1", {"document_id": "doc-1"})
        self.publish(address, "a-2", {"document_id": "doc-2"})
        self.publish(address, "a-3", {"document_id": "doc-3"}, event_type="document.deleted")
        self.publish(address, "a-4", {"no_document": True})
        eventually("what can never work is a dead letter", lambda: self.backlog(address, "dlq") == 1)
        eventually("everything else is acknowledged", lambda: self.backlog(address, "worker") == 0)
        keys = [f"document.ingested:{TENANT}:a-{number}" for number in (1, 2)]
        self.assertEqual(self.handled(), [(keys[0], "doc-1"), (keys[1], "doc-2")])

    def test_the_curl_of_the_page(self):
        port = self.serve()
        script = block("docs/handlers.md", "sh", "ce-specversion").replace("127.0.0.1:8080", f"127.0.0.1:{port}")
        for _ in range(2):
            self.assertIn("204", shell(script, self.folder).splitlines()[0])
        self.assertEqual(self.handled(), [("document.ingested:tenant-123:by-hand-1", "doc-1")])


class Recovery(Documents):
    """docs/recovery.md: a message that was dead-lettered is looked at, published again, and taken out of the dead letters."""

    def lease(self, address, name):
        return self.call(address, "POST", f"/v1/projects/{PROJECT}/subscriptions/{TOPIC}-{TENANT}-{name}:pull", {"maxMessages": 10})

    def fail(self, address):
        """Gives the message back as often as it takes."""
        if self.backlog(address, "dlq"):
            return True
        for one in self.lease(address, "worker").get("receivedMessages", []):
            self.call(address, "POST", f"/v1/projects/{PROJECT}/subscriptions/{TOPIC}-{TENANT}-worker:modifyAckDeadline",
                      {"ackIds": [one["ackId"]], "ackDeadlineSeconds": 0})
        return False

    def test_the_three_steps_of_the_page(self):
        address = self.emulator()
        self.plane(address)
        self.publish(address, "poison", {"document_id": "doc-1"})
        eventually("it is a dead letter", lambda: self.fail(address))
        names = {
            "PUBSUB": f"http://{address}/v1", "TOKEN": "none", "TOPIC": f"projects/{PROJECT}/topics/{TOPIC}",
            "DEAD": f"projects/{PROJECT}/subscriptions/{TOPIC}-{TENANT}-dlq",
        }
        look = block("docs/recovery.md", "sh", ":pull")
        again, take = (block("docs/recovery.md", "sh", verb) for verb in (":publish", ":acknowledge"))
        # The function that the first block makes is there in the others, as in a shell that is used for all.
        shown = shell(look, self.folder, **names).splitlines()
        self.assertEqual([line.split("\t")[:3] for line in shown], [["document.ingested", "poison", "5"]])
        function = look[: look.index("\n}\n") + 3]
        shell(function + again, self.folder, **names)
        shell(function + take, self.folder, **names)
        self.assertEqual(self.backlog(address, "dlq"), 0)
        [message] = self.lease(address, "worker")["receivedMessages"]
        attributes = message["message"]["attributes"]
        self.assertEqual(attributes["event_id"], "poison")
        self.assertFalse([name for name in attributes if name.startswith("CloudPubSub")])


class Cost(unittest.TestCase):
    """docs/cost.md: the transcript, and the rows of its table."""

    def test_the_transcript(self):
        [one] = [one for one in blocks.blocks("docs/cost.md") if one.language == "console"]
        printed = shell(one.commands(), blocks.ROOT)
        self.assertEqual(printed, "".join(line + "\n" for line in one.text.splitlines() if not line.startswith("$ ")))

    def test_the_table(self):
        rows = re.findall(r"^\| ([\d,]+) \| ([\d,]+) GiB \| ([\d,]+) GiB \|$", (blocks.ROOT / "docs/cost.md").read_text(), re.MULTILINE)
        self.assertEqual(len(rows), 4)
        for tenants, gib, billed in rows:
            arguments = ["--tenants", tenants.replace(",", ""), "--gib", gib.replace(",", "")]
            printed = subprocess.run([blocks.ROOT / "config/docs/cost.py", *arguments], check=True, capture_output=True, text=True).stdout
            self.assertRegex(printed, rf"billed +{billed} GiB")


class Kubernetes(Documents):
    """Blocks of kubectl on a real API server with the kinds, two Tenants, and status as an operator would write it; no operator."""

    @classmethod
    def setUpClass(cls):
        if not (blocks.ROOT / ".cache/cluster/bin/kube").exists() and "KUBEBUILDER_ASSETS" not in os.environ:
            raise unittest.SkipTest("there is no control plane; build it: e2e/cluster/cluster build --control-plane-only")
        sys.path.insert(0, str(blocks.ROOT / "charts/test/policy"))
        import control_plane

        cls.api = control_plane.ControlPlane()
        cls.api.__enter__()
        cls.addClassCleanup(cls.api.__exit__)
        for kind in ("tenants", "eventsubscriptions"):
            cls.must("apply", "--server-side", "-f", str(blocks.ROOT / f"crds/{kind}.yaml"))
        cls.must("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")

    @classmethod
    def must(cls, *arguments, text=None):
        done = cls.api.kubectl(*arguments, text=text)
        assert done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def setUp(self):
        super().setUp()
        tool = self.folder / "kubectl"
        tool.write_text(f'#!/bin/sh\nexec {self.api.binaries["kubectl"]} --kubeconfig {self.api.folder / "kubeconfig-admin"} "$@"\n')
        # It prints a token, as gcloud does for somebody with an account.
        (self.folder / "gcloud").write_text("#!/bin/sh\necho a-token\n")
        for one in ("kubectl", "gcloud"):
            (self.folder / one).chmod(0o755)
        self.path = f"{self.folder}:{os.environ['PATH']}"
        for name in (TENANT, "tenant-456"):
            self.must("apply", "-f", "-", text=json.dumps(
                {"apiVersion": "events.livingtwin.io/v1alpha1", "kind": "Tenant", "metadata": {"name": name}, "spec": {"suspend": False}}))

    def run_block(self, document, beginning, language="", more=""):
        return shell(block(document, language, beginning) + more, self.folder, PATH=self.path)

    def tenant(self, name=TENANT):
        return json.loads(self.must("get", "tenant", name, "-o", "json"))

    def subscription(self, topic, /, **status):
        """An EventSubscription with this in its status."""
        self.must("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": TENANT}}))
        self.must("apply", "-f", "-", text=json.dumps({
            "apiVersion": "events.livingtwin.io/v1alpha1", "kind": "EventSubscription", "metadata": {"namespace": TENANT, "name": topic},
            "spec": {"tenantRef": {"name": TENANT}, "topic": topic}}))
        self.must("-n", TENANT, "patch", "evsub", topic, "--subresource=status", "--type=merge", "-p", json.dumps({"status": status}))

    def test_migration_makes_a_tenant_that_is_suspended_goes_on_and_adopts_no_more(self):
        self.must("delete", "tenant", TENANT)
        self.run_block("docs/migration.md", "apply -f -", "sh")
        made = self.tenant()
        self.assertTrue(made["spec"]["suspend"])
        self.assertEqual(made["metadata"]["annotations"]["events.livingtwin.io/adopt"], "true")
        self.assertEqual(made["spec"]["worker"]["handler"]["http"]["url"], "http://handler.tenant-123:8080/events")
        self.run_block("docs/migration.md", "patch tenant", "sh")
        self.run_block("docs/migration.md", "annotate tenant", "sh")
        self.assertFalse(self.tenant()["spec"]["suspend"])
        self.assertNotIn("events.livingtwin.io/adopt", self.tenant()["metadata"]["annotations"])

    def test_rollback_suspends_one_and_then_all(self):
        first, rest = block("docs/rollback.md", "", '"suspend":true').split("\n", 1)
        shell(first, self.folder, PATH=self.path)
        self.assertEqual([self.tenant(name)["spec"]["suspend"] for name in (TENANT, "tenant-456")], [True, False])
        shell(rest, self.folder, PATH=self.path)
        self.assertEqual([self.tenant(name)["spec"]["suspend"] for name in (TENANT, "tenant-456")], [True, True])

    def test_rollback_sets_image_and_variables(self):
        self.run_block("docs/rollback.md", '"image":"registry.example')
        self.run_block("docs/rollback.md", "HANDLED_VERSIONS")
        worker = self.tenant()["spec"]["worker"]
        self.assertEqual(worker["image"], "registry.example/documents:1.4.2")
        self.assertEqual({one["name"]: one["value"] for one in worker["env"]},
                         {"HANDLED_VERSIONS": "document.ingested=1.0", "UNKNOWN_VERSION": "retry"})

    def test_a_pause_is_set_and_taken_off(self):
        first, second = block("docs/troubleshooting.md", "", "pause=true").splitlines()
        shell(first, self.folder, PATH=self.path)
        self.assertEqual(self.tenant()["metadata"]["annotations"]["events.livingtwin.io/pause"], "true")
        shell(second, self.folder, PATH=self.path)
        self.assertNotIn("events.livingtwin.io/pause", self.tenant()["metadata"]["annotations"])

    def test_status_lists_both_kinds_and_prints_settings_with_their_sources(self):
        settings = [{"name": "ackDeadline", "value": "10m", "source": "Operator"}, {"name": "suspend", "value": "false", "source": "Default"}]
        self.subscription("user-events", effectiveSettings=settings)
        shown = shell(block("docs/status.md", "", "get event-plane").replace("NAME", TENANT), self.folder, PATH=self.path)
        for words in ("tenant.events.livingtwin.io/tenant-123", "eventsubscription.events.livingtwin.io/user-events", "MESSAGE", "Name:         tenant-123"):
            self.assertIn(words, shown)
        printed = self.run_block("docs/status.md", "effectiveSettings")
        self.assertEqual(printed, "ackDeadline = 10m (Operator)\nsuspend = false (Default)\n")

    def test_recovery_finds_the_names_in_status(self):
        dead, topic = f"projects/{PROJECT}/subscriptions/{TOPIC}-{TENANT}-dlq", f"projects/{PROJECT}/topics/{TOPIC}"
        self.subscription("document-events", deadLetterSubscription=dead, topic=topic)
        printed = self.run_block("docs/recovery.md", "deadLetterSubscription", "sh", 'echo "$DEAD $TOPIC $PUBSUB $TOKEN"\n')
        self.assertEqual(printed, f"{dead} {topic} https://pubsub.googleapis.com/v1 a-token\n")

    def test_every_object_in_the_documents_is_one_that_the_api_server_takes(self):
        found = [one for document in blocks.documents() for one in blocks.blocks(document)
                 if one.language == "yaml" and "apiVersion: events.livingtwin.io/" in one.text]
        self.assertGreaterEqual(len(found), 2)
        for one in found:
            with self.subTest(one.where):
                self.must("apply", "--dry-run=server", "-f", "-", text=one.text)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Runs blocks of the documents as they stand.")
    parser.add_argument("--binaries", required=True, type=Path)
    given, rest = parser.parse_known_args()
    BINARIES = given.binaries.resolve()
    for needed in ("curl", "jq"):
        if not shutil.which(needed):
            sys.exit(f"{needed} is missing. Install it: apt-get install {needed}")
    unittest.main(argv=[sys.argv[0], *rest])
