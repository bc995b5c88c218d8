#!/usr/bin/env bash
# How the operator does with many tenants: builds and runs e2e/examples/scale, whose arguments these are (--help).
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "$0")/../../config/lib/say.sh"
# shellcheck source=config/lib/binaries.sh
. "$root/config/lib/binaries.sh"

need cargo https://rustup.rs "it compiles the operator"
# Standard output is for the figures.
e2e/cluster/cluster build --control-plane-only >&2
# In one go: another choice of packages has other features, and so everything would be built again.
cargo build --release --package event-operator --package e2e --bin event-operator --example scale
exec "$(binaries release)/examples/scale" "$@"
