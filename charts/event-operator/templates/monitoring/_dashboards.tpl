{{- /* Made by config/monitoring/generate.py of config/monitoring/dashboards.yaml; edit that. */}}
{{- define "event-operator.dashboard.fleet" -}}
{
 "uid": "events-fleet",
 "title": "Events: fleet",
 "tags": [
  "living-twin-events"
 ],
 "schemaVersion": 39,
 "editable": true,
 "refresh": "1m",
 "time": {
  "from": "now-6h",
  "to": "now"
 },
 "links": [
  {
   "type": "dashboards",
   "title": "Events",
   "tags": [
    "living-twin-events"
   ],
   "asDropdown": true,
   "keepTime": true
  }
 ],
 "templating": {
  "list": [
   {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus"
   }
  ]
 },
 "panels": [
  {
   "id": 1,
   "type": "stat",
   "title": "Tenants ready",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(max by (ready) (event_operator_objects{kind=\"Tenant\",ready=\"True\"}))",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 2,
   "type": "stat",
   "title": "Tenants not ready",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 4,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(max by (ready) (event_operator_objects{kind=\"Tenant\",ready!=\"True\"}))",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 3,
   "type": "stat",
   "title": "EventSubscriptions not ready",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 8,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(max by (ready) (event_operator_objects{kind=\"EventSubscription\",ready!=\"True\"}))",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 4,
   "type": "stat",
   "title": "Dead letters",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(subscription:event_operator_subscription_messages:max{role=\"dead-letter\"})",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 5,
   "type": "stat",
   "title": "Messages waiting",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 16,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(subscription:event_operator_subscription_messages:max{role=\"worker\"})",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 6,
   "type": "stat",
   "title": "Replicas that lead (one)",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 20,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(max by (pod) (event_operator_leading))",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 7,
   "type": "timeseries",
   "title": "Deliveries by outcome",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 4,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "eps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (outcome) (rate(event_worker_processed_total[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}outcome}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 8,
   "type": "timeseries",
   "title": "Messages pulled, the ten busiest tenants",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 4,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "eps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "topk(10, sum by (tenant) (rate(event_worker_received_total[$__rate_interval])))",
     "legendFormat": "{{ "{{" }}tenant}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 9,
   "type": "timeseries",
   "title": "Share of events handled late, the ten worst tenants of the hour",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 12,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "percentunit",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "topk(10, tenant:event_worker_late:rate1h / tenant:event_worker_handled:rate1h)",
     "legendFormat": "{{ "{{" }}tenant}}",
     "instant": false,
     "range": true
    }
   ],
   "description": "Late is later than monitoring.thresholds.latencySeconds after publishing.",
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 10,
   "type": "timeseries",
   "title": "Share of verdicts that are failures, the ten worst tenants of the hour",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 12,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "percentunit",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "topk(10, tenant:event_worker_failures:rate1h / tenant:event_worker_verdicts:rate1h)",
     "legendFormat": "{{ "{{" }}tenant}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 11,
   "type": "timeseries",
   "title": "Messages waiting, the ten longest backlogs",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 20,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "topk(10, subscription:event_operator_subscription_messages:max{role=\"worker\"})",
     "legendFormat": "{{ "{{" }}namespace}} {{ "{{" }}name}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 12,
   "type": "timeseries",
   "title": "Dead letters, the ten most",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 20,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "topk(10, subscription:event_operator_subscription_messages:max{role=\"dead-letter\"})",
     "legendFormat": "{{ "{{" }}namespace}} {{ "{{" }}name}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 13,
   "type": "timeseries",
   "title": "Handlers that are away, and for how long",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 28,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "s",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "topk(10, max by (tenant) (event_worker_circuit_open_seconds))",
     "legendFormat": "{{ "{{" }}tenant}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 14,
   "type": "timeseries",
   "title": "Rollout of the newest worker",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 28,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (state) (event_operator_rollout_workers)",
     "legendFormat": "{{ "{{" }}state}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 15,
   "type": "timeseries",
   "title": "Other tenants' messages, refused",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 36,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (tenant) (increase(event_worker_tenant_mismatch_total[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}tenant}}",
     "instant": false,
     "range": true
    }
   ],
   "description": "Anything above zero is a matter of security.",
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 16,
   "type": "timeseries",
   "title": "Oldest message that waits",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 36,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "s",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "topk(10, histogram_quantile(0.99, sum by (tenant, le) (rate(event_worker_lag_seconds_bucket[$__rate_interval]))))",
     "legendFormat": "{{ "{{" }}tenant}}",
     "instant": false,
     "range": true
    }
   ],
   "description": "Lag of the events that were handled; in Cloud Monitoring Pub/Sub's own measurement of those that were not.",
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  }
 ]
}
{{- end -}}
{{- define "event-operator.dashboard.tenant" -}}
{
 "uid": "events-tenant",
 "title": "Events: one tenant",
 "tags": [
  "living-twin-events"
 ],
 "schemaVersion": 39,
 "editable": true,
 "refresh": "1m",
 "time": {
  "from": "now-6h",
  "to": "now"
 },
 "links": [
  {
   "type": "dashboards",
   "title": "Events",
   "tags": [
    "living-twin-events"
   ],
   "asDropdown": true,
   "keepTime": true
  }
 ],
 "templating": {
  "list": [
   {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus"
   },
   {
    "name": "tenant",
    "label": "Tenant",
    "type": "query",
    "datasource": {
     "type": "prometheus",
     "uid": "${datasource}"
    },
    "definition": "label_values(event_worker_subscriptions, tenant)",
    "query": {
     "query": "label_values(event_worker_subscriptions, tenant)",
     "refId": "tenant"
    },
    "refresh": 2,
    "sort": 1,
    "includeAll": false,
    "multi": false
   }
  ]
 },
 "panels": [
  {
   "id": 1,
   "type": "stat",
   "title": "Workers",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "count(event_worker_subscriptions{tenant=~\"$tenant\"})",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 2,
   "type": "stat",
   "title": "Subscriptions pulled",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 4,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max(event_worker_subscriptions{tenant=~\"$tenant\"})",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 3,
   "type": "stat",
   "title": "Handlers running",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 8,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(event_worker_in_flight{tenant=~\"$tenant\"})",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 4,
   "type": "stat",
   "title": "Events that wait in the worker",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(event_worker_waiting{tenant=~\"$tenant\"})",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 5,
   "type": "stat",
   "title": "Circuit (0 closed, 1 probing, 2 open)",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 16,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max(event_worker_circuit_state{tenant=~\"$tenant\"})",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 6,
   "type": "stat",
   "title": "Handler away for",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 20,
    "y": 0,
    "w": 4,
    "h": 4
   },
   "fieldConfig": {
    "defaults": {
     "unit": "s",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max(event_worker_circuit_open_seconds{tenant=~\"$tenant\"})",
     "legendFormat": "",
     "instant": true,
     "range": false
    }
   ],
   "options": {
    "colorMode": "value",
    "graphMode": "area",
    "reduceOptions": {
     "calcs": [
      "lastNotNull"
     ]
    }
   }
  },
  {
   "id": 7,
   "type": "timeseries",
   "title": "Messages pulled",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 4,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "eps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (pod) (rate(event_worker_received_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}pod}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 8,
   "type": "timeseries",
   "title": "Deliveries by outcome",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 4,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "eps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (outcome) (rate(event_worker_processed_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}outcome}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 9,
   "type": "timeseries",
   "title": "Events handled by type",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 12,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "eps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (event_type) (rate(event_worker_processed_total{tenant=~\"$tenant\",outcome=\"success\"}[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}event_type}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 10,
   "type": "timeseries",
   "title": "Failures by type and outcome",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 12,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "eps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (event_type, outcome) (rate(event_worker_processed_total{tenant=~\"$tenant\",outcome=~\"retryable|permanent|permanent_before|undecodable|conflict\"}[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}event_type}} {{ "{{" }}outcome}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 11,
   "type": "timeseries",
   "title": "From publishing to the end of handling",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 20,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "s",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "histogram_quantile(0.5, sum by (le) (rate(event_worker_lag_seconds_bucket{tenant=~\"$tenant\"}[$__rate_interval])))",
     "legendFormat": "median",
     "instant": false,
     "range": true
    },
    {
     "refId": "B",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "histogram_quantile(0.95, sum by (le) (rate(event_worker_lag_seconds_bucket{tenant=~\"$tenant\"}[$__rate_interval])))",
     "legendFormat": "95 %",
     "instant": false,
     "range": true
    },
    {
     "refId": "C",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "histogram_quantile(0.99, sum by (le) (rate(event_worker_lag_seconds_bucket{tenant=~\"$tenant\"}[$__rate_interval])))",
     "legendFormat": "99 %",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 12,
   "type": "timeseries",
   "title": "Time in the handler, 95 %, by type",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 20,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "s",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "histogram_quantile(0.95, sum by (event_type, le) (rate(event_worker_handler_seconds_bucket{tenant=~\"$tenant\"}[$__rate_interval])))",
     "legendFormat": "{{ "{{" }}event_type}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 13,
   "type": "timeseries",
   "title": "Late, and failed, over one hour and three days",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 28,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "percentunit",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "tenant:event_worker_late:rate1h{tenant=~\"$tenant\"} / tenant:event_worker_handled:rate1h",
     "legendFormat": "late in the hour",
     "instant": false,
     "range": true
    },
    {
     "refId": "B",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "tenant:event_worker_late:rate3d{tenant=~\"$tenant\"} / tenant:event_worker_handled:rate3d",
     "legendFormat": "late in three days",
     "instant": false,
     "range": true
    },
    {
     "refId": "C",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "tenant:event_worker_failures:rate1h{tenant=~\"$tenant\"} / tenant:event_worker_verdicts:rate1h",
     "legendFormat": "failed in the hour",
     "instant": false,
     "range": true
    },
    {
     "refId": "D",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "tenant:event_worker_failures:rate3d{tenant=~\"$tenant\"} / tenant:event_worker_verdicts:rate3d",
     "legendFormat": "failed in three days",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 14,
   "type": "timeseries",
   "title": "Messages waiting by subscription",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 28,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "subscription:event_operator_subscription_messages:max{role=\"worker\"} and on (namespace) group by (namespace) (event_worker_subscriptions{tenant=~\"$tenant\"})",
     "legendFormat": "{{ "{{" }}name}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 15,
   "type": "timeseries",
   "title": "Dead letters by subscription",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 36,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "subscription:event_operator_subscription_messages:max{role=\"dead-letter\"} and on (namespace) group by (namespace) (event_worker_subscriptions{tenant=~\"$tenant\"})",
     "legendFormat": "{{ "{{" }}name}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 16,
   "type": "timeseries",
   "title": "Streams that ended with an error, by code",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 12,
    "y": 36,
    "w": 12,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (code) (increase(event_worker_stream_errors_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}code}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  }
 ]
}
{{- end -}}
{{- define "event-operator.dashboard.worker" -}}
{
 "uid": "events-worker",
 "title": "Events: workers",
 "tags": [
  "living-twin-events"
 ],
 "schemaVersion": 39,
 "editable": true,
 "refresh": "1m",
 "time": {
  "from": "now-6h",
  "to": "now"
 },
 "links": [
  {
   "type": "dashboards",
   "title": "Events",
   "tags": [
    "living-twin-events"
   ],
   "asDropdown": true,
   "keepTime": true
  }
 ],
 "templating": {
  "list": [
   {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus"
   },
   {
    "name": "tenant",
    "label": "Tenant",
    "type": "query",
    "datasource": {
     "type": "prometheus",
     "uid": "${datasource}"
    },
    "definition": "label_values(event_worker_subscriptions, tenant)",
    "query": {
     "query": "label_values(event_worker_subscriptions, tenant)",
     "refId": "tenant"
    },
    "refresh": 2,
    "sort": 1,
    "includeAll": true,
    "multi": true
   }
  ]
 },
 "panels": [
  {
   "id": 1,
   "type": "timeseries",
   "title": "Processor",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 0,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (pod) (rate(process_cpu_seconds_total{pod=~\"event-worker-.+\",tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}pod}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 2,
   "type": "timeseries",
   "title": "Memory",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 8,
    "y": 0,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "bytes",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (pod) (process_resident_memory_bytes{pod=~\"event-worker-.+\",tenant=~\"$tenant\"})",
     "legendFormat": "{{ "{{" }}pod}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 3,
   "type": "timeseries",
   "title": "File descriptors, share of the limit",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 16,
    "y": 0,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "percentunit",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (pod) (process_open_fds{pod=~\"event-worker-.+\",tenant=~\"$tenant\"} / process_max_fds{pod=~\"event-worker-.+\",tenant=~\"$tenant\"})",
     "legendFormat": "{{ "{{" }}pod}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 4,
   "type": "timeseries",
   "title": "Threads",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 8,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (pod) (process_threads{pod=~\"event-worker-.+\",tenant=~\"$tenant\"})",
     "legendFormat": "{{ "{{" }}pod}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 5,
   "type": "timeseries",
   "title": "Handlers running, and events that wait",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 8,
    "y": 8,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (pod) (event_worker_in_flight{tenant=~\"$tenant\"})",
     "legendFormat": "{{ "{{" }}pod}} running",
     "instant": false,
     "range": true
    },
    {
     "refId": "B",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (pod) (event_worker_waiting{tenant=~\"$tenant\"})",
     "legendFormat": "{{ "{{" }}pod}} waiting",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 6,
   "type": "timeseries",
   "title": "Messages a stream may hold",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 16,
    "y": 8,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (subscription) (event_worker_outstanding_limit{tenant=~\"$tenant\"})",
     "legendFormat": "{{ "{{" }}subscription}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 7,
   "type": "timeseries",
   "title": "Idempotency store, time for an answer",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 16,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "s",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "histogram_quantile(0.5, sum by (le) (rate(event_worker_store_seconds_bucket{tenant=~\"$tenant\"}[$__rate_interval])))",
     "legendFormat": "median",
     "instant": false,
     "range": true
    },
    {
     "refId": "B",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "histogram_quantile(0.99, sum by (le) (rate(event_worker_store_seconds_bucket{tenant=~\"$tenant\"}[$__rate_interval])))",
     "legendFormat": "99 %",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 8,
   "type": "timeseries",
   "title": "Idempotency store, what went wrong",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 8,
    "y": 16,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(increase(event_worker_store_errors_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "calls that failed",
     "instant": false,
     "range": true
    },
    {
     "refId": "B",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(increase(event_worker_store_losses_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "found emptied",
     "instant": false,
     "range": true
    },
    {
     "refId": "C",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(increase(event_worker_store_forgotten_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "forgotten before their time",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 9,
   "type": "timeseries",
   "title": "Given back, and not confirmed",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 16,
    "y": 16,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "eps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(rate(event_worker_released_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "at a stop",
     "instant": false,
     "range": true
    },
    {
     "refId": "B",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(rate(event_worker_displaced_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "too many wait",
     "instant": false,
     "range": true
    },
    {
     "refId": "C",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(rate(event_worker_ack_failures_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "acknowledgement not confirmed",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 10,
   "type": "timeseries",
   "title": "Calls that found no handler",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 24,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "eps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (pod) (rate(event_worker_handler_unavailable_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}pod}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 11,
   "type": "timeseries",
   "title": "Events that are not handled",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 8,
    "y": 24,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "eps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(rate(event_worker_permanent_verdicts_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "can never work",
     "instant": false,
     "range": true
    },
    {
     "refId": "B",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(rate(event_worker_conflicts_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "another payload under one key",
     "instant": false,
     "range": true
    },
    {
     "refId": "C",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(rate(event_worker_undecodable_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "no event",
     "instant": false,
     "range": true
    },
    {
     "refId": "D",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(rate(event_worker_tenant_mismatch_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "another tenant's",
     "instant": false,
     "range": true
    },
    {
     "refId": "E",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum(rate(event_worker_duplicates_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "handled before",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 12,
   "type": "timeseries",
   "title": "Tasks that panicked and were started again",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 16,
    "y": 24,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (task) (increase(event_worker_task_restarts_total{tenant=~\"$tenant\"}[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}task}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  }
 ]
}
{{- end -}}
{{- define "event-operator.dashboard.operator" -}}
{
 "uid": "events-operator",
 "title": "Events: operator",
 "tags": [
  "living-twin-events"
 ],
 "schemaVersion": 39,
 "editable": true,
 "refresh": "1m",
 "time": {
  "from": "now-6h",
  "to": "now"
 },
 "links": [
  {
   "type": "dashboards",
   "title": "Events",
   "tags": [
    "living-twin-events"
   ],
   "asDropdown": true,
   "keepTime": true
  }
 ],
 "templating": {
  "list": [
   {
    "name": "datasource",
    "label": "Prometheus",
    "type": "datasource",
    "query": "prometheus"
   }
  ]
 },
 "panels": [
  {
   "id": 1,
   "type": "timeseries",
   "title": "Who leads",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 0,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (pod) (event_operator_leading)",
     "legendFormat": "{{ "{{" }}pod}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 2,
   "type": "timeseries",
   "title": "Objects by readiness",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 8,
    "y": 0,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (kind, ready) (event_operator_objects)",
     "legendFormat": "{{ "{{" }}kind}} {{ "{{" }}ready}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 3,
   "type": "timeseries",
   "title": "Objects that wait for their reconcile",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 16,
    "y": 0,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (kind, lane) (event_operator_queue_depth)",
     "legendFormat": "{{ "{{" }}kind}} {{ "{{" }}lane}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 4,
   "type": "timeseries",
   "title": "Reconciles by outcome",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 8,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "cps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (kind, outcome) (rate(event_operator_reconciles_total[$__rate_interval])) > 0",
     "legendFormat": "{{ "{{" }}kind}} {{ "{{" }}outcome}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 5,
   "type": "timeseries",
   "title": "How long a reconcile takes, 99 %",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 8,
    "y": 8,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "s",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "histogram_quantile(0.99, sum by (kind, le) (rate(event_operator_reconcile_seconds_bucket[$__rate_interval])))",
     "legendFormat": "{{ "{{" }}kind}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 6,
   "type": "timeseries",
   "title": "Writes by action",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 16,
    "y": 8,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "cps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (kind, action) (rate(event_operator_writes_total[$__rate_interval])) > 0",
     "legendFormat": "{{ "{{" }}kind}} {{ "{{" }}action}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 7,
   "type": "timeseries",
   "title": "Repairs of what was Ready, by action",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 16,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (kind, action) (increase(event_operator_repairs_total[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}kind}} {{ "{{" }}action}}",
     "instant": false,
     "range": true
    }
   ],
   "description": "Drift, or new settings of the operator.",
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 8,
   "type": "timeseries",
   "title": "Admin calls to Pub/Sub by method",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 8,
    "y": 16,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "cps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (method) (rate(event_operator_pubsub_calls_total[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}method}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 9,
   "type": "timeseries",
   "title": "Admin calls that were refused, by code",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 16,
    "y": 16,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "cps",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "sum by (code) (rate(event_operator_pubsub_calls_total{code!=\"OK\"}[$__rate_interval]))",
     "legendFormat": "{{ "{{" }}code}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 10,
   "type": "timeseries",
   "title": "Admin calls that may be made in a minute",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 24,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (pod) (event_operator_pubsub_quota_calls_per_minute)",
     "legendFormat": "{{ "{{" }}pod}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 11,
   "type": "timeseries",
   "title": "How long an admin call waits for the quota",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 8,
    "y": 24,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "s",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (pod) (event_operator_pubsub_quota_wait_seconds)",
     "legendFormat": "{{ "{{" }}pod}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 12,
   "type": "timeseries",
   "title": "Subscriptions in Pub/Sub without an EventSubscription",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 16,
    "y": 24,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (state) (event_operator_ownerless_subscriptions)",
     "legendFormat": "{{ "{{" }}state}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 13,
   "type": "timeseries",
   "title": "Rollout of the newest worker",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 32,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (state) (event_operator_rollout_workers)",
     "legendFormat": "{{ "{{" }}state}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 14,
   "type": "timeseries",
   "title": "Change of the settings that takes or moves subscriptions",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 8,
    "y": 32,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (state) (event_operator_settings_change_tenants)",
     "legendFormat": "{{ "{{" }}state}}",
     "instant": false,
     "range": true
    }
   ],
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 15,
   "type": "timeseries",
   "title": "Backlogs as KEDA is answered, the ten longest",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 16,
    "y": 32,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "topk(10, max by (tenant) (event_operator_backlog_messages))",
     "legendFormat": "{{ "{{" }}tenant}}",
     "instant": false,
     "range": true
    }
   ],
   "description": "There only while KEDA asks.",
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  },
  {
   "id": 16,
   "type": "timeseries",
   "title": "Other releases that this one yields to",
   "datasource": {
    "type": "prometheus",
    "uid": "${datasource}"
   },
   "gridPos": {
    "x": 0,
    "y": 40,
    "w": 8,
    "h": 8
   },
   "fieldConfig": {
    "defaults": {
     "unit": "short",
     "min": 0
    },
    "overrides": []
   },
   "targets": [
    {
     "refId": "A",
     "datasource": {
      "type": "prometheus",
      "uid": "${datasource}"
     },
     "expr": "max by (release) (event_operator_yields_to_release)",
     "legendFormat": "{{ "{{" }}release}}",
     "instant": false,
     "range": true
    }
   ],
   "description": "There only while two releases are installed.",
   "options": {
    "legend": {
     "displayMode": "list",
     "placement": "bottom"
    },
    "tooltip": {
     "mode": "multi",
     "sort": "desc"
    }
   }
  }
 ]
}
{{- end -}}
