"""The tables of docs/monitoring.md that are made of alerts.yaml."""

import rules


def _between(text, name, body):
    begin, end = f"<!-- {name}: made by config/monitoring/generate.py -->\n", f"<!-- end of {name} -->"
    head, rest = text.split(begin)
    return head + begin + body + rest[rest.index(end) :]


def _alerts(loaded):
    lines = ["| alert | severity | for | what it means |", "|---|---|---|---|"]
    for group, rule in rules.alerts(loaded["groups"]):
        needs = f" Needs {group['needs']}." if "needs" in group else ""
        name = rule["alert"]
        lines.append(f"| [{name}](runbooks/{name}.md) | {rule['labels']['severity']} | {rule['for']} | {rule['means']}{needs} |")
    return "\n".join(lines) + "\n"


def _thresholds(loaded):
    lines = ["| `monitoring.thresholds.…` | default | |", "|---|--:|---|"]
    for name, one in loaded["thresholds"].items():
        lines.append(f"| `{name}` | {one['value']} {one['unit']} | {one['means']} |")
    return "\n".join(lines) + "\n"


def filled(text, loaded):
    return _between(_between(text, "alerts", _alerts(loaded)), "thresholds", _thresholds(loaded))
