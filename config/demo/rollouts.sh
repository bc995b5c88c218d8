# Sourced: many rollouts of a worker under load, with a store that all workers share. Zero events lost, zero doubled.
# shellcheck shell=bash disable=SC2034,SC2154

# How many; `make test-long` asks for 20.
rollouts=${ROLLOUTS:-3}
loaded='tenant-789'
store_port=36379 effects_port=36380
servers=()

check_rollouts() {
  phase "A store that all workers share (docs/shared-store.md), and $rollouts rollouts under load"
  local gateway folder
  if ! gateway=$("$cluster" gateway 2>/dev/null); then
    note "Skipped: pods of this cluster do not reach servers of this machine"
    return
  fi
  need redis-server redis-server "it is the store"
  need python3 python3 "it counts the effects of events"
  folder=$(mktemp -d)
  start_store
  share_store
  load_tenant
  publish_on "$folder/published" &
  local publisher=$! round
  servers+=("$publisher")
  eventually 60 effects_are 10 || die "no effects of events: $last_try"
  for ((round = 1; round <= rollouts; round++)); do
    kubectl -n "$loaded" rollout restart deployment/event-worker >/dev/null
    kubectl -n "$loaded" rollout status deployment/event-worker --timeout=120s >/dev/null ||
      die "rollout $round did not end"
  done
  ok "$rollouts rollouts under load"

  kubectl patch tenant "$loaded" --type merge --patch '{"spec": {"suspended": true}}' >/dev/null
  eventually 60 no_workers || die "a suspended tenant has workers: $last_try"
  local before after
  before=$(effects | jq length)
  kubectl patch tenant "$loaded" --type merge --patch '{"spec": {"suspended": false}}' >/dev/null
  kubectl wait --for=condition=Ready "tenant/$loaded" --timeout=120s >/dev/null
  eventually 60 effects_are $((before + 10)) || die "after the suspension nothing is handled: $last_try"
  ok "Suspended, at zero, and back"

  touch "$folder/published.end"
  wait "$publisher"
  after=$(sort -u "$folder/published" | wc -l)
  eventually 120 effects_are "$after" || die "EVENTS LOST: $after were published, and so many had an effect: $last_try"
  comm -3 <(sort -u "$folder/published") <(effects | jq --raw-output 'keys[]' | sort) >"$folder/difference"
  [ ! -s "$folder/difference" ] || die "published and handled are not the same: $(head -n 5 "$folder/difference")"
  local doubled
  doubled=$(effects | jq '[.[] | select(. > 1)] | length')
  [ "$doubled" = 0 ] || die "EVENTS DOUBLED: $doubled of $after had more than one effect"
  kubectl delete tenant "$loaded" --timeout=90s >/dev/null
  rm -rf "$folder"
  ok "$after events were published: none lost, none doubled"
}

# Redis on this machine, and a service that counts effects. Each tenant is a user of its own, as docs/shared-store.md says.
start_store() {
  local tenant
  for tenant in "$one" "$two" "$loaded"; do
    openssl rand -hex 16 >"$folder/$tenant.password"
    printf 'user %s on >%s resetkeys ~event-worker:%s:* resetchannels -@all +set +get +eval +evalsha +script|load +ping +select +role\n' \
      "$tenant" "$(cat "$folder/$tenant.password")" "$tenant"
  done >"$folder/users.acl"
  echo 'user default off' >>"$folder/users.acl"
  redis-server --bind "$gateway" --port "$store_port" --save '' --appendonly no --dir "$folder" \
    --aclfile "$folder/users.acl" >"$folder/redis.log" 2>&1 &
  servers+=($!)
  python3 "$root/config/demo/effects.py" "$gateway" "$effects_port" >"$folder/effects.log" 2>&1 &
  servers+=($!)
  eventually 20 effects || die "the service that counts effects does not answer; see $folder/effects.log"
}

# Secrets first, in namespaces that are there, and then the operator is told.
share_store() {
  local tenant
  kubectl create namespace "$loaded" --dry-run=client -o yaml | kubectl label --local --filename - --dry-run=client -o yaml \
    "events.livingtwin.io/tenant=$loaded" | kubectl apply --filename - >/dev/null
  for tenant in "$one" "$two" "$loaded"; do
    tr -d '\n' <"$folder/$tenant.password" >"$folder/password"
    kubectl -n "$tenant" create secret generic event-worker-store --from-file=password="$folder/password" >/dev/null
  done
  helm upgrade event-operator "$root/charts/event-operator" --namespace event-operator --reuse-values \
    --set "config.worker.idempotency.url=redis://$gateway:$store_port" \
    --set config.worker.idempotency.secretName=event-worker-store --wait --timeout 120s >/dev/null
}

# Two workers, and a handler that takes long enough to be interrupted.
load_tenant() {
  kubectl apply --filename - >/dev/null <<TENANT
apiVersion: events.livingtwin.io/v1alpha1
kind: Tenant
metadata: {name: $loaded}
spec:
  subscriptions: [{topic: $topic}]
  worker:
    handler: {http: {url: "http://$gateway:$effects_port/", timeout: 10s}}
    scaling: {min: 2}
TENANT
  kubectl wait --for=condition=Ready "tenant/$loaded" --timeout=120s >/dev/null
  kubectl -n "$loaded" rollout status deployment/event-worker --timeout=90s >/dev/null
  kubectl wait --for=condition=Ready "tenant/$one" "tenant/$two" --timeout=120s >/dev/null
  ok "Redis holds the keys of all tenants, each in its own part; $loaded has two workers"
}

# publish_on FILE: publishes until FILE.end is there; ids go to FILE.
publish_on() {
  until [ -e "$1.end" ]; do publish "$loaded" load >>"$1"; done
}

# {event id: number of effects}
effects() { curl --silent --show-error --fail --max-time 10 "http://$gateway:$effects_port/"; }

# effects_are NUMBER: whether at least so many events had one.
effects_are() {
  local number
  number=$(effects | jq length)
  echo "$number"
  [ "$number" -ge "$1" ]
}

no_workers() {
  local pods
  pods=$(kubectl -n "$loaded" get pods --selector app.kubernetes.io/name=event-worker --output name)
  echo "$pods"
  [ -z "$pods" ]
}

end_servers() {
  local pid
  for pid in "${servers[@]}"; do kill "$pid" 2>/dev/null || true; done
}
