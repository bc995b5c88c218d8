"""The tables of metrics, made of the places in the sources that register them."""

import re

import markdown

OPERATOR = "operator/src/metrics.rs"
WORKER = ("worker/src/metrics.rs", "worker/src/own_process.rs")
PREFIXES = {OPERATOR: "", WORKER[0]: "event_worker_", WORKER[1]: ""}
DOCUMENT = markdown.ROOT / "docs/metrics.md"
WORKERS_README = markdown.ROOT / "worker/README.md"

# How a metric is made, and what it is then.
MAKERS = {
    "counter": "counter",
    "counters": "counter",
    "gauge": "gauge",
    "gauges": "gauge",
    "Gauge::new": "gauge",
    "IntGauge::new": "gauge",
    "HistogramOpts::new": "histogram",
    "Opts::new": "gauge",
}
STRING = r'"((?:[^"\\]|\\.)*)"'
CALL = re.compile(rf"(?<![\w:])({'|'.join(map(re.escape, MAKERS))})\(\s*(?:(?:r|&?registry),\s*)?{STRING},\s*(?:{STRING}|(\w+))", re.DOTALL)
LET = re.compile(rf"let (\w+) = {STRING};")
LABELS = re.compile(r"&\[((?:\"\w+\",?\s*)*)\]")


class Unread(Exception):
    """A metric of which the sources do not say enough."""


def registered(path):
    """(name, kind, labels, meaning) of each metric that a source registers, in its order."""
    source = (markdown.ROOT / path).read_text().split("#[cfg(test)]")[0]
    calls = list(CALL.finditer(source))
    for number, call in enumerate(calls):
        maker, name, literal, variable = call.groups()
        # A variable has the text that it was given last.
        texts = dict(LET.findall(source[: call.start()]))
        meaning = literal if literal is not None else texts.get(variable)
        if meaning is None:
            raise Unread(f"{path}: {name}: the text is neither here nor in a variable")
        rest = source[call.end() : calls[number + 1].start() if number + 1 < len(calls) else len(source)]
        # Labels stand in the call, or in the Vec that is made of the options right after it.
        labels = LABELS.search(rest.split("\n\n")[0])
        yield PREFIXES[path] + name, MAKERS[maker], re.findall(r"\w+", labels[1]) if labels else [], meaning


def unit(name):
    """The unit, which the name ends with where there is one (https://prometheus.io/docs/practices/naming/)."""
    for word, is_called in (("per_minute", "per minute"), ("seconds", "seconds"), ("bytes", "bytes")):
        if word in name:
            return f", {is_called}"
    return ""


def table(paths):
    rows = []
    for path in paths:
        for name, kind, labels, meaning in registered(path):
            rows.append([markdown.code(name), kind + unit(name), ", ".join(map(markdown.code, labels)), meaning])
    return markdown.table(["metric", "kind, unit", "labels", "meaning"], sorted(rows))


def names():
    """The names of all metrics of the project's own."""
    return {name for path in (OPERATOR, WORKER[0]) for name, *_ in registered(path)}


def faults():
    """Metrics that the worker's README names and nothing registers, and the other way round."""
    text = WORKERS_README.read_text()
    part = text.split("\n## Metrics\n", 1)[1].split("\n## ", 1)[0]
    listed = {"event_worker_" + name for name in re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE)}
    made = {name for name in names() if name.startswith("event_worker_")}
    yield from (f"worker/README.md names {name}, which nothing registers" for name in sorted(listed - made))
    yield from (f"worker/README.md does not name {name}" for name in sorted(made - listed))


def page():
    """docs/metrics.md: people write it, and its tables are made here."""
    text = markdown.between(DOCUMENT.read_text(), "operator", table([OPERATOR]))
    return markdown.between(text, "worker", table(WORKER))
