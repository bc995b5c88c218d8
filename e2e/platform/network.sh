# Sourced: what a NetworkPolicy of the operator's is worth where it is enforced.
# shellcheck shell=bash disable=SC2034,SC2154

story_network() {
  phase "The network: before policies count"
  local api node own theirs
  open_worker "$one"
  open_worker "$two"
  own=$(pod_ip "$one" "$(worker_pod "$one")")
  theirs=$(pod_ip "$two" "$(worker_pod "$two")")
  api=$(kubectl -n default get service kubernetes -o jsonpath='{.spec.clusterIP}')
  node=$("$cluster" host)
  local allowed=(pubsub-emulator.pubsub-emulator.svc.cluster.local:8085 redis.infra.svc.cluster.local:6379 "handler.$one.svc.cluster.local:8081")
  local forbidden=(database.neighbours.svc.cluster.local:5432 database.neighbours.svc.cluster.local:80
    "handler.$one.svc.cluster.local:9999" "handler.$two.svc.cluster.local:9999" "$theirs:9999"
    "$api:443" "$node:6443" "$node:10250")
  # What is silent later was there.
  expect "$one's worker" open "${allowed[@]}" "${forbidden[@]}" -- from_worker "$one"
  expect "the handler of $two" open "$own:8080" "$own:9999" -- from_pod "$two" handler
  expect "Prometheus" open "$own:8080" "$own:9999" -- from_pod monitoring prometheus
  ok "Everything reaches everything"

  "$cluster" enforce
  phase "The network: policies are enforced"
  expect "$one's worker" open "${allowed[@]}" -- from_worker "$one"
  ok "$one's worker reaches Pub/Sub, its names, its handler and Redis"
  expect "$one's worker" silent "${forbidden[@]}" -- from_worker "$one"
  ok "It reaches no other port of anything: not the API server, not the kubelet, no database, no other tenant's worker"
  expect "the handler of $two" silent "$own:9999" -- from_pod "$two" handler
  expect "Prometheus" silent "$own:9999" -- from_pod monitoring prometheus
  expect "Prometheus" open "$own:8080" -- from_pod monitoring prometheus
  ok "Nothing reaches a port of the worker's pod but that of its metrics"
  as_written "$own"
  events_flow
}

# rule TENANT FILTER: whether the policy of its worker has it.
rule() { kubectl -n "$1" get networkpolicy event-worker -o json | jq --exit-status "$2" >/dev/null; }

# as_written ADDRESS: where the policy's text depends on the operator's settings, the network does as it says.
as_written() {
  local answer=open
  rule "$one" '.spec.ingress[0].from' && answer=silent
  expect "the handler of $two" "$answer" "$1:8080" -- from_pod "$two" handler
  expect "$two's worker" silent "$1:8080" -- from_worker "$two"
  note "Another tenant's pods find the worker's metrics $answer"
  answer=open
  rule "$one" '[.spec.egress[] | select(any(.ports[]?; .port == 8081))] | all(.to != null)' && answer=silent
  expect "$one's worker" "$answer" "handler.$two.svc.cluster.local:8081" -- from_worker "$one"
  note "Another tenant's service on the port of its own is $answer to $one's worker"
  answer=silent
  rule "$one" '[.spec.egress[].ports[]?.port] | index(4317)' && answer=open
  expect "$one's worker" "$answer" collector.monitoring.svc.cluster.local:4317 -- from_worker "$one"
  note "The collector of traces on port 4317 is $answer to $one's worker"
  ok "What depends on settings is as the policy says"
}

# Through Pub/Sub, Redis and the handler, under enforced policies.
events_flow() {
  local id
  id=$(publish "$one" "$payload")
  eventually 60 logged "$one" 'Event processed.' "$id" || die "the worker of $one did not process event $id under enforced policies: $last_try"
  kubectl -n "$one" logs handler | grep -q 'POST /events' || die "the handler of $one was not called"
  ok "An event goes through Pub/Sub, Redis and the handler"
}
