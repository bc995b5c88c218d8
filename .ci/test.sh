#!/usr/bin/env bash
# Everything that has to hold: `make test`.
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "$0")/../config/lib/say.sh"
# shellcheck source=config/lib/needs.sh
. "$root/config/lib/needs.sh"
# shellcheck source=config/lib/binaries.sh
. "$root/config/lib/binaries.sh"

# The stories of Google's Pub/Sub are told of the emulator here; of the real one by make test-gcp.
unset GCP_TEST_PROJECT

logs=$root/.cache/logs
mkdir -p "$logs"

phase "What the tests need"
needs test
need shellcheck shellcheck "it checks the shell scripts"
need redis-server redis-server "the worker's store is tested against a real Redis, started by each test"
ok "It is there"

phase "Kubernetes and helm from source, in the background (5 to 10 minutes the first time; .cache/logs/cluster.log)"
# A process group of its own, so that its compilers end with it.
setsid "$root/e2e/cluster/cluster" build >"$logs/cluster.log" 2>&1 &
cluster_build=$!
trap 'kill -- "-$cluster_build" 2>/dev/null || true' EXIT

"$root/.ci/lint.sh" --compiler-lints

phase "Clippy, and tests are compiled"
# Clippy's driver is the compiler with lints. As the compiler of our own crates it makes one pass of the two, and the
# dependencies are compiled once, which `cargo clippy` would do again in its own way: four minutes. Each word of
# CLIPPY_ARGS is parted in the manner of cargo-clippy.
export RUSTC_WORKSPACE_WRAPPER=clippy-driver CLIPPY_ARGS=-D__CLIPPY_HACKERY__warnings
cargo test --workspace --no-run || die "clippy or the compiler found faults"
ok "Linted and compiled"

phase "Tests that need no cluster, while it is built"
# By name, and not by package: another choice of packages has other features, and so everything would be built again.
stories() {
  cargo metadata --no-deps --format-version 1 | jq --raw-output --argjson stories "$1" \
    '.packages[] | select((.name == "e2e") == $stories) | .targets[] | select(.kind == ["test"]) | "--test=" + .name'
}
mapfile -t targets < <(stories false)
cargo test --workspace --lib --bins --examples "${targets[@]}"
cargo test --workspace --doc
ok "They pass"

phase "Google's Python, Go, Node and Java clients against the emulator"
# The one that the tests were linked with; by itself the suite builds one with other features.
e2e/emulator/clients/run.sh --binary "$(binaries dev)/pubsub-emulator"
ok "They work"

events/python/test.sh --binaries "$(binaries dev)"

phase "Recipes: Terraform, Cloud Run, alerts"
cargo build --quiet --workspace --bin eventctl
config/terraform/test.sh
config/cloud-run/test.sh --binaries "$(binaries dev)"
if command -v promtool >/dev/null; then
  config/monitoring/test.sh
else
  note "promtool is not here, so the alerts are NOT tested. Install it: apt-get install prometheus; then: make alerts"
fi
ok "They hold"

phase "Waiting for Kubernetes and helm"
wait "$cluster_build" || {
  tail -n 20 "$logs/cluster.log" >&2
  die "the cluster could not be built; see .cache/logs/cluster.log"
}
trap - EXIT
ok "Built, or found built"

charts/test/test.sh --all
config/docs/test.sh --binaries "$(binaries dev)"
config/gitops/test.sh --binaries "$(binaries dev)"

phase "Stories on a real control plane"
mapfile -t targets < <(stories true)
# They wait more than they compute, so more of them than there are cores run at a time.
cargo test --workspace "${targets[@]}" -- --test-threads "$(($(nproc) + 1))"
ok "They hold"

phase "End to end, with real pods"
TESTS_ARE_BUILT=yes "$root/config/demo/demo.sh" --check
ok "The whole test passes"
