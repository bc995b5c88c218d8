"""The reference of the alerts, made of config/monitoring/alerts.yaml."""

import sys

import markdown

sys.path.insert(0, str(markdown.ROOT / "config/monitoring"))

import rules  # noqa: E402 - config/monitoring/rules.py reads alerts.yaml


def _alert(group, rule):
    name = rule["alert"]
    needs = f" Needs {group['needs']}." if "needs" in group else ""
    labels = ", ".join(f"{markdown.code(key)}: {value}" for key, value in sorted(rule["labels"].items()))
    lines = [
        f"### {name}\n",
        f"{rule['means']}{needs}\n",
        f"Fires after {rule['for']}. Labels: {labels}. [Runbook](../runbooks/{name}.md).\n",
        f"```promql\n{rule['expr'].strip()}\n```\n",
    ]
    return "\n".join(lines)


def page():
    """docs/reference/alerts.md"""
    loaded = rules.source()
    means = {rule["alert"]: rule["means"] for _, rule in rules.alerts(loaded["groups"])}
    text = markdown.head("config/monitoring/alerts.yaml")
    text += "# Alerts reference\n\nEvery alert with its expression, at the default thresholds, which are values of the chart\n"
    text += "([thresholds](../monitoring.md#thresholds)). How to switch alerts on: [alerts and dashboards](../monitoring.md).\n"
    for group in rules.groups(loaded, rules.defaults(loaded)):
        recording = [rule for rule in group["rules"] if "record" in rule]
        alerts = [rule for rule in group["rules"] if "alert" in rule]
        text += f"\n## Group {group['name']}\n\n"
        if recording:
            names = sorted({markdown.code(rule["record"].split(":rate")[0]) for rule in recording})
            text += f"Evaluated each {group['interval']}. Recording rules: {', '.join(names)}"
            text += ", each over several windows.\n\n" if len(recording) > len(names) else ".\n\n"
        text += "\n".join(_alert(group, {**rule, "means": means[rule["alert"]]}) for rule in alerts)
        text = text.rstrip("\n") + "\n"
    return text
