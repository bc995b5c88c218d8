#!/usr/bin/env bash
# Takes the demo's cluster away, with everything in it. What was built stays in .cache.
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "$(readlink -f "$0")")/../lib/say.sh"

if [ "${CLUSTER:-}" = current ]; then
  # shellcheck source=config/demo/env.sh
  . "$root/config/demo/env.sh"
  phase "The demo leaves your cluster"
  kubectl delete tenant "$one" "$two" --ignore-not-found --timeout=120s
  helm uninstall event-operator --namespace event-operator --ignore-not-found --wait
  kubectl delete namespace "$one" "$two" pubsub-emulator --ignore-not-found --timeout=120s
  ok "Gone. What stays is the namespace event-operator with the CRDs' chart, because Tenants of your own may need it"
  exit
fi
phase "The cluster goes"
"$root/e2e/cluster/cluster" down
ok "Nothing of it is left running"
