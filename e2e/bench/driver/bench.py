"""Measures workers side by side against the emulator, in one run. `../run.sh` builds everything and calls this."""

import argparse
import json
import os
import platform
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from contenders import contenders
from events import EVENT_BYTES
from measure import Bench
from report import best, medians, text

LEVELS = [100, 1_000, 10_000]
PILOT = 20_000  # events of the run that finds out how many a contender takes in the wanted time
START = time.monotonic()


def say(line):
    print(f"[{time.monotonic() - START:6.0f} s] {line}", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emulator", required=True, help="the pubsub-emulator's binary")
    parser.add_argument("--worker", help="the event-worker's binary")
    parser.add_argument("--worker-env", action="append", default=[], metavar="NAME=VALUE", help="more settings of it")
    parser.add_argument("--bare", help="a program that only pulls and acks with the official Rust client")
    parser.add_argument("--go", help="the Go worker's binary")
    parser.add_argument("--python", action="append", default=[], help="a Python worker's script")
    parser.add_argument("--interpreter", default=sys.executable, help="who runs it")
    parser.add_argument("--only", action="append", help="measure these alone: worker, bare, go, python")
    parser.add_argument("--redis", help="redis-server's binary: measures a second time with the claims in Redis")
    parser.add_argument("--outstanding", type=int, action="append", help=f"instead of {LEVELS}")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="how long one throughput run is to take")
    parser.add_argument("--most-events", type=int, default=600_000, help="the largest backlog: each event costs 2 KB of memory")
    parser.add_argument("--quick", action="store_true", help="one short run of each: shows that it works, and nothing else")
    parser.add_argument("--logs", default=".", help="directory of the processes' logs")
    parser.add_argument("--json", help="file for all the figures")
    args = parser.parse_args()
    if args.quick:
        args.repeats, args.seconds, args.most_events = 1, 0.5, PILOT // 4
        args.outstanding = args.outstanding or [1_000]
    args.outstanding = args.outstanding or LEVELS
    return args


class Redis:
    """A server on a free port, without persistence."""

    def __init__(self, binary, logs):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        command = [binary, "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self.output = open(Path(logs) / "bench-redis.log", "wb")
        self.process = subprocess.Popen([*command, "--dir", logs], stdout=self.output, stderr=self.output)
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def __enter__(self):
        deadline = time.monotonic() + 10
        while True:
            try:
                self.flush()
                return self
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise SystemExit("Redis did not start; see bench-redis.log") from None
                time.sleep(0.02)

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()
        self.output.close()

    def flush(self):
        """Forgets everything, so that the next run's events are new."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
            connection.sendall(b"FLUSHALL\r\n")
            if not connection.recv(16).startswith(b"+OK"):
                raise OSError("Redis did not forget")


def measure(bench, contender, args):
    """All figures of one contender."""
    if contender.does_the_job:
        bench.check_job(contender)
        say(f"{contender.name}: does the job")
    levels, raw = [], []
    for outstanding in args.outstanding:
        pilot = bench.throughput(contender, outstanding, min(PILOT, args.most_events))
        events = int(min(args.most_events, max(PILOT / 4, pilot["perSecond"] * args.seconds)))
        runs = []
        for _ in range(args.repeats):
            runs.append(bench.throughput(contender, outstanding, events))
            run = runs[-1]
            more = f", {run['redelivered']} redelivered" if run["redelivered"] else ""
            more += "" if run["exitCode"] == 0 else f", exit code {run['exitCode']}"
            say(
                f"{contender.name}: {outstanding:,} outstanding, {events:,} events: {run['perSecond']:,.0f}/s, "
                f"{run['cpuSecondsPerEvent'] * 1e6:.1f} µs CPU, {run['peakRssBytes'] / (1 << 20):.0f} MiB{more}"
            )
        raw += runs
        levels.append(medians(runs))
    top = best(levels)
    starts = [bench.start(contender) for _ in range(args.repeats)]
    say(f"{contender.name}: first ack after {medians(starts)['firstAckSeconds'] * 1e3:.0f} ms")
    rate, seconds = top["perSecond"] / 2, 2 if args.quick else 8
    late = [bench.latency(contender, int(top["outstanding"]), rate, seconds) for _ in range(args.repeats)]
    say(f"{contender.name}: {rate:,.0f}/s: p50 {medians(late)['p50Seconds'] * 1e3:.1f} ms, p99 {medians(late)['p99Seconds'] * 1e3:.1f} ms")
    return {
        "title": contender.title,
        "levels": levels,
        "start": medians(starts),
        "latency": medians(late),
        "runs": {"throughput": raw, "start": starts, "latency": late},
    }


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    return {"cpu": model, "cores": os.cpu_count(), "load": os.getloadavg()[0], "kernel": platform.release()}


def main():
    # Asked to stop, it stops what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    args = arguments()
    chosen = contenders(args)
    if not chosen:
        sys.exit("nobody to measure: give --worker, --bare, --go or --python")
    results = {"machine": machine(), "repeats": args.repeats, "eventBytes": EVENT_BYTES, "quick": args.quick, "stores": {}}
    if results["machine"]["load"] > 0.5:
        say(f"NOTE: the machine is busy (load {results['machine']['load']:.1f}); the figures are not worth much")
    results["stores"]["memory"] = {c.name: measure(Bench(args.emulator, args.logs), c, args) for c in chosen}
    if args.redis:
        with Redis(args.redis, args.logs) as redis:
            bench = Bench(args.emulator, args.logs, redis.url, redis.flush)
            results["stores"]["Redis"] = {c.name: measure(bench, c, args) for c in chosen if c.does_the_job}
    print(text(results))
    if args.json:
        Path(args.json).write_text(json.dumps(results, indent=1) + "\n")
        say(f"all figures are in {args.json}")


if __name__ == "__main__":
    main()
