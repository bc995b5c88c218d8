#!/usr/bin/env bash
# The event worker beside careful workers in Go and Python, measured in one run. See README.md beside this.
#   run.sh [--worker BINARY] [--emulator BINARY] [--bare BINARY] [--redis] [--json FILE] [FLAG of driver/bench.py…]
# What is not given is built in the release profile; --worker none leaves ours out, --bare none the loop of pull and ack.
set -euo pipefail
# shellcheck source=../../config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../config/lib/say.sh"

here=$root/e2e/bench
work=$root/.cache/bench
logs=$root/.cache/logs
mkdir -p "$work" "$logs"
worker='' emulator='' bare='' python='' flags=()
while [ $# -gt 0 ]; do
  case $1 in
    --worker) worker=${2:?--worker needs a path}; shift ;;
    --emulator) emulator=${2:?--emulator needs a path}; shift ;;
    --bare) bare=${2:?--bare needs a path}; shift ;;
    --python) python=yes; flags+=("$1" "${2:?--python needs a path}"); shift ;;
    --redis)
      need redis-server redis-server "it keeps the claims of the second measurement"
      flags+=(--redis "$(command -v redis-server)")
      ;;
    *) flags+=("$1") ;;
  esac
  shift
done
# A program of a crate, in the release profile: --bin NAME or --example NAME.
built() {
  cargo build --quiet --release -p "$1" "$2" "$3" --message-format json |
    sed -n 's/.*"executable":"\([^"]*\)".*/\1/p' | tail -n 1
}

phase "What is measured"
need go https://go.dev/dl "it compiles the Go worker; version 1.26, or 1.21 and later, which fetches it"
need python3 python3 "it runs the Python worker and the measurement"
go -C "$here/go" build -o "$work/go-worker" .
ok "Go worker"
wanted=$({ python3 --version && cat "$here/python/requirements.txt"; } | sha256sum)
if [ "$(cat "$work/venv/made-of" 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$work/venv"
  python3 -m venv "$work/venv" || die "python3 cannot make environments. Install it: apt-get install python3-venv"
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check --require-hashes -r "$here/python/requirements.txt"
  echo "$wanted" >"$work/venv/made-of"
fi
ok "Python worker"
need cargo https://rustup.rs "it builds the event worker and the emulator"
[ -n "$emulator" ] || emulator=$(built pubsub-emulator --bin pubsub-emulator)
[ -n "$worker" ] || worker=$(built event-worker --bin event-worker)
[ "$worker" = none ] || flags+=(--worker "$worker")
[ -n "$bare" ] || bare=$(built event-worker --example bare_client)
[ "$bare" = none ] || flags+=(--bare "$bare")
[ -n "$python" ] || flags+=(--python "$here/python/worker.py")
ok "Emulator and event worker"

phase "Measured"
PYTHONPYCACHEPREFIX=$work/pycache exec "$work/venv/bin/python" "$here/driver/bench.py" \
  --emulator "$emulator" --go "$work/go-worker" --logs "$logs" --json "$work/results.json" "${flags[@]}"
