#!/usr/bin/env bash
# The publisher of the events library beside the official client alone and beside the Python package, in one run.
#   publisher.sh [FLAG of driver/publishers.py…]
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../config/lib/say.sh"
# shellcheck source=config/lib/binaries.sh
. "$root/config/lib/binaries.sh"

logs=$root/.cache/logs work=$root/.cache/bench
mkdir -p "$logs" "$work"
need cargo https://rustup.rs "it builds the publisher and the emulator"
# Standard output is for the figures.
"$root/events/python/test.sh" --prepare >&2
cargo build --quiet --release --workspace --bin pubsub-emulator --example publish_load
folder=$(binaries release)
PYTHONPYCACHEPREFIX=$work/pycache PYTHONPATH=$root/events/python/src exec "$root/.cache/events-python/venv/bin/python" \
  "$root/e2e/bench/driver/publishers.py" --emulator "$folder/pubsub-emulator" --load "$folder/examples/publish_load" \
  --python "$root/e2e/bench/python/publisher.py" --logs "$logs" --json "$work/publishers.json" "$@"
