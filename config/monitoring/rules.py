"""What alerts.yaml says, as rules of Prometheus: with numbers for whoever has no chart, with Helm's values for the chart."""

import re
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent

# Where a clone of the repository has the pages; the chart's value monitoring.runbookBase.
RUNBOOKS = "docs/runbooks"
# Prometheus' own default, and required by Google's kind.
INTERVAL = "1m"
OWN_WORDS = ("means",)


class Text(yaml.SafeDumper):
    """YAML as people write it: several lines as a block, and no references."""

    def ignore_aliases(self, data):
        return True


def _string(dumper, value):
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


Text.add_representer(str, _string)


def dump(value):
    return yaml.dump(value, Dumper=Text, sort_keys=False, width=10_000, allow_unicode=True)


def source():
    return yaml.safe_load((HERE / "alerts.yaml").read_text())


def alerts(groups):
    """Every alert, with the group it is in."""
    for group in groups:
        for rule in group["rules"]:
            if "alert" in rule:
                yield group, rule


def defaults(loaded):
    return {name: str(one["value"]) for name, one in loaded["thresholds"].items()}


def _filled(text, words):
    """Replaces ${name}; a word may stand for others. What is not known is a fault of alerts.yaml."""
    while "${" in text:
        text = re.sub(r"\$\{(\w+)\}", lambda match: words[match[1]], text)
    return text


def _filled_all(value, words):
    if isinstance(value, dict):
        return {key: _filled_all(one, words) for key, one in value.items()}
    return _filled(value, words) if isinstance(value, str) else value


def _rule(rule, words, runbooks):
    rule = _filled_all({key: value for key, value in rule.items() if key not in OWN_WORDS}, words)
    if "alert" in rule:
        rule["annotations"]["runbook_url"] = f"{runbooks}/{rule['alert']}.md"
    return rule


def groups(loaded, thresholds, runbooks=RUNBOOKS):
    """The groups of rules, every word of ours replaced; `needs` stays, for those who leave groups out."""
    made = []
    for group in loaded["groups"]:
        rules = []
        for rule in group["rules"]:
            windowed = "${window}" in rule.get("record", "")
            for window in loaded["windows"] if windowed else [""]:
                words = {**loaded["expressions"], **thresholds, "window": window}
                rules.append(_rule(rule, words, runbooks))
        needs = {"needs": group["needs"]} if "needs" in group else {}
        made.append({"name": group["name"], "interval": INTERVAL, **needs, "rules": rules})
    return made


def without_needs(groups_made):
    return [{key: value for key, value in group.items() if key != "needs"} for group in groups_made]


HEAD = "# Made by config/monitoring/generate.py of alerts.yaml; edit that.\n"


def prometheus(loaded):
    """rules.yaml: with the default thresholds."""
    return HEAD + dump({"groups": without_needs(groups(loaded, defaults(loaded)))})


def chart(loaded):
    """The same as a named template. What Prometheus is to fill in is kept from Helm."""
    placeholder = "@@{}@@".format
    names = {name: placeholder(name) for name in loaded["thresholds"]}
    made = groups(loaded, names, placeholder("runbookBase"))
    text = []
    for group in made:
        body = _for_helm(dump(without_needs([group])), loaded["thresholds"])
        if "needs" in group:
            body = '{{- if dig "kubeStateMetrics" true $monitoring }}\n' + body + "{{- end }}\n"
        text.append(body)
    return (
        "{{- /* Made by config/monitoring/generate.py of config/monitoring/alerts.yaml; edit that. */}}\n"
        '{{- define "event-operator.rules" -}}\n'
        # A release of before there were these values has none of them (helm upgrade --reuse-values).
        "{{- $monitoring := default dict .Values.monitoring -}}\n"
        "{{- $thresholds := default dict $monitoring.thresholds -}}\n" + "".join(text) + "{{- end -}}\n"
    )


def _for_helm(text, thresholds):
    text = text.replace("{{", '{{ "{{" }}')
    text = text.replace("@@runbookBase@@", f'{{{{ default "{RUNBOOKS}" $monitoring.runbookBase | trimSuffix "/" }}}}')
    return re.sub(r"@@(\w+)@@", lambda match: f'{{{{ dig "{match[1]}" {thresholds[match[1]]["value"]} $thresholds }}}}', text)
