"""One measurement each: the job, throughput with CPU and memory, the start, latency under load."""

import bisect
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from emulator import SUBSCRIPTION, TOPIC, Emulator
from events import attributes, encode, envelope
from process import Worker

PUBLISH = str(Path(__file__).with_name("publish.py"))
PATIENCE = 120  # seconds without progress


class Bench:
    """What all measurements share."""

    def __init__(self, binary, logs, idempotency_url="memory:", flush=lambda: None):
        self.binary, self.logs = binary, Path(logs)
        self.idempotency_url, self.flush = idempotency_url, flush

    def emulator(self):
        return Emulator(self.binary, self.logs / "bench-emulator.log")

    def worker(self, contender, host, outstanding):
        self.flush()
        log = self.logs / f"bench-{contender.name}.log"
        return Worker(contender, host, outstanding, self.idempotency_url, log)

    @staticmethod
    def publisher(host, *arguments, output=subprocess.DEVNULL):
        return subprocess.Popen([sys.executable, PUBLISH, host, *map(str, arguments)], stdout=output)

    def fill(self, host, count):
        with ended(self.publisher(host, "fill", count)) as publisher:
            if publisher.wait() != 0:
                raise RuntimeError("the backlog could not be published")

    def check_job(self, contender):
        """Does it do the job at all? Ours and a duplicate are acked; foreign and broken ones are given back."""
        ours = envelope("evt-a-1")
        messages = [
            (ours, attributes("evt-a-1")),
            (ours, attributes("evt-a-1")),
            (envelope("evt-a-2"), attributes("evt-a-2")),
            (envelope("evt-b-1", "tenant-2"), attributes("evt-b-1", "tenant-2")),
            (envelope("evt-b-2", "tenant-2"), attributes("evt-b-2")),
            (b"not json", attributes("evt-a-3")),
        ]
        with self.emulator() as emulator:
            emulator.create(retryPolicy={"minimumBackoff": "600s", "maximumBackoff": "600s"})
            from publish import channel_to  # here, so that whoever only reads results needs no grpc

            head = b"\x0a" + bytes([len(TOPIC)]) + TOPIC.encode()
            channel_to(emulator.host)(head + b"".join(encode(*message) for message in messages))
            with self.worker(contender, emulator.host, 100) as worker:
                wait_for(worker, emulator, lambda s: s["totals"]["acked"] >= 3 and s["totals"]["nacked"] >= 3)
                totals = emulator.stats()["totals"]
                code = worker.stop()
            if (totals["acked"], totals["nacked"], code) != (3, 3, 0):
                raise RuntimeError(f"{contender.name} does not do the job: {totals}, exit code {code}; expected 3 acked, 3 nacked, 0")

    def throughput(self, contender, outstanding, events):
        """Events per second, CPU seconds per event, peak bytes: over a backlog, from the first ack seen to the last."""
        with self.emulator() as emulator:
            emulator.create()
            self.fill(emulator.host, events)
            with self.worker(contender, emulator.host, outstanding) as worker:
                wait_for(worker, emulator, lambda s: s["totals"]["acked"] > 0, 0.02)
                first = (time.monotonic(), emulator.stats()["totals"]["acked"], worker.cpu())
                seen, pause = first[1], 0.05
                while seen < events:
                    time.sleep(pause)
                    before, seen = seen, wait_for(
                        worker, emulator, lambda s, seen=seen: s["totals"]["acked"] > seen, 0.01
                    )["totals"]["acked"]
                    # Rarely while there is much left, often towards the end, which must not be missed.
                    pace = (seen - before) / pause
                    pause = min(0.2, max(0.005, (events - seen) / max(pace, 1) / 4))
                last = (time.monotonic(), seen, worker.cpu())
                rss = worker.peak_rss()
                totals = emulator.stats()["totals"]
                code = worker.stop()
        handled = max(1, last[1] - first[1])
        return {
            "outstanding": outstanding,
            "events": events,
            "perSecond": handled / (last[0] - first[0]),
            "cpuSecondsPerEvent": (last[2] - first[2]) / handled,
            "cpuSecondsPerEventWithStart": last[2] / events,
            "peakRssBytes": rss,
            "redelivered": totals["delivered"] - events,
            "exitCode": code,
        }

    def start(self, contender):
        """Seconds from the process's start to the delivery and to the ack of the first event."""
        with self.emulator() as emulator:
            emulator.create()
            self.fill(emulator.host, 1)
            with self.worker(contender, emulator.host, 1_000) as worker:
                wait_for(worker, emulator, lambda s: s["totals"]["delivered"] > 0, 0.001)
                delivered = time.monotonic() - worker.started
                wait_for(worker, emulator, lambda s: s["totals"]["acked"] > 0, 0.001)
                return {"firstDeliverySeconds": delivered, "firstAckSeconds": time.monotonic() - worker.started}

    def latency(self, contender, outstanding, rate, seconds):
        """Seconds from the publish call to the ack, under a load. Acks are counted, so the k-th ack is taken for the
        k-th event's: exact while events are handled in order, and the same distribution otherwise."""
        with self.emulator() as emulator:
            emulator.create()
            with self.worker(contender, emulator.host, outstanding) as worker:
                wait_for(worker, emulator, lambda s: s["pullers"] > 0)
                output = tempfile.TemporaryFile("w+")
                times, acked = [], []
                with ended(self.publisher(emulator.host, "load", int(rate), seconds, output=output)) as publisher:
                    while publisher.poll() is None or acked[-1] < published:
                        stats = emulator.stats()
                        times.append(time.monotonic())
                        acked.append(stats["totals"]["acked"])
                        published = acked[-1] + stats["backlog"]
                        worker.check()
                        stuck = acked[bisect.bisect_left(times, times[-1] - PATIENCE)] == acked[-1]
                        if times[-1] - times[0] > PATIENCE and stuck:
                            raise RuntimeError(f"no progress of {worker.name} for {PATIENCE} s: {stats}; see {worker.log}")
                        time.sleep(0.002)
                output.seek(0)
                marks = json.load(output)
        return {
            "outstanding": outstanding,
            "askedPerSecond": rate,
            "publishedPerSecond": marks[-1][1] / (marks[-1][0] - marks[0][0]),
            **percentiles(marks, times, acked),
        }


@contextlib.contextmanager
def ended(process):
    """A process that does not outlive what it was started for."""
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def percentiles(marks, times, acked):
    """Pure. Of the load's last three quarters."""
    before, delays = 0, []
    for at, count in marks:
        if count > marks[-1][1] / 4:
            for event in range(before + 1, count + 1):
                delays.append(times[bisect.bisect_left(acked, event)] - at)
        before = count
    delays.sort()
    pick = lambda share: delays[min(len(delays) - 1, int(share * len(delays)))]
    return {"p50Seconds": pick(0.5), "p99Seconds": pick(0.99), "maxSeconds": delays[-1]}


def wait_for(worker, emulator, condition, pause=0.005):
    """Waits for the counters of the subscription; returns them."""
    deadline = time.monotonic() + PATIENCE
    while True:
        stats = emulator.stats()
        if condition(stats):
            return stats
        worker.check()
        if time.monotonic() > deadline:
            raise RuntimeError(f"no progress of {worker.name} on {SUBSCRIPTION} for {PATIENCE} s: {stats}; see {worker.log}")
        time.sleep(pause)
