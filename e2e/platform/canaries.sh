# Sourced: secrets that may turn up nowhere.
# shellcheck shell=bash disable=SC2034,SC2154

story_canaries() {
  phase "Secrets and payloads, looked for everywhere"
  local seen=$root/.cache/platform/seen wrong id
  wrong=CANARY-WRONG-$(openssl rand -hex 8)
  id=$(publish "$one" "$payload")
  eventually 60 logged "$one" 'Event processed.' "$id" || die "the worker of $one did not process event $id: $last_try"

  # Failures talk more than successes do: a password that Redis does not take, and connections that have to be made anew.
  open_worker "$one"
  redis_password_of "$one" "$wrong"
  eventually 150 password_in_pod "$wrong" || die "the kubelet did not bring the new password: $last_try"
  kubectl -n infra rollout restart deployment/redis >/dev/null
  kubectl -n infra rollout status deployment/redis --timeout=90s >/dev/null
  publish "$one" "$payload" >/dev/null
  eventually 60 store_away || die "the worker of $one works with a wrong password: $last_try"

  see_everything "$seen"
  redis_password_of "$one" "$redis_password"
  # What looks finds what is there.
  grep -qF "$id" "$seen/logs" || die "the sweep does not see the logs"
  grep -qF event_operator_ "$seen/metrics" || die "the sweep does not see the operator's metrics"
  grep -qF event_worker_ "$seen/metrics" || die "the sweep does not see the workers' metrics"
  grep -qF "$otlp_header" "$seen/objects" || die "the sweep does not see what Tenants say"
  local canary
  for canary in "$redis_password" "$wrong" "$payload" "$(printf %s "$redis_password" | base64 -w0)"; do
    nowhere "$canary" logs metrics objects events audit
  done
  # The header stands in the Tenant, and so in what is made of it; nowhere else.
  nowhere "$otlp_header" logs metrics events audit statuses
  ok "Neither passwords, nor a collector's header, nor payloads are in a log, a status, an event, a metric, a page or the audit log"
}

nowhere() {
  local canary=$1 place
  for place in "${@:2}"; do
    if grep -qF -e "$canary" "$seen/$place"; then
      die "A SECRET LEAKED: ${canary%-*} is in $seen/$place: $(grep -m1 -F -e "$canary" "$seen/$place" | cut -c 1-300)"
    fi
  done
}

redis_password_of() {
  kubectl -n "$1" patch secret event-worker-store --type merge --patch "{\"stringData\": {\"password\": \"$2\"}}" >/dev/null
}

password_in_pod() { [ "$(from_worker "$one" file /proc/1/root/etc/event-worker-store/password)" = "$1" ]; }

# store_away: whether its worker says that it cannot use Redis, which runs.
store_away() { from_worker "$one" page http://127.0.0.1:8080/readyz | grep '^store: '; }

# see_everything FOLDER: all that people and machines get to see, but for Secrets themselves.
see_everything() {
  local folder=$1 kinds kind line namespace pod path
  rm -rf "$folder" && mkdir -p "$folder"
  while read -r namespace pod; do
    kubectl -n "$namespace" logs "$pod" --all-containers --tail=-1 >>"$folder/logs" 2>&1 || true
    kubectl -n "$namespace" logs "$pod" --all-containers --tail=-1 --previous >>"$folder/logs" 2>/dev/null || true
  done < <(kubectl get pods --all-namespaces -o jsonpath='{range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}')
  kinds=$(kubectl api-resources --verbs=list -o name | grep -vx -e secrets -e 'events.*' | paste -sd,)
  kubectl get "$kinds" --all-namespaces -o json >"$folder/objects" 2>/dev/null
  jq '[.items[].status]' "$folder/objects" >"$folder/statuses"
  kubectl get events --all-namespaces -o json >"$folder/events"
  while read -r namespace pod; do
    for path in metrics readyz healthz; do
      kubectl get --raw "/api/v1/namespaces/$namespace/pods/$pod:8080/proxy/$path" >>"$folder/metrics" 2>&1 || true
    done
  done < <(kubectl get pods --all-namespaces --selector 'app.kubernetes.io/name in (event-worker, event-operator)' \
    -o jsonpath='{range .items[*]}{.metadata.namespace} {.metadata.name}{"\n"}{end}')
  # The API server keeps the page of a 503 to itself.
  from_worker "$one" page http://127.0.0.1:8080/{readyz,metrics} >>"$folder/metrics"
  cp "$root/.cache/cluster/state/audit.log" "$folder/audit"
}
