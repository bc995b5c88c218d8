"""Who is measured, and how each is told what to do."""

from dataclasses import dataclass, field

from emulator import PROJECT, SUBSCRIPTION, TENANT

# More handlers than this the event worker does not take (worker/README.md).
MOST_HANDLERS = 1_000


@dataclass
class Contender:
    name: str
    title: str
    command: list
    more: dict = field(default_factory=dict)
    # The bare client does no job: it only pulls and acks, to show what the rest costs.
    does_the_job: bool = True

    def environment(self, host, outstanding, idempotency_url):
        return {
            "PUBSUB_EMULATOR_HOST": host,
            "GCP_PROJECT_ID": PROJECT,
            "TENANT_ID": TENANT,
            "SUBSCRIPTIONS": SUBSCRIPTION,
            "IDEMPOTENCY_URL": idempotency_url,
            "MAX_OUTSTANDING_MESSAGES": str(outstanding),
            "MAX_CONCURRENT_MESSAGES": str(min(outstanding, MOST_HANDLERS)),
            **self.more,
        }


def contenders(args):
    """Those whose programs were named, ours first."""
    ours = {
        # Any free port: several may run on a machine.
        "HTTP_ADDR": "127.0.0.1:0",
        # Nobody logs each event here, so ours does not either.
        "LOG_LEVEL": "WARN",
        "AUDIT_LOG": "failures",
        "PUBSUB_ENABLE_DLQ": "false",
        **dict(setting.split("=", 1) for setting in args.worker_env),
    }
    found = [Contender("worker", "event worker", [args.worker], ours)] if args.worker else []
    if args.bare:
        found.append(Contender("bare", "bare Rust client", [args.bare], does_the_job=False))
    if args.go:
        found.append(Contender("go", "Go worker", [args.go]))
    for script in args.python:
        name = "python" if len(args.python) == 1 else script.rsplit("/", 1)[-1].removesuffix(".py")
        # Handlers run at a time are not bounded apart from what is outstanding.
        found.append(Contender(name, "Python worker", [args.interpreter, script]))
    return [contender for contender in found if not args.only or contender.name in args.only]
