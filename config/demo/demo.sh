#!/usr/bin/env bash
# The whole thing on a real cluster: operator, two tenants, events, isolation.
#
#   demo.sh            shows it, and leaves it running (make demo)
#   demo.sh --check    the same as a test, with more of the story, and takes it away again (make e2e)
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=config/lib/say.sh
. "$here/../lib/say.sh"
# shellcheck source=config/lib/needs.sh
. "$here/../lib/needs.sh"
# shellcheck source=config/demo/env.sh
. "$here/env.sh"
# shellcheck source=config/demo/install.sh
. "$here/install.sh"
# shellcheck source=config/demo/story.sh
. "$here/story.sh"
# shellcheck source=config/demo/rollouts.sh
. "$here/rollouts.sh"
# shellcheck source=config/demo/report.sh
. "$here/report.sh"

check=false
case ${1:-} in
  '') ;;
  --check) check=true ;;
  *) die "usage: demo.sh [--check]" ;;
esac

finish() {
  local code=$?
  trap - EXIT
  if [ "$code" -ne 0 ]; then
    report || true
    printf '\n%s✗ The demo failed after %d s; the reason stands above the report.%s\n' "$red" "$SECONDS" "$plain" >&2
  fi
  end_servers
  if $check; then
    "$here/down.sh" || code=1
  fi
  exit "$code"
}

[ -x "$cluster" ] || die "e2e/cluster/cluster is missing"
needs demo
if [ "${CLUSTER:-}" = current ] && [ -z "${REGISTRY:-}" ]; then
  die "REGISTRY is missing: with CLUSTER=current, say which registry your cluster pulls from, as in make demo CLUSTER=current REGISTRY=europe-docker.pkg.dev/my-project/images"
fi
if $check && "$cluster" status >/dev/null 2>&1; then
  die "A cluster is running, perhaps your demo. The check would take it away; stop it first: make demo-down"
fi
trap finish EXIT

start_cluster
load_images
start_emulator
install_operator
apply_tenants
show_events
show_guard
if $check; then
  check_bad_sample
  check_retain
  check_rollouts
  check_uninstall
  ok "The story holds"
  exit
fi
show_state
phase "Look around"
cat <<END
  export KUBECONFIG=$KUBECONFIG
  alias kubectl=$root/.cache/cluster/bin/kubectl      # where you have none of your own
  kubectl get tenants
  kubectl -n $one logs deployment/event-worker --follow

Publish an event yourself:
  PUBSUB_EMULATOR_HOST=$emulator $(binaries dev)/eventctl publish --project $project \\
    --topic $topic --tenant $one --type document.ingested --data '{"document_id": "mine"}'

The operator's metrics, at http://127.0.0.1:8080/metrics:
  kubectl -n event-operator port-forward deployment/event-operator 8080

Break something, and watch it come back within $(sed -n 's/^  resync: //p' "$here/values.yaml"):
  curl -X DELETE http://$emulator/v1/projects/$project/subscriptions/living-twin-$topic-$one-worker

Take it all away:
  make demo-down
END
echo
ok "The demo is up"
