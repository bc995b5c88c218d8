# Sourced: what the demo shows, and the end-to-end test asserts.
# shellcheck shell=bash disable=SC2034,SC2154

processed='Event processed.'
refused='Refused a message of another tenant.'

# wait_logged TENANT MESSAGE EVENT_ID
wait_logged() {
  eventually 60 logged "$@" || die "the worker of $1 did not log \"$2\" for event $3 within 60 s"
}

# never_processed TENANT EVENT_ID
never_processed() {
  if logged "$1" "$processed" "$2"; then
    die "ISOLATION BROKEN: the worker of $1 processed event $2 of another tenant"
  fi
}

show_events() {
  phase "Events, published from this machine"
  local id sentinel
  id=$(publish "$one" doc-1)
  wait_logged "$one" "$processed" "$id"
  ok "$one's worker processed its event $id"

  # The other worker is shown to be listening before its silence counts.
  sentinel=$(publish "$two" doc-2)
  wait_logged "$two" "$processed" "$sentinel"
  if worker_log "$two" | grep -qF "$id"; then
    die "ISOLATION BROKEN: the worker of $two saw event $id of $one"
  fi
  ok "$two's worker processed its own $sentinel, and never saw that of $one: the filter kept it away"
}

show_guard() {
  phase "The same with Pub/Sub's filters switched off, as if somebody had made them wrong"
  local id sentinel
  filters false
  id=$(publish "$one" doc-3)
  wait_logged "$one" "$processed" "$id"
  wait_logged "$two" "$refused" "$id"
  filters true
  sentinel=$(publish "$two" doc-4)
  wait_logged "$two" "$processed" "$sentinel"
  never_processed "$two" "$id"
  ok "$two's worker was given event $id of $one, and refused it; $one's worker processed it"
}

show_state() {
  phase "What kubectl shows"
  kubectl get tenants,eventsubscriptions --all-namespaces
  echo
  kubectl describe tenant "$one"
}

check_bad_sample() {
  phase "A wrong Tenant"
  local file=$root/config/samples/bad/tenant-id-injection.yaml answer expected
  expected=$(sed -n '1s/^# refused: //p' "$file")
  if answer=$(kubectl apply -f "$file" 2>&1); then
    die "the API server took ${file#"$root"/}"
  fi
  [[ $answer == *"$expected"* ]] || die "${file#"$root"/} was refused, but not for $expected: $answer"
  ok "It is refused, and $expected is named"
}

check_retain() {
  phase "A Tenant that goes and comes back"
  local id
  kubectl delete tenant "$one" --timeout=90s
  id=$(publish "$one" doc-5)
  kubectl apply -f "$root/config/samples/tenant-123.yaml"
  kubectl wait --for=condition=Ready "tenant/$one" --timeout=120s
  wait_logged "$one" "$processed" "$id"
  ok "Event $id, published while $one was deleted, was kept and is processed now"
}

check_uninstall() {
  phase "An operator that is uninstalled"
  helm uninstall event-operator event-operator-crds --namespace event-operator --wait >/dev/null
  kubectl get tenant "$one" "$two" >/dev/null || die "uninstalling the charts deleted tenants"
  kubectl -n "$one" rollout status deployment/event-worker --timeout=10s
  local id
  id=$(publish "$one" doc-6)
  wait_logged "$one" "$processed" "$id"
  ok "Tenants are still there, and their workers go on"
}
