# Sourced after say.sh: what the demo and the end-to-end test need of the machine.
# shellcheck shell=bash disable=SC2154

needs() {
  [ "$(uname)" = Linux ] || die "This needs Linux: images are made of the binaries that cargo builds here"
  if [ "$(id -u)" -ne 0 ] && [ "${CLUSTER:-}" != current ] &&
    ! { command -v kind && docker info; } >/dev/null 2>&1; then
    die "Only root can make a cluster without Docker. Run: sudo -E env \"PATH=\$PATH\" make ${1:-demo}   (or install Docker and kind)"
  fi
  need cargo https://rustup.rs "it compiles the project"
  need go https://go.dev/dl "it compiles Kubernetes and helm; version 1.26 or later"
  need cc gcc "cargo links with it"
  need curl curl "it talks to the emulator"
  need jq jq "it reads logs and answers"
  local free
  free=$(($(df --output=avail -k "$root" | tail -n 1) / 1024 / 1024))
  # Compilers that run out of space end with errors that do not say so.
  [ "$free" -ge 10 ] || note "There are $free GB free here; the first run needs 8 to 10."
}
