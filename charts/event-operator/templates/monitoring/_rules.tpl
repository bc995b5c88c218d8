{{- /* Made by config/monitoring/generate.py of config/monitoring/alerts.yaml; edit that. */}}
{{- define "event-operator.rules" -}}
{{- $monitoring := default dict .Values.monitoring -}}
{{- $thresholds := default dict $monitoring.thresholds -}}
- name: event-messages
  interval: 1m
  rules:
  - record: subscription:event_operator_subscription_messages:max
    expr: |-
      max by (namespace, name, role) (
        label_replace(event_operator_subscription_messages, "namespace", "$1", "exported_namespace", "(.+)")
      )
- name: event-slo-rates
  interval: 1m
  rules:
  - record: tenant:event_worker_handled:rate5m
    expr: sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[5m]))
  - record: tenant:event_worker_handled:rate30m
    expr: sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[30m]))
  - record: tenant:event_worker_handled:rate1h
    expr: sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[1h]))
  - record: tenant:event_worker_handled:rate2h
    expr: sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[2h]))
  - record: tenant:event_worker_handled:rate6h
    expr: sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[6h]))
  - record: tenant:event_worker_handled:rate1d
    expr: sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[1d]))
  - record: tenant:event_worker_handled:rate3d
    expr: sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[3d]))
  - record: tenant:event_worker_late:rate5m
    expr: |-
      clamp_min(
        sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[5m]))
        - sum by (tenant, namespace) (rate(event_worker_lag_seconds_bucket{le=~"{{ dig "latencySeconds" 60 $thresholds }}(\\.0)?"}[5m])),
        0
      )
  - record: tenant:event_worker_late:rate30m
    expr: |-
      clamp_min(
        sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[30m]))
        - sum by (tenant, namespace) (rate(event_worker_lag_seconds_bucket{le=~"{{ dig "latencySeconds" 60 $thresholds }}(\\.0)?"}[30m])),
        0
      )
  - record: tenant:event_worker_late:rate1h
    expr: |-
      clamp_min(
        sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[1h]))
        - sum by (tenant, namespace) (rate(event_worker_lag_seconds_bucket{le=~"{{ dig "latencySeconds" 60 $thresholds }}(\\.0)?"}[1h])),
        0
      )
  - record: tenant:event_worker_late:rate2h
    expr: |-
      clamp_min(
        sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[2h]))
        - sum by (tenant, namespace) (rate(event_worker_lag_seconds_bucket{le=~"{{ dig "latencySeconds" 60 $thresholds }}(\\.0)?"}[2h])),
        0
      )
  - record: tenant:event_worker_late:rate6h
    expr: |-
      clamp_min(
        sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[6h]))
        - sum by (tenant, namespace) (rate(event_worker_lag_seconds_bucket{le=~"{{ dig "latencySeconds" 60 $thresholds }}(\\.0)?"}[6h])),
        0
      )
  - record: tenant:event_worker_late:rate1d
    expr: |-
      clamp_min(
        sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[1d]))
        - sum by (tenant, namespace) (rate(event_worker_lag_seconds_bucket{le=~"{{ dig "latencySeconds" 60 $thresholds }}(\\.0)?"}[1d])),
        0
      )
  - record: tenant:event_worker_late:rate3d
    expr: |-
      clamp_min(
        sum by (tenant, namespace) (rate(event_worker_lag_seconds_count[3d]))
        - sum by (tenant, namespace) (rate(event_worker_lag_seconds_bucket{le=~"{{ dig "latencySeconds" 60 $thresholds }}(\\.0)?"}[3d])),
        0
      )
  - record: tenant:event_worker_verdicts:rate5m
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"success|duplicate|retryable|permanent|undecodable|conflict"}[5m])
      )
  - record: tenant:event_worker_verdicts:rate30m
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"success|duplicate|retryable|permanent|undecodable|conflict"}[30m])
      )
  - record: tenant:event_worker_verdicts:rate1h
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"success|duplicate|retryable|permanent|undecodable|conflict"}[1h])
      )
  - record: tenant:event_worker_verdicts:rate2h
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"success|duplicate|retryable|permanent|undecodable|conflict"}[2h])
      )
  - record: tenant:event_worker_verdicts:rate6h
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"success|duplicate|retryable|permanent|undecodable|conflict"}[6h])
      )
  - record: tenant:event_worker_verdicts:rate1d
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"success|duplicate|retryable|permanent|undecodable|conflict"}[1d])
      )
  - record: tenant:event_worker_verdicts:rate3d
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"success|duplicate|retryable|permanent|undecodable|conflict"}[3d])
      )
  - record: tenant:event_worker_failures:rate5m
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"retryable|permanent|undecodable|conflict"}[5m])
      )
  - record: tenant:event_worker_failures:rate30m
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"retryable|permanent|undecodable|conflict"}[30m])
      )
  - record: tenant:event_worker_failures:rate1h
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"retryable|permanent|undecodable|conflict"}[1h])
      )
  - record: tenant:event_worker_failures:rate2h
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"retryable|permanent|undecodable|conflict"}[2h])
      )
  - record: tenant:event_worker_failures:rate6h
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"retryable|permanent|undecodable|conflict"}[6h])
      )
  - record: tenant:event_worker_failures:rate1d
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"retryable|permanent|undecodable|conflict"}[1d])
      )
  - record: tenant:event_worker_failures:rate3d
    expr: |-
      sum by (tenant, namespace) (
        rate(event_worker_processed_total{outcome=~"retryable|permanent|undecodable|conflict"}[3d])
      )
