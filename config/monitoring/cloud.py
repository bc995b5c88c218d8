"""dashboards.yaml as Cloud Monitoring takes it (https://cloud.google.com/monitoring/api/ref_v3/rest/v1/projects.dashboards).

Our metrics are asked for in PromQL, by the names that they have in Prometheus: in Cloud Monitoring they are
prometheus.googleapis.com/NAME/KIND. Pub/Sub's own are asked for with a filter, because they know a subscription's labels."""

import json

import grafana

COLUMNS = 48
# Grid units of Cloud Monitoring for one of Grafana's.
TALLER = 2
UNITS = {"short": "1", "s": "s", "bytes": "By", "percentunit": "10^2.%", "eps": "1/s", "cps": "1/s"}
# The labels that the operator puts on its subscriptions (operator/src/subscription/ownership.rs).
LABEL = 'metadata.user_labels."event-operator-{}"'


def promql(expr):
    """The variable is a whole matcher there, and intervals do not follow the chart's width."""
    return expr.replace('tenant=~"$tenant"', "${tenant}").replace("$__rate_interval", "5m")


def _google(panel, has_variable):
    wanted = panel["google"]
    filters = [
        f'metric.type = "pubsub.googleapis.com/{wanted["metric"]}"',
        'resource.type = "pubsub_subscription"',
        f'{LABEL.format("role")} = "{wanted["role"]}"',
    ]
    if has_variable:
        filters.append(f'{LABEL.format("tenant")} = "${{tenant.value}}"')
    by = {"tenant": LABEL.format("tenant"), "subscription": "resource.label.subscription_id"}[wanted["by"]]
    aggregation = {
        "alignmentPeriod": "60s",
        "perSeriesAligner": "ALIGN_MAX",
        "crossSeriesReducer": f"REDUCE_{wanted.get('reduce', 'SUM')}",
        "groupByFields": [by],
    }
    return [{"timeSeriesFilter": {"filter": " ".join(filters), "aggregation": aggregation}}]


def _queries(panel, has_variable):
    if "google" in panel:
        return _google(panel, has_variable)
    return [{"prometheusQuery": promql(query["expr"])} for query in panel["queries"]]


def _widget(panel, has_variable):
    queries = [{**query, "unitOverride": UNITS[panel["unit"]]} for query in _queries(panel, has_variable)]
    if panel["kind"] == "stat":
        return {"title": panel["title"], "scorecard": {"timeSeriesQuery": queries[0]}}
    sets = [{"timeSeriesQuery": query, "plotType": "LINE", "targetAxis": "Y1"} for query in queries]
    return {"title": panel["title"], "xyChart": {"dataSets": sets, "yAxis": {"scale": "LINEAR"}}}


def dashboard(board):
    variable = board.get("variable")
    tiles = [
        {
            "xPos": place["x"],
            "yPos": place["y"] * TALLER,
            "width": place["w"],
            "height": place["h"] * TALLER,
            "widget": _widget(panel, variable is not None),
        }
        for panel, place in grafana.placed(board["panels"], COLUMNS)
    ]
    made = {"displayName": board["title"], "mosaicLayout": {"columns": COLUMNS, "tiles": tiles}}
    if variable:
        made["dashboardFilters"] = [{"filterType": "METRIC_LABEL", "labelKey": variable, "templateVariable": variable, "stringValue": ""}]
    return made


def text(board):
    return json.dumps(dashboard(board), indent=2) + "\n"
