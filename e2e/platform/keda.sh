# Sourced: a real KEDA scales a worker by what the real operator tells it.
# shellcheck shell=bash disable=SC2034,SC2154

scaled=tenant-scaled

story_keda() {
  phase "KEDA, from zero to many and back"
  local began
  "$cluster" keda up
  apply_scaled_tenant
  began=$SECONDS
  eventually 900 replicas 0 || die "the worker of $scaled did not go to zero: $last_try"
  ok "With nothing to do no worker runs, after $((SECONDS - began)) s"

  local event
  for event in $(seq 40); do publish "$scaled" "$event" >/dev/null; done
  began=$SECONDS
  eventually 420 replicas 3 || die "40 messages wait, and the worker of $scaled did not become three: $last_try"
  ok "40 messages wait for a service that is away: three workers run, after $((SECONDS - began)) s"

  "$cluster" keda down
  eventually 120 replicas 1 || die "without KEDA one worker of $scaled was to run: $last_try"
  ok "KEDA is removed, and one worker runs"

  "$cluster" keda up
  began=$SECONDS
  eventually 420 replicas 3 || die "KEDA is back, and the worker of $scaled did not become three: $last_try"
  ok "KEDA is back, and three run, after $((SECONDS - began)) s"

  kubectl -n "$scaled" apply -f "$here/handler.yaml" >/dev/null
  began=$SECONDS
  eventually 1200 replicas 0 || die "the service is there, and the worker of $scaled did not go to zero: $last_try"
  ok "The service came, everything was handled, and the last worker went after $((SECONDS - began)) s"
}

apply_scaled_tenant() {
  kubectl apply -f - >/dev/null <<TENANT
apiVersion: events.livingtwin.io/v1alpha1
kind: Tenant
metadata: {name: $scaled}
spec:
  subscriptions: [{topic: document-events}]
  worker:
    handler: {http: {url: "http://handler.$scaled:8081/events", timeout: 30s}}
    scaling: {min: 0, max: 3, targetBacklog: 10}
TENANT
  eventually 60 kubectl get namespace "$scaled" || die "the operator made no namespace $scaled: $last_try"
  kubectl -n "$scaled" create secret generic event-worker-store --from-literal=password="$redis_password" \
    --from-file="$root/.cache/platform/ca.crt" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
  eventually 60 kubectl -n "$scaled" get scaledobject event-worker || die "the operator made no ScaledObject: $last_try"
  eventually 120 subscriptions_made || die "subscriptions are missing in Pub/Sub"
}

# replicas NUMBER: whether so many workers are wanted and there.
replicas() {
  local there
  there=$(kubectl -n "$scaled" get deployment event-worker -o json | jq -c '[.spec.replicas, (.status.replicas // 0)]')
  [ "$there" = "[$1,$1]" ] || { echo "wanted and there: $there" && return 1; }
}
