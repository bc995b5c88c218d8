"""dashboards.yaml as Grafana takes it: JSON to import, and the same in the chart's ConfigMaps."""

import json

import yaml

import rules

UNITS = {"short": "short", "s": "s", "bytes": "bytes", "percentunit": "percentunit", "eps": "eps", "cps": "cps"}
COLUMNS, HEIGHTS = 24, {"stat": 4, "lines": 8}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
TAG = "living-twin-events"


def source():
    return yaml.safe_load((rules.HERE / "dashboards.yaml").read_text())


def placed(panels, columns=COLUMNS):
    """Each panel with its column and row: from left to right, the next row where there is no room."""
    x = y = tall = 0
    for panel in panels:
        width, height = panel["width"] * columns // COLUMNS, HEIGHTS[panel["kind"]]
        if x + width > columns:
            x, y, tall = 0, y + tall, 0
        yield panel, {"x": x, "y": y, "w": width, "h": height}
        x, tall = x + width, max(tall, height)


def _panel(number, panel, place):
    made = {
        "id": number,
        "type": {"stat": "stat", "lines": "timeseries"}[panel["kind"]],
        "title": panel["title"],
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": UNITS[panel["unit"]], "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": SOURCE,
                "expr": query["expr"],
                "legendFormat": query.get("legend", ""),
                "instant": panel["kind"] == "stat",
                "range": panel["kind"] != "stat",
            }
            for index, query in enumerate(panel["queries"])
        ],
    }
    if "about" in panel:
        made["description"] = panel["about"]
    if panel["kind"] == "stat":
        made["options"] = {"colorMode": "value", "graphMode": "area", "reduceOptions": {"calcs": ["lastNotNull"]}}
    else:
        made["options"] = {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}}
    return made


def _variables(board):
    yield {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
    if "variable" in board:
        name = board["variable"]
        query = f"label_values(event_worker_subscriptions, {name})"
        yield {
            "name": name,
            "label": name.capitalize(),
            "type": "query",
            "datasource": SOURCE,
            "definition": query,
            "query": {"query": query, "refId": name},
            "refresh": 2,
            "sort": 1,
            # One tenant, or all of them in the view of the workers.
            "includeAll": board["name"] == "worker",
            "multi": board["name"] == "worker",
        }


def dashboard(board):
    return {
        "uid": f"events-{board['name']}",
        "title": board["title"],
        "tags": [TAG],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "1m",
        "time": {"from": "now-6h", "to": "now"},
        "links": [{"type": "dashboards", "title": "Events", "tags": [TAG], "asDropdown": True, "keepTime": True}],
        "templating": {"list": list(_variables(board))},
        "panels": [_panel(number, panel, place) for number, (panel, place) in enumerate(placed(board["panels"]), 1)],
    }


def text(board):
    return json.dumps(dashboard(board), indent=2) + "\n"


def chart(boards):
    """A named template for each. Grafana's {{legend}} is kept from Helm."""
    made = ["{{- /* Made by config/monitoring/generate.py of config/monitoring/dashboards.yaml; edit that. */}}\n"]
    for board in boards:
        body = json.dumps(dashboard(board), indent=1).replace("{{", '{{ "{{" }}')
        made.append(f'{{{{- define "event-operator.dashboard.{board["name"]}" -}}}}\n{body}\n{{{{- end -}}}}\n')
    return "".join(made)
