#!/usr/bin/env bash
# Everything that has to hold: `make test`.
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "$0")/../config/lib/say.sh"

logs=$root/.cache/logs
mkdir -p "$logs"

phase "What the tests need"
need cargo https://rustup.rs "it compiles the project"
need go https://go.dev/dl "it compiles the Kubernetes that the tests run on; Go 1.25 or later"
need cc gcc "cargo links with it"
need curl curl "the end-to-end test talks to the emulator with it"
need jq jq "the end-to-end test reads logs with it"
need shellcheck shellcheck "it checks the shell scripts"
if [ "${CLUSTER:-bundled}" = bundled ] && [ "$(id -u)" -ne 0 ] && ! docker info >/dev/null 2>&1; then
  die "The end-to-end test starts a cluster in namespaces of its own, for which it has to be root. Run: sudo make test"
fi
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