- name: event-slo
  interval: 1m
  rules:
  - alert: EventLatencyBudgetBurnsFast
    expr: |-
      (
        tenant:event_worker_late:rate1h / tenant:event_worker_handled:rate1h > 14.4 * (1 - {{ dig "latencyObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_late:rate5m / tenant:event_worker_handled:rate5m > 14.4 * (1 - {{ dig "latencyObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_late:rate1h * 3600 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      ) or (
        tenant:event_worker_late:rate6h / tenant:event_worker_handled:rate6h > 6 * (1 - {{ dig "latencyObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_late:rate30m / tenant:event_worker_handled:rate30m > 6 * (1 - {{ dig "latencyObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_late:rate6h * 21600 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      )
    for: 2m
    labels:
      severity: critical
      component: worker
    annotations:
      summary: '{{ "{{" }} $value | humanizePercentage }} of the events of tenant {{ "{{" }} $labels.tenant }} were handled later than {{ dig "latencySeconds" 60 $thresholds }} s after they were published'
      description: 'Tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) spends its latency budget ({{ dig "latencyObjective" 99 $thresholds }} % within {{ dig "latencySeconds" 60 $thresholds }} s) at a rate that ends it within days. First see whether its handler is slow or there are too few workers: kubectl get tenant {{ "{{" }} $labels.tenant }} -o wide, then event_worker_handler_seconds on its dashboard.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventLatencyBudgetBurnsFast.md'
  - alert: EventLatencyBudgetBurnsSlowly
    expr: |-
      (
      (
        tenant:event_worker_late:rate1d / tenant:event_worker_handled:rate1d > 3 * (1 - {{ dig "latencyObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_late:rate2h / tenant:event_worker_handled:rate2h > 3 * (1 - {{ dig "latencyObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_late:rate1d * 86400 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      ) or (
        tenant:event_worker_late:rate3d / tenant:event_worker_handled:rate3d > 1 - {{ dig "latencyObjective" 99 $thresholds }} / 100
        and tenant:event_worker_late:rate6h / tenant:event_worker_handled:rate6h > 1 - {{ dig "latencyObjective" 99 $thresholds }} / 100
        and tenant:event_worker_late:rate3d * 259200 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      )
      ) unless (
      (
        tenant:event_worker_late:rate1h / tenant:event_worker_handled:rate1h > 14.4 * (1 - {{ dig "latencyObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_late:rate5m / tenant:event_worker_handled:rate5m > 14.4 * (1 - {{ dig "latencyObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_late:rate1h * 3600 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      ) or (
        tenant:event_worker_late:rate6h / tenant:event_worker_handled:rate6h > 6 * (1 - {{ dig "latencyObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_late:rate30m / tenant:event_worker_handled:rate30m > 6 * (1 - {{ dig "latencyObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_late:rate6h * 21600 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      )
      )
    for: 15m
    labels:
      severity: warning
      component: worker
    annotations:
      summary: '{{ "{{" }} $value | humanizePercentage }} of the events of tenant {{ "{{" }} $labels.tenant }} were handled later than {{ dig "latencySeconds" 60 $thresholds }} s, over the last days'
      description: 'Tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) spends its latency budget ({{ dig "latencyObjective" 99 $thresholds }} % within {{ dig "latencySeconds" 60 $thresholds }} s) faster than it comes back. First look at which event types take long: event_worker_handler_seconds by event_type on its dashboard.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventLatencyBudgetBurnsSlowly.md'
  - alert: EventFailureBudgetBurnsFast
    expr: |-
      (
        tenant:event_worker_failures:rate1h / tenant:event_worker_verdicts:rate1h > 14.4 * (1 - {{ dig "successObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_failures:rate5m / tenant:event_worker_verdicts:rate5m > 14.4 * (1 - {{ dig "successObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_failures:rate1h * 3600 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      ) or (
        tenant:event_worker_failures:rate6h / tenant:event_worker_verdicts:rate6h > 6 * (1 - {{ dig "successObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_failures:rate30m / tenant:event_worker_verdicts:rate30m > 6 * (1 - {{ dig "successObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_failures:rate6h * 21600 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      )
    for: 2m
    labels:
      severity: critical
      component: worker
    annotations:
      summary: '{{ "{{" }} $value | humanizePercentage }} of the verdicts on events of tenant {{ "{{" }} $labels.tenant }} are failures'
      description: 'The worker of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) fails events at a rate that ends the budget ({{ dig "successObjective" 99 $thresholds }} % successes) within days, and they go to the dead letters. First read why: kubectl -n {{ "{{" }} $labels.namespace }} logs deployment/event-worker --since=15m | grep ''"level":"WARN"''.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventFailureBudgetBurnsFast.md'
  - alert: EventFailureBudgetBurnsSlowly
    expr: |-
      (
      (
        tenant:event_worker_failures:rate1d / tenant:event_worker_verdicts:rate1d > 3 * (1 - {{ dig "successObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_failures:rate2h / tenant:event_worker_verdicts:rate2h > 3 * (1 - {{ dig "successObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_failures:rate1d * 86400 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      ) or (
        tenant:event_worker_failures:rate3d / tenant:event_worker_verdicts:rate3d > 1 - {{ dig "successObjective" 99 $thresholds }} / 100
        and tenant:event_worker_failures:rate6h / tenant:event_worker_verdicts:rate6h > 1 - {{ dig "successObjective" 99 $thresholds }} / 100
        and tenant:event_worker_failures:rate3d * 259200 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      )
      ) unless (
      (
        tenant:event_worker_failures:rate1h / tenant:event_worker_verdicts:rate1h > 14.4 * (1 - {{ dig "successObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_failures:rate5m / tenant:event_worker_verdicts:rate5m > 14.4 * (1 - {{ dig "successObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_failures:rate1h * 3600 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      ) or (
        tenant:event_worker_failures:rate6h / tenant:event_worker_verdicts:rate6h > 6 * (1 - {{ dig "successObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_failures:rate30m / tenant:event_worker_verdicts:rate30m > 6 * (1 - {{ dig "successObjective" 99 $thresholds }} / 100)
        and tenant:event_worker_failures:rate6h * 21600 >= {{ dig "sloMinimumEvents" 10 $thresholds }}
      )
      )
    for: 15m
    labels:
      severity: warning
      component: worker
    annotations:
      summary: '{{ "{{" }} $value | humanizePercentage }} of the verdicts on events of tenant {{ "{{" }} $labels.tenant }} are failures, over the last days'
      description: 'The worker of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) spends its failure budget ({{ dig "successObjective" 99 $thresholds }} % successes) faster than it comes back. First see which event types fail: event_worker_processed_total by event_type and outcome on its dashboard.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventFailureBudgetBurnsSlowly.md'
- name: event-messages-alerts
  interval: 1m
  rules:
  - alert: EventDeadLettersAccumulate
    expr: subscription:event_operator_subscription_messages:max{role="dead-letter"} > {{ dig "deadLetters" 0 $thresholds }}
    for: 15m
    labels:
      severity: warning
      component: tenant
    annotations:
      summary: '{{ "{{" }} $value | humanize }} dead letters of {{ "{{" }} $labels.name }} wait in tenant namespace {{ "{{" }} $labels.namespace }}'
      description: 'The tenant of namespace {{ "{{" }} $labels.namespace }} has events that failed as often as they may; they are kept until the dead-letter retention ends. First see how to look at some: kubectl -n {{ "{{" }} $labels.namespace }} describe eventsubscription {{ "{{" }} $labels.name }}, condition DeadLettersPresent.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventDeadLettersAccumulate.md'
  - alert: EventBacklogGrows
    expr: |-
      subscription:event_operator_subscription_messages:max{role="worker"} > {{ dig "backlogMessages" 1000 $thresholds }}
      and delta(subscription:event_operator_subscription_messages:max{role="worker"}[30m]) > 0
    for: 30m
    labels:
      severity: warning
      component: tenant
    annotations:
      summary: '{{ "{{" }} $value | humanize }} messages of {{ "{{" }} $labels.name }} wait in tenant namespace {{ "{{" }} $labels.namespace }}, and more come than are handled'
      description: 'The worker of the tenant of namespace {{ "{{" }} $labels.namespace }} is slower than its publishers. First see whether it runs and how many there may be: kubectl -n {{ "{{" }} $labels.namespace }} get deployment,scaledobject event-worker.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventBacklogGrows.md'
- name: event-worker
  interval: 1m
  rules:
  - alert: EventTenantMismatch
    expr: |-
      sum by (tenant, namespace) (increase(event_worker_tenant_mismatch_total[15m])) > 0
      or
      sum by (tenant, namespace) (event_worker_tenant_mismatch_total unless event_worker_tenant_mismatch_total offset 15m) > 0
    for: 0m
    labels:
      severity: critical
      component: worker
    annotations:
      summary: The worker of tenant {{ "{{" }} $labels.tenant }} refused {{ "{{" }} $value | humanize }} messages that are not its tenant's
      description: 'Messages that name another tenant, or none, came through the filter of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}). None was handled. First compare the filter: kubectl -n {{ "{{" }} $labels.namespace }} get evsub -o wide, and read whose they are: kubectl -n {{ "{{" }} $labels.namespace }} logs deployment/event-worker | grep tenant_mismatch.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventTenantMismatch.md'
  - alert: EventHandlerAway
    expr: max by (tenant, namespace) (event_worker_circuit_open_seconds) > {{ dig "handlerAwaySeconds" 600 $thresholds }}
    for: 1m
    labels:
      severity: critical
      component: worker
    annotations:
      summary: The handler of tenant {{ "{{" }} $labels.tenant }} has been away for {{ "{{" }} $value | humanizeDuration }}
      description: 'The worker of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) holds its events until the handler answers again. First ask the service that the Tenant names: kubectl get tenant {{ "{{" }} $labels.tenant }} -o jsonpath=''{.spec.worker.handler}''.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventHandlerAway.md'
  - alert: EventPermanentVerdicts
    expr: |-
      sum by (tenant, namespace) (
        increase(event_worker_permanent_verdicts_total[1h]) + increase(event_worker_conflicts_total[1h])
      ) > {{ dig "permanentVerdicts" 10 $thresholds }}
    for: 0m
    labels:
      severity: warning
      component: worker
    annotations:
      summary: '{{ "{{" }} $value | humanize }} events of tenant {{ "{{" }} $labels.tenant }} failed for good within an hour'
      description: 'Events of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) go to the dead letters because of a verdict that no retry changes. First read the reasons: kubectl -n {{ "{{" }} $labels.namespace }} logs deployment/event-worker --since=1h | grep -E ''"outcome":"(permanent|conflict)"''.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventPermanentVerdicts.md'
  - alert: EventWaitingRoomFull
    expr: sum by (tenant, namespace) (increase(event_worker_displaced_total[15m])) > 0
    for: 0m
    labels:
      severity: warning
      component: worker
    annotations:
      summary: The worker of tenant {{ "{{" }} $labels.tenant }} gave back {{ "{{" }} $value | humanize }} events because too many wait
      description: 'The worker of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) holds the 10,000 events or 32 MiB that it may, and gives back the oldest. First see what its handler answers: kubectl -n {{ "{{" }} $labels.namespace }} logs deployment/event-worker --since=15m.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventWaitingRoomFull.md'
  - alert: EventWorkerDescriptorsNearLimit
    expr: max by (tenant, namespace, pod) (process_open_fds{pod=~"event-worker-.+"} / process_max_fds{pod=~"event-worker-.+"}) > {{ dig "descriptorsShare" 0.8 $thresholds }}
    for: 10m
    labels:
      severity: warning
      component: worker
    annotations:
      summary: Pod {{ "{{" }} $labels.pod }} of tenant {{ "{{" }} $labels.tenant }} has {{ "{{" }} $value | humanizePercentage }} of its file descriptors open
      description: 'The worker of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) will fail to open connections. First see what holds them: kubectl -n {{ "{{" }} $labels.namespace }} get tenant {{ "{{" }} $labels.tenant }} -o jsonpath=''{.spec.worker}'', and compare maxConcurrentMessages with event_worker_in_flight.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventWorkerDescriptorsNearLimit.md'
  - alert: EventWorkerTaskPanics
    expr: sum by (tenant, namespace, task) (increase(event_worker_task_restarts_total[15m])) > 0
    for: 0m
    labels:
      severity: warning
      component: worker
    annotations:
      summary: The task {{ "{{" }} $labels.task }} of the worker of tenant {{ "{{" }} $labels.tenant }} panicked
      description: 'A fault of the worker of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}); it goes on by itself. First keep the message for a report: kubectl -n {{ "{{" }} $labels.namespace }} logs deployment/event-worker --since=30m | grep -i panic.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventWorkerTaskPanics.md'
  - alert: EventSubscriptionMissing
    expr: sum by (tenant, namespace) (increase(event_worker_stream_errors_total{code=~"NOT_FOUND|FAILED_PRECONDITION"}[5m])) > 0
    for: 10m
    labels:
      severity: critical
      component: worker
    annotations:
      summary: 'A subscription of tenant {{ "{{" }} $labels.tenant }} cannot be pulled: it is missing or detached'
      description: 'The worker of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) asks for a subscription that is not there. First see which, and what the operator says of it: kubectl -n {{ "{{" }} $labels.namespace }} get evsub -o wide.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventSubscriptionMissing.md'
  - alert: EventWorkerAccessRefused
    expr: sum by (tenant, namespace, code) (increase(event_worker_stream_errors_total{code=~"PERMISSION_DENIED|UNAUTHENTICATED"}[5m])) > 0
    for: 10m
    labels:
      severity: critical
      component: worker
    annotations:
      summary: 'Pub/Sub refuses the worker of tenant {{ "{{" }} $labels.tenant }}: {{ "{{" }} $labels.code }}'
      description: 'The worker of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) may not pull. UNAUTHENTICATED is its token or the identity pool, PERMISSION_DENIED its grant. First see the conditions AccessReady: kubectl -n {{ "{{" }} $labels.namespace }} describe evsub.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventWorkerAccessRefused.md'
  - alert: EventStoreLost
    expr: |-
      sum by (tenant, namespace) (increase(event_worker_store_losses_total[15m])) > 0
      or
      sum by (tenant, namespace) (event_worker_store_losses_total unless event_worker_store_losses_total offset 15m) > 0
    for: 0m
    labels:
      severity: critical
      component: worker
    annotations:
      summary: The idempotency store of tenant {{ "{{" }} $labels.tenant }} was found emptied
      description: 'Keys of events that tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) handled are gone, so a redelivery has a second effect. First see whether Redis restarted, failed over or evicts: redis-cli info server, redis-cli config get maxmemory-policy.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventStoreLost.md'
  - alert: EventStoreAway
    expr: sum by (tenant, namespace) (increase(event_worker_store_errors_total[3m])) > 0
    for: 5m
    labels:
      severity: critical
      component: worker
    annotations:
      summary: The idempotency store of tenant {{ "{{" }} $labels.tenant }} does not answer
      description: 'The worker of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) handles nothing until its store answers; a refused password or certificate looks the same. First read what it says of the store: kubectl -n {{ "{{" }} $labels.namespace }} port-forward deployment/event-worker 8080, and curl 127.0.0.1:8080/readyz.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventStoreAway.md'
- name: event-operator
  interval: 1m
  rules:
  - alert: EventOperatorNotLeading
    expr: (sum(max by (namespace, pod) (event_operator_leading)) or vector(0)) != 1
    for: 5m
    labels:
      severity: critical
      component: operator
    annotations:
      summary: '{{ "{{" }} $value }} replicas of the event operator lead, and it should be one'
      description: 'While no replica leads, edits of every tenant wait; workers go on. First see whether it runs: kubectl get pods -A -l app.kubernetes.io/name=event-operator, and then its logs.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventOperatorNotLeading.md'
  - alert: EventOperatorYields
    expr: max by (release) (event_operator_yields_to_release) > 0
    for: 15m
    labels:
      severity: warning
      component: operator
    annotations:
      summary: An event operator writes nothing because the release {{ "{{" }} $labels.release }} has the cluster
      description: 'Every tenant of the cluster is served by {{ "{{" }} $labels.release }} alone. First decide which one is to stay: helm list -A.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventOperatorYields.md'
  - alert: EventOperatorFault
    expr: sum by (kind) (increase(event_operator_reconciles_total{outcome="bug"}[30m])) > 0
    for: 0m
    labels:
      severity: warning
      component: operator
    annotations:
      summary: Reconciles of {{ "{{" }} $labels.kind }} end with a fault of the operator
      description: 'It is tried again every few minutes; the tenants concerned say InternalError. First find them: kubectl get event-plane -A | grep InternalError.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventOperatorFault.md'
  - alert: EventOperatorAccessRefused
    expr: sum by (method, code) (increase(event_operator_pubsub_calls_total{code=~"PERMISSION_DENIED|UNAUTHENTICATED"}[15m])) > 0
    for: 10m
    labels:
      severity: critical
      component: operator
    annotations:
      summary: 'Pub/Sub refuses the operator''s {{ "{{" }} $labels.method }}: {{ "{{" }} $labels.code }}'
      description: 'Tenants that need {{ "{{" }} $labels.method }} stay as they are. First read which permission is missing on which object: kubectl get event-plane -A -o wide | grep PermissionDenied.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventOperatorAccessRefused.md'
  - alert: EventQuotaLow
    expr: |-
      max(event_operator_pubsub_quota_wait_seconds) > {{ dig "quotaWaitSeconds" 60 $thresholds }}
      or sum(increase(event_operator_pubsub_calls_total{code="RESOURCE_EXHAUSTED"}[10m])) > 0
    for: 15m
    labels:
      severity: warning
      component: operator
    annotations:
      summary: The operator waits for Pub/Sub's quota of admin calls
      description: Edits of tenants take minutes. First see who else uses the project's 6,000 admin calls a minute, and compare event_operator_pubsub_quota_calls_per_minute with config.quota.
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventQuotaLow.md'
  - alert: EventProjectFull
    expr: sum by (method) (increase(event_operator_pubsub_calls_total{code="LIMIT_REACHED"}[15m])) > 0
    for: 5m
    labels:
      severity: critical
      component: operator
    annotations:
      summary: 'A project takes no more: {{ "{{" }} $labels.method }} is refused at the limit'
      description: 'New tenants, and changed filters, stay without a subscription. First see which say QuotaExceeded: kubectl get event-plane -A -o wide | grep QuotaExceeded.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventProjectFull.md'
  - alert: EventSubscriptionLost
    expr: |-
      sum by (action) (increase(event_operator_repairs_total{kind="EventSubscription", action=~"create_subscription|create_topic"}[15m])) > 0
      or
      sum by (action) (
        event_operator_repairs_total{kind="EventSubscription", action=~"create_subscription|create_topic"}
        unless event_operator_repairs_total{kind="EventSubscription", action=~"create_subscription|create_topic"} offset 15m
      ) > 0
    for: 0m
    labels:
      severity: critical
      component: operator
    annotations:
      summary: 'The operator made again what was there before: {{ "{{" }} $labels.action }}'
      description: 'Somebody deleted it in Pub/Sub, or a setting of the operator asks for another one. First see which tenant it was, and whether messages are lost: kubectl get events -A --field-selector reason=BacklogLost.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventSubscriptionLost.md'
  - alert: EventRolloutHalted
    expr: max(event_operator_rollout_workers{state="regressed"}) > 0
    for: 5m
    labels:
      severity: warning
      component: operator
    annotations:
      summary: 'The rollout to all workers halted: {{ "{{" }} $value }} that were ready are not'
      description: 'No other worker gets the new version until that is mended. First see which tenants regressed, which the message of the waiting ones names: kubectl get tenants -o wide | grep RolloutHalted.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventRolloutHalted.md'
  - alert: EventSettingsChangeHalted
    expr: max(event_operator_settings_change_tenants{state="halted"}) > 0
    for: 5m
    labels:
      severity: warning
      component: operator
    annotations:
      summary: A change of the settings halted before {{ "{{" }} $value }} tenants
      description: 'The change would take subscriptions from tenants, or move them. First read what it would do, and restore the setting or confirm it with config.brake.goOn: kubectl get tenants -o wide | grep ChangeHalted.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventSettingsChangeHalted.md'
  - alert: EventObjectsNotReady
    expr: sum by (kind) (max by (kind, ready) (event_operator_objects{ready!="True"})) > 0
    for: 30m
    labels:
      severity: warning
      component: operator
    annotations:
      summary: '{{ "{{" }} $value }} objects of kind {{ "{{" }} $labels.kind }} are not Ready'
      description: 'Each says why, and what to do. First read it: kubectl get event-plane -A -o wide | grep -v True.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventObjectsNotReady.md'
  - alert: EventOperatorBehind
    expr: sum by (kind) (max by (kind, lane) (event_operator_queue_depth{lane="edits"})) > {{ dig "queueDepth" 10 $thresholds }}
    for: 15m
    labels:
      severity: warning
      component: operator
    annotations:
      summary: '{{ "{{" }} $value }} edited objects of kind {{ "{{" }} $labels.kind }} wait for the operator'
      description: 'New tenants and edits take long. First see what it waits for: the quota (event_operator_pubsub_quota_wait_seconds), Pub/Sub (event_operator_pubsub_calls_total by code) or the processor.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventOperatorBehind.md'
{{- if dig "kubeStateMetrics" true $monitoring }}
- name: event-kube-state-metrics
  interval: 1m
  rules:
  - alert: EventWorkerNotReady
    expr: |-
      max by (namespace) (kube_deployment_spec_replicas{deployment="event-worker"}) > 0
      unless
      max by (namespace) (kube_deployment_status_replicas_ready{deployment="event-worker"}) > 0
    for: 10m
    labels:
      severity: critical
      component: worker
    annotations:
      summary: No worker of tenant namespace {{ "{{" }} $labels.namespace }} is ready
      description: 'The tenant''s events wait in Pub/Sub until their retention ends. First see what the pods wait for: kubectl -n {{ "{{" }} $labels.namespace }} describe pods -l app.kubernetes.io/name=event-worker.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventWorkerNotReady.md'
  - alert: EventWorkerMemoryNearLimit
    expr: |-
      max by (tenant, namespace, pod) (process_resident_memory_bytes{pod=~"event-worker-.+"})
      / on (namespace, pod) group_left ()
      max by (namespace, pod) (kube_pod_container_resource_limits{resource="memory", container="worker", pod=~"event-worker-.+"})
      > {{ dig "memoryShare" 0.9 $thresholds }}
    for: 10m
    labels:
      severity: warning
      component: worker
    annotations:
      summary: Pod {{ "{{" }} $labels.pod }} of tenant {{ "{{" }} $labels.tenant }} uses {{ "{{" }} $value | humanizePercentage }} of its memory limit
      description: 'The worker of tenant {{ "{{" }} $labels.tenant }} (namespace {{ "{{" }} $labels.namespace }}) is about to be killed. First see how large its events are and how many it handles at a time: event_worker_in_flight and event_worker_waiting on its dashboard.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventWorkerMemoryNearLimit.md'
  - alert: EventContainerOutOfMemory
    expr: |-
      sum by (namespace, pod, container) (
        increase(kube_pod_container_status_restarts_total{container=~"worker|operator", pod=~"(.+-)?event-(worker|operator)-.+"}[15m])
      ) > 0
      and
      max by (namespace, pod, container) (kube_pod_container_status_last_terminated_reason{reason="OOMKilled"}) > 0
    for: 0m
    labels:
      severity: warning
      component: worker
    annotations:
      summary: Container {{ "{{" }} $labels.container }} of pod {{ "{{" }} $labels.pod }} in namespace {{ "{{" }} $labels.namespace }} ran out of memory
      description: 'What it held is delivered again. In a tenant''s namespace ({{ "{{" }} $labels.namespace }}) raise spec.worker.resources of its Tenant, for the operator the chart''s resources. First see the limit: kubectl -n {{ "{{" }} $labels.namespace }} describe pod {{ "{{" }} $labels.pod }}.'
      runbook_url: '{{ default "docs/runbooks" $monitoring.runbookBase | trimSuffix "/" }}/EventContainerOutOfMemory.md'
{{- end }}
{{- end -}}
