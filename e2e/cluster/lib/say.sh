# shellcheck shell=bash disable=SC2154
# Sourced by `cluster`, which sets here, root, cache, bin and state.
# Progress and failure, in one form everywhere.

say() { printf '[%4ds] %s\n' "$SECONDS" "$*" >&2; }

fail() {
  printf 'cluster: %s\n' "$*" >&2
  exit 1
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds, or the patience ends.
wait_for() {
  local patience=$1 what=$2 deadline=$((SECONDS + $1))
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt $deadline ] || fail "not within ${patience}s: $what"
    sleep 0.2
  done
}
