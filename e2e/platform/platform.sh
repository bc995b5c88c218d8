#!/usr/bin/env bash
# Stories on the bundled cluster that need more of a platform than the demo has: enforced NetworkPolicies, a Redis with TLS and
# users, tokens that the cluster signs, a KEDA.
#
#   platform.sh [--keep] [--cached] STORY...      STORY: network, tokens, canaries, keda; all of them without
#
# --keep leaves the cluster running. --cached leaves out, and says so, what needs parts that are not built yet, or root.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=config/lib/say.sh
. "$here/../../config/lib/say.sh"
# shellcheck source=config/lib/needs.sh
. "$root/config/lib/needs.sh"
# shellcheck source=config/demo/env.sh
. "$root/config/demo/env.sh"
# shellcheck source=config/demo/install.sh
. "$root/config/demo/install.sh"
# shellcheck source=config/demo/report.sh
. "$root/config/demo/report.sh"
# shellcheck source=e2e/platform/install.sh
. "$here/install.sh"
# shellcheck source=e2e/platform/probes.sh
. "$here/probes.sh"
# shellcheck source=e2e/platform/network.sh
. "$here/network.sh"
# shellcheck source=e2e/platform/tokens.sh
. "$here/tokens.sh"
# shellcheck source=e2e/platform/canaries.sh
. "$here/canaries.sh"
# shellcheck source=e2e/platform/keda.sh
. "$here/keda.sh"

keep=false cached=false stories=()
while [ $# -gt 0 ]; do
  case $1 in
    --keep) keep=true ;;
    --cached) cached=true ;;
    network | tokens | canaries | keda) stories+=("$1") ;;
    *) die "usage: platform.sh [--keep] [--cached] [network|tokens|canaries|keda]..." ;;
  esac
  shift
done
[ ${#stories[@]} -gt 0 ] || stories=(network tokens canaries keda)

finish() {
  local code=$?
  trap - EXIT
  if [ "$code" -ne 0 ]; then
    report || true
    printf '\n%s✗ The platform'"'"'s stories failed after %d s; the reason stands above the report.%s\n' "$red" "$SECONDS" "$plain" >&2
  fi
  $keep || "$cluster" down || code=1
  exit "$code"
}

# built PART: whether the cluster has it in its cache.
built() { [ -x "$root/.cache/cluster/bin/$1" ]; }

if $cached && [ "$(id -u)" -ne 0 ]; then
  note "Only root can make the bundled cluster, so the platform's stories are NOT told"
  exit
fi
[ "${CLUSTER:-bundled}" = bundled ] || die "CLUSTER=$CLUSTER: these stories are for the bundled cluster, whose network they change"
export CLUSTER=bundled
needs e2e
need openssl openssl "it makes the certificate of Redis"
need redis-server redis-server "it runs in the cluster"
if $cached; then
  for part in kube-network-policies:network keda:keda; do
    built "${part%:*}" || {
      note "${part%:*} is not built, so the story '${part#*:}' is NOT told. Build it: e2e/cluster/cluster build --with policies keda"
      mapfile -t stories < <(printf '%s\n' "${stories[@]}" | grep -vx "${part#*:}")
    }
  done
  [ ${#stories[@]} -gt 0 ] || exit 0
fi
trap finish EXIT

start_cluster
load_images
load_platform_images
start_emulator
trust_the_cluster
start_redis
install_operator_on_the_platform
apply_platform_tenants
for story in "${stories[@]}"; do "story_$story"; done
ok "The platform's stories hold: ${stories[*]}"
