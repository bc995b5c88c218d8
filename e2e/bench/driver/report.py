"""Pure: medians, the best of each contender, ratios to ours, and whether the aims are met."""

from statistics import median

# What the project set itself, of ours against each: (figure, contender) -> (at least or at most, ratio to theirs).
AIMS = [
    ("perSecond", "python", "≥", 10, "throughput"),
    ("perSecond", "go", "≥", 3, "throughput"),
    ("cpuSecondsPerEvent", "python", "≤", 1 / 6, "CPU per event"),
    ("cpuSecondsPerEvent", "go", "≤", 1 / 2, "CPU per event"),
    ("cpuSecondsPerEvent", "bare", "≤", 1.5, "CPU per event"),
    ("peakRssBytes", "python", "≤", 1 / 4, "memory"),
    ("peakRssBytes", "go", "≤", 1 / 2, "memory"),
]
FIRST_EVENT_SECONDS = 0.150


def medians(runs):
    """The median of each figure of like runs."""
    numbers = [key for key, value in runs[0].items() if isinstance(value, (int, float)) and value is not None]
    return {key: median(run[key] for run in runs) for key in numbers}


def best(levels):
    """A contender at its best: the level of outstanding messages with the most events per second."""
    return max(levels, key=lambda level: level["perSecond"])


def table(rows):
    """Rows of text as a table; the first is its head."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))) for row in rows]
    return "\n".join([lines[0], "  ".join("-" * w for w in widths), *lines[1:]])


def micros(seconds):
    return f"{seconds * 1e6:.1f} µs"


def millis(seconds):
    return f"{seconds * 1e3:.1f} ms"


def mebibytes(count):
    return f"{count / (1 << 20):.0f} MiB"


def text(results):
    """The whole report."""
    parts = []
    for store, measured in results["stores"].items():
        parts.append(f"Idempotency in {store}: medians of {results['repeats']}, {results['eventBytes']} bytes an event")
        head = ["", "outstanding", "events/s", "CPU/event", "peak RSS", "first event", "first ack", "load/s", "p50", "p99"]
        rows = [head]
        for found in measured.values():
            for level in found["levels"]:
                is_best = level is best(found["levels"])
                row = [
                    found["title"] if level is found["levels"][0] else "",
                    f"{level['outstanding']:,.0f}" + (" *" if is_best else "  "),
                    f"{level['perSecond']:,.0f}",
                    micros(level["cpuSecondsPerEvent"]),
                    mebibytes(level["peakRssBytes"]),
                ]
                start, late = found["start"], found["latency"]
                row += (
                    [
                        millis(start["firstDeliverySeconds"]),
                        millis(start["firstAckSeconds"]),
                        f"{late['publishedPerSecond']:,.0f}",
                        millis(late["p50Seconds"]),
                        millis(late["p99Seconds"]),
                    ]
                    if is_best
                    else [""] * 5
                )
                rows.append(row)
        parts.append(table(rows))
        parts.append("* its best; the start and the latency at half its throughput are measured there")
        if "worker" in measured and len(measured) > 1:
            parts.append(ratios(measured))
            # A short run says nothing about the aims.
            if not results["quick"]:
                parts.append("\n".join(verdicts(measured)))
        parts.append("")
    return "\n".join(parts)


def ratios(measured):
    """Ours over theirs, each at its best."""
    ours = best(measured["worker"]["levels"])
    rows = [["ours / theirs", "throughput", "CPU/event", "memory", "first ack", "p50", "p99"]]
    for name, found in measured.items():
        if name == "worker":
            continue
        theirs, mine = best(found["levels"]), measured["worker"]
        of = lambda key: f"{ours[key] / theirs[key]:.2f}" if theirs[key] else "-"
        late = lambda key: f"{mine['latency'][key] / found['latency'][key]:.2f}"
        first = mine["start"]["firstAckSeconds"] / found["start"]["firstAckSeconds"]
        figures = [of("perSecond"), of("cpuSecondsPerEvent"), of("peakRssBytes"), f"{first:.2f}"]
        rows.append([found["title"], *figures, late("p50Seconds"), late("p99Seconds")])
    return "\n" + table(rows) + "\n"


def verdicts(measured):
    """Each aim, and whether it is met."""
    ours = best(measured["worker"]["levels"])
    lines = []
    for figure, contender, sign, aim, title in AIMS:
        theirs = next((best(found["levels"]) for name, found in measured.items() if name.startswith(contender)), None)
        if theirs is None or not theirs[figure]:
            continue
        ratio = ours[figure] / theirs[figure]
        met = ratio >= aim if sign == "≥" else ratio <= aim
        lines.append(f"{'met    ' if met else 'NOT met'}  {title} {sign} {aim:.2f} × {contender}'s: {ratio:.2f}")
    first = measured["worker"]["start"]["firstDeliverySeconds"]
    met = first <= FIRST_EVENT_SECONDS
    lines.append(f"{'met    ' if met else 'NOT met'}  first event ≤ {millis(FIRST_EVENT_SECONDS)}: {millis(first)}")
    return lines
