#!/usr/bin/env bash
# Everything that has to hold: `make test`.
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "$0")/../config/lib/say.sh"
# shellcheck source=config/lib/needs.sh
. "$root/config/lib/needs.sh"

logs=$root/.cache/logs
mkdir -p "$logs"

phase "What the tests need"
needs test
need shellcheck shellcheck "it checks the shell scripts"
ok "It is there"

phase "Kubernetes and helm from source, in the background (5 to 10 minutes the first time; .cache/logs/cluster.log)"
# A process group of its own, so that its compilers end with it.
setsid "$root/e2e/cluster/cluster" build >"$logs/cluster.log" 2>&1 &
cluster_build=$!
trap 'kill -- "-$cluster_build" 2>/dev/null || true' EXIT

"$root/.ci/lint.sh"

phase "Tests are compiled"
cargo test --workspace --no-run
ok "Compiled"

phase "Waiting for Kubernetes and helm"
wait "$cluster_build" || {
  tail -n 20 "$logs/cluster.log" >&2
  die "the cluster could not be built; see .cache/logs/cluster.log"
}
trap - EXIT
ok "Built, or found built"

phase "Unit tests, and integration tests on a real control plane"
cargo test --workspace
ok "They pass"

phase "End to end, with real pods"
"$root/config/demo/demo.sh" --check
ok "The whole test passes"
