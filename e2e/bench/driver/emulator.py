"""The emulator that everybody is measured against: its process, its counters, and a fast way to fill it."""

import http.client
import json
import re
import subprocess
import time

PROJECT, TENANT = "bench-events", "tenant-1"
TOPIC = f"projects/{PROJECT}/topics/events"
SUBSCRIPTION = f"projects/{PROJECT}/subscriptions/bench-events-tenant-1-worker"


class Emulator:
    """One process on a free port. As a context it is stopped in the end, whatever happens."""

    def __init__(self, binary, log):
        self.log = log
        with open(log, "wb") as output:
            self.process = subprocess.Popen(
                [binary, "--port", "0"], stdout=output, stderr=output, env={"NO_COLOR": "1", "RUST_LOG": "info"}
            )
        self.host = self._listening()
        self.connection = http.client.HTTPConnection(self.host, timeout=60)

    def _listening(self):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            with open(self.log, encoding="utf-8", errors="replace") as log:
                if found := re.search(r"Listening.*?(127\.0\.0\.1:\d+)", log.read()):
                    return found[1]
            if self.process.poll() is not None:
                break
            time.sleep(0.01)
        self.process.kill()
        raise SystemExit(f"the emulator did not start; see {self.log}")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.connection.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def call(self, verb, path, body=None):
        data = None if body is None else json.dumps(body)
        self.connection.request(verb, path, data, {"content-type": "application/json"})
        response = self.connection.getresponse()
        text = response.read()
        if response.status != 200:
            raise RuntimeError(f"{verb} {path}: {response.status} {text[:200]!r}")
        return json.loads(text or b"{}")

    def create(self, **fields):
        """The topic and its one subscription, empty."""
        self.call("PUT", f"/v1/{TOPIC}", {})
        self.call("PUT", f"/v1/{SUBSCRIPTION}", {"topic": TOPIC, **fields})

    def delete(self):
        self.call("DELETE", f"/v1/{SUBSCRIPTION}")
        self.call("DELETE", f"/v1/{TOPIC}")

    def stats(self):
        """Costs the emulator a look at each message of the backlog, so it is not asked all the time."""
        listed = self.call("GET", "/emulator/v1/subscriptions")["subscriptions"]
        return next(stats for stats in listed if stats["name"] == SUBSCRIPTION)
