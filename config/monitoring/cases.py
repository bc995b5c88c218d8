#!/usr/bin/env python3
"""cases.yaml as tests of promtool.

    cases.py FOLDER    writes rules.yaml and tests.yaml there; promtool test rules FOLDER/tests.yaml

Of each alert's texts the summary is kept, which the cases spell out; promtool check reads the others."""

import sys
from pathlib import Path

import yaml

import rules


def _rules(loaded):
    made = rules.without_needs(rules.groups(loaded, rules.defaults(loaded)))
    for _, rule in rules.alerts(made):
        rule["annotations"] = {"summary": rule["annotations"]["summary"]}
    return made


def _fires(fired, known, minutes):
    rule = known[fired["alert"]]
    labels = {**fired["labels"], **rule["labels"]}
    yield {"eval_time": f"{fired['at'] - 1}m", "alertname": fired["alert"], "exp_alerts": []}
    if "summary" in fired:
        expected = {"exp_labels": labels, "exp_annotations": {"summary": fired["summary"]}}
        yield {"eval_time": f"{fired['at']}m", "alertname": fired["alert"], "exp_alerts": [expected]}


def _exactly(case, minutes):
    """Which alerts fired at any time, and with which labels."""
    fired = case.get("fires", [])
    samples = [{"labels": f'{{alertname="{one["alert"]}"}}', "value": 1} for one in fired]
    yield {
        "expr": f'group by (alertname) (last_over_time(ALERTS{{alertstate="firing"}}[{minutes}m]))',
        "eval_time": f"{minutes}m",
        "exp_samples": samples,
    }
    for one in fired:
        labels = ",".join(f'{key}="{value}"' for key, value in sorted(one["labels"].items()))
        names = ", ".join(sorted(one["labels"]))
        yield {
            "expr": f'group by ({names}) (ALERTS{{alertstate="firing",alertname="{one["alert"]}"}})',
            "eval_time": f"{one['at']}m",
            "exp_samples": [{"labels": f"{{{labels}}}", "value": 1}],
        }


def _test(case, base, known):
    minutes = case["minutes"]
    series = {**base, **case.get("series", {})}
    return {
        "name": case["name"],
        "interval": "1m",
        "input_series": [
            {"series": name, "values": values.replace("$N", str(minutes))}
            for name, values in series.items()
            if values is not None
        ],
        "alert_rule_test": [test for one in case.get("fires", []) for test in _fires(one, known, minutes)],
        "promql_expr_test": list(_exactly(case, minutes)),
    }


def _is_whole(cases, known):
    """Each alert is raised by a case, and by another one it is nearly."""
    raised = {one["alert"] for case in cases for one in case.get("fires", [])}
    nearly = {name for case in cases for name in case.get("near", [])}
    for case in cases:
        fired = {one["alert"] for one in case.get("fires", [])}
        if fired & set(case.get("near", [])):
            sys.exit(f"cases.yaml: {case['name']!r} raises what it is said to be near to")
    for words, named in ("raises", raised), ("comes near to", nearly):
        if missing := sorted(set(known) - named):
            sys.exit(f"cases.yaml: no case {words} {', '.join(missing)}")
        if unknown := sorted(named - set(known)):
            sys.exit(f"cases.yaml: {', '.join(unknown)}: alerts.yaml has no such alert")


def main():
    folder = Path(sys.argv[1])
    loaded = rules.source()
    written = yaml.safe_load((rules.HERE / "cases.yaml").read_text())
    made = _rules(loaded)
    known = {rule["alert"]: rule for _, rule in rules.alerts(made)}
    _is_whole(written["cases"], known)
    tests = [_test(case, written["base"], known) for case in written["cases"]]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yaml").write_text(rules.dump({"groups": made}))
    order = [group["name"] for group in made]
    (folder / "tests.yaml").write_text(
        rules.dump({"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "group_eval_order": order, "tests": tests})
    )
    print(f"{len(known)} alerts, {len(tests)} cases, {sum(not case.get('fires') for case in written['cases'])} of them quiet")


if __name__ == "__main__":
    main()
