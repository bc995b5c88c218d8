#!/usr/bin/env python3
"""Records what a command prints as an asciicast (https://docs.asciinema.org/manual/asciicast/v2/), with its times.

    record.py [--output FILE] [--most-pause SECONDS] [--log FILE [--folder DIR]] [-- COMMAND…]

The command runs in a terminal of its own; by default it is config/demo/demo.sh. With --log a text that is there already is recorded, a line
each tenth of a second; --folder is the checkout that it was made in. Pauses longer than --most-pause (2 s) are shortened to it. Names of
this machine's folders are replaced.
Exit code: that of the command.
"""

import argparse
import codecs
import fcntl
import json
import os
import pty
import struct
import sys
import termios
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
COLUMNS, ROWS = 120, 34
LINE_SECONDS = 0.1
TITLE = "make demo: a cluster, the operator, two tenants, and events on their way"


def shortened(events, most):
    """The same, with no pause longer than `most` seconds."""
    made, shift, before = [], 0.0, 0.0
    for at, kind, text in events:
        shift += max(0.0, at - before - most)
        before = at
        made.append([round(at - shift, 3), kind, text])
    return made


def neutral(text, names):
    """A text without the names of this machine's folders."""
    for name, other in names.items():
        text = text.replace(name, other)
    return text


def write(path, events, columns, rows):
    head = {"version": 2, "width": columns, "height": rows, "title": TITLE, "env": {"TERM": "xterm-256color", "SHELL": "/bin/bash"}}
    lines = [json.dumps(one, ensure_ascii=False) for one in [head, *events]]
    Path(path).write_text("\n".join(lines) + "\n", encoding="utf-8")


def heard(command, columns, rows):
    """Runs a command in a terminal, and gives (what it printed when, exit code); what is printed is shown as well."""
    began = time.monotonic()
    child, terminal = pty.fork()
    if child == 0:
        os.execvp(command[0], command)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
    decoder, events = codecs.getincrementaldecoder("utf-8")("replace"), []
    while True:
        try:
            data = os.read(terminal, 65536)
        except OSError:
            # Linux says so of a terminal whose other side is closed.
            break
        if not data:
            break
        text = decoder.decode(data)
        if text:
            events.append([round(time.monotonic() - began, 3), "o", text])
            sys.stdout.write(text)
            sys.stdout.flush()
    os.close(terminal)
    return events, os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def record(command, path, columns=COLUMNS, rows=ROWS, most_pause=2.0):
    """Runs and records a command; its exit code."""
    events, code = heard(command, columns, rows)
    names = {str(ROOT): "~/event-operator", str(Path.home()): "~"}
    events = [[at, kind, neutral(text, names)] for at, kind, text in events]
    write(path, shortened(events, most_pause), columns, rows)
    return code


def replay(log, path, folder=ROOT, columns=COLUMNS, rows=ROWS):
    """Records a text that is there already, of a run in a folder."""
    names = {str(folder): "~/event-operator", str(Path.home()): "~"}
    lines = Path(log).read_text(encoding="utf-8").splitlines()
    write(path, [[round(number * LINE_SECONDS, 1), "o", neutral(line, names) + "\r\n"] for number, line in enumerate(lines)], columns, rows)
    return 0


def main():
    parser = argparse.ArgumentParser(description="Records what a command prints as an asciicast.")
    parser.add_argument("--output", default=str(ROOT / ".cache/demo.cast"))
    parser.add_argument("--most-pause", type=float, default=2.0)
    parser.add_argument("--log", help="a text that is there already")
    parser.add_argument("--folder", default=str(ROOT), help="the checkout in which that text was made")
    parser.add_argument("command", nargs="*", default=[str(ROOT / "config/demo/demo.sh")])
    given = parser.parse_args()
    if given.log:
        return replay(given.log, given.output, given.folder)
    return record(given.command, given.output, most_pause=given.most_pause)


if __name__ == "__main__":
    sys.exit(main())
