# Sourced: trying things from inside pods.
# shellcheck shell=bash disable=SC2034,SC2154

# worker_pod TENANT
worker_pod() {
  kubectl -n "$1" get pods --selector app.kubernetes.io/name=event-worker --field-selector status.phase=Running \
    --sort-by=.metadata.creationTimestamp -o jsonpath='{.items[-1:].metadata.name}'
}

# open_worker TENANT: a container beside the worker, in its pod's network and with its processes in sight, as an intruder would
# have it. It listens on 9999.
open_worker() {
  local pod
  pod=$(worker_pod "$1")
  if [ -z "$(kubectl -n "$1" get pod "$pod" -o jsonpath='{.spec.ephemeralContainers[?(@.name=="intruder")].name}')" ]; then
    kubectl -n "$1" debug "$pod" --image=localhost/probe:1 --image-pull-policy=Never --profile=restricted --container=intruder \
      --target=worker --quiet -- /probe listen 9999 >/dev/null
  fi
  eventually 60 intruded "$1" "$pod" || die "no container beside the worker of $1: $last_try"
}

intruded() {
  kubectl -n "$1" get pod "$2" -o json |
    jq --exit-status '.status.ephemeralContainerStatuses[]? | select(.name == "intruder") | .state.running' >/dev/null
}

# from_worker TENANT ARGUMENT…: the probe in its worker's pod.
from_worker() {
  local tenant=$1
  shift
  kubectl -n "$tenant" exec "$(worker_pod "$tenant")" --container=intruder -- /probe "$@"
}

# from_pod NAMESPACE POD ARGUMENT…
from_pod() { kubectl -n "$1" exec "$2" -- /probe "${@:3}"; }

# pod_ip NAMESPACE POD
pod_ip() { kubectl -n "$1" get pod "$2" -o jsonpath='{.status.podIP}'; }

# expect WHO ANSWER TARGET… -- COMMAND…: the command's probe finds each target so.
expect() {
  local who=$1 answer=$2 targets=() found
  shift 2
  while [ "$1" != -- ]; do targets+=("$1") && shift; done
  shift
  found=$("$@" reach "${targets[@]}") || die "$who: the probe failed"
  if [ "$found" != "$(printf "%s $answer\n" "${targets[@]}")" ]; then
    die "$who: everything was to be $answer, but it was: ${found//$'\n'/, }"
  fi
}
