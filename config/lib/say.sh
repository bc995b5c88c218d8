# Sourced by the project's scripts: how they speak, and what they need.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
cd "$root" || exit 1

# A terminal gets colours; a log does not.
if [ -t 1 ]; then
  bold=$'\e[1m' green=$'\e[32m' red=$'\e[31m' plain=$'\e[0m'
else
  bold='' green='' red='' plain=''
fi

# Scripts that are started by scripts count on from the same beginning.
export SAY_BEGAN=${SAY_BEGAN:-$(date +%s)}
SECONDS=$(($(date +%s) - SAY_BEGAN))
step_began=$SECONDS

# phase TEXT: a new part of the work begins.
phase() {
  printf '\n%s==> %s%s\n' "$bold" "$*" "$plain"
  step_began=$SECONDS
}

# note TEXT: something to know.
note() { printf '    %s\n' "$*"; }

# ok TEXT: a step is done; says how long it took, and how long all took so far.
ok() {
  printf '%s✓%s %s (%d s, total %d s)\n' "$green" "$plain" "$*" $((SECONDS - step_began)) "$SECONDS"
  step_began=$SECONDS
}

# die TEXT: one line, and the end.
die() {
  printf '%s✗ %s%s\n' "$red" "$*" "$plain" >&2
  exit 1
}

# need COMMAND PACKAGE WHY: stops with one line when a command is missing and cannot be installed. On Debian, as root,
# the package is installed, and that is said.
need() {
  local command=$1 package=$2 why=$3
  command -v "$command" >/dev/null && return
  case $package in
    http*) die "$command is missing ($why). Install it: $package" ;;
  esac
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
    die "$command is missing ($why). Install it: apt-get install $package"
  fi
  note "Installing the Debian package $package: $why."
  { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$package"; } \
    >"$root/.cache/apt.log" 2>&1 || die "apt-get could not install $package; see .cache/apt.log"
  command -v "$command" >/dev/null || die "$command is missing even after apt-get install $package"
}

mkdir -p "$root/.cache"

# eventually SECONDS COMMAND…: tries until it succeeds. Its last words stay in $last_try for whoever reports.
eventually() {
  local deadline=$((SECONDS + $1))
  shift
  # shellcheck disable=SC2034 # read by whoever sources this
  until last_try=$("$@" 2>&1); do
    [ "$SECONDS" -lt "$deadline" ] || return 1
    sleep 0.5
  done
}
