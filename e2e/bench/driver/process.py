"""A contender's process: its start, its CPU time, its memory, its stop."""

import os
import signal
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")


class Worker:
    """As a context it is stopped in the end: asked to, and killed if it does not listen."""

    def __init__(self, contender, host, outstanding, idempotency_url, log):
        environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            # Where Python keeps what it compiled: nobody compiles anew at each start.
            **{key: os.environ[key] for key in ["PYTHONPYCACHEPREFIX"] if key in os.environ},
            **contender.environment(host, outstanding, idempotency_url),
        }
        self.name, self.log = contender.name, log
        self.output = open(log, "ab")
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            contender.command, env=environment, stdout=self.output, stderr=self.output
        )

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        self.output.close()

    def check(self):
        if (code := self.process.poll()) is not None:
            raise RuntimeError(f"{self.name} ended with {code} while it was measured; see {self.log}")

    def cpu(self):
        """Seconds of CPU, in user and kernel mode, of all its threads."""
        with open(f"/proc/{self.process.pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def peak_rss(self):
        """Bytes of memory, at its most."""
        with open(f"/proc/{self.process.pid}/status", encoding="ascii", errors="replace") as status:
            line = next(line for line in status if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1_024

    def stop(self):
        """Returns the exit code; None if it had to be killed."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(40)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
                return None
        return self.process.returncode
