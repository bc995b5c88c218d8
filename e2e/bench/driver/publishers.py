"""Measures publishers side by side against the emulator, in turns, in one run. `../publisher.sh` builds everything and calls this."""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from statistics import median

from emulator import Emulator
from report import micros, table

PROJECT = "bench-events"
TOPIC = f"projects/{PROJECT}/topics/bench-document-events"
PATIENCE = 300  # seconds that one run may take

# What the project set itself, of ours to theirs.
BARE, PYTHON = "bare Rust client", "Python package"
AIMS = {BARE: 0.9, PYTHON: 5.0}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--emulator", required=True, help="the pubsub-emulator's binary")
    parser.add_argument("--load", required=True, help="the binary of the example publish_load")
    parser.add_argument("--python", required=True, help="the script that publishes with the Python package")
    parser.add_argument("--interpreter", default=sys.executable, help="Python with the package and what it needs")
    parser.add_argument("--events", type=int, default=200_000, help="how many the Rust contenders publish in a run")
    parser.add_argument("--python-events", type=int, default=20_000, help="how many the Python package publishes in a run")
    parser.add_argument("--repeats", type=int, default=5, help="runs of each, of which the median counts")
    parser.add_argument("--logs", type=Path, default=Path("."), help="directory of the emulator's log")
    parser.add_argument("--json", type=Path, help="file for every single run")
    return parser.parse_args()


def run(args, command, count):
    """One run on an emulator of its own: events a second, and CPU seconds an event of the whole process, its start included."""
    with Emulator(args.emulator, args.logs / "bench-emulator.log") as emulator:
        emulator.call("PUT", f"/v1/{TOPIC}", {})
        process = subprocess.Popen(
            [*map(str, command), PROJECT, str(count)],
            stdout=subprocess.PIPE,
            env={**os.environ, "PUBSUB_EMULATOR_HOST": emulator.host},
            text=True,
        )
        try:
            output = process.stdout.read()
            _, status, used = os.wait4(process.pid, 0)
            process.returncode = os.waitstatus_to_exitcode(status)
        finally:
            if process.returncode is None:
                process.kill()
                process.wait()
        if process.returncode != 0:
            raise SystemExit(f"{command[0]} ended with {process.returncode}")
    return {"perSecond": count / float(output), "cpuSecondsPerEvent": (used.ru_utime + used.ru_stime) / count}


def main():
    args = arguments()
    contenders = {
        "livingtwin events (Rust)": ([args.load, "ours"], args.events),
        BARE: ([args.load, "bare"], args.events),
        PYTHON: ([args.interpreter, args.python], args.python_events),
    }
    runs = {name: [] for name in contenders}
    # In turns, so that what else the machine does meets all alike.
    for number in range(args.repeats):
        for name, (command, count) in contenders.items():
            runs[name].append(run(args, command, count))
            print(f"{number + 1} of {args.repeats}: {name}: {runs[name][-1]['perSecond']:,.0f} events/s", file=sys.stderr)
    if args.json:
        args.json.write_text(json.dumps(runs, indent=2))
    medians = {name: {key: median(run[key] for run in of) for key in of[0]} for name, of in runs.items()}
    ours = next(iter(medians.values()))
    rows = [["publisher", "events/s", "CPU/event", "ours to theirs", "wanted"]]
    missed = []
    for name, figures in medians.items():
        ratio = ours["perSecond"] / figures["perSecond"]
        wanted = AIMS.get(name)
        if wanted and ratio < wanted:
            missed.append(f"{name}: {ratio:.2f}, wanted ≥ {wanted}")
        rows.append(
            [
                name,
                f"{figures['perSecond']:,.0f}",
                micros(figures["cpuSecondsPerEvent"]),
                f"{ratio:.2f}" if wanted else "",
                f"≥ {wanted}" if wanted else "",
            ]
        )
    print(table(rows))
    for line in missed:
        print(f"Not reached: {line}", file=sys.stderr)
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
