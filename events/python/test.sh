#!/usr/bin/env bash
# The Python package: its tests against the emulator and the worker, its types and its style. See README.md beside this.
#   test.sh [--binaries DIR] [--prepare] [PYTEST ARGUMENT…]
# --binaries: the folder with pubsub-emulator, event-worker and examples/publish; else they are found where cargo puts them, or built.
# --prepare: only fetch the packages that the tests need.
set -euo pipefail
# shellcheck source=../../config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../config/lib/say.sh"

here=$root/events/python
work=$root/.cache/events-python
venv=$work/venv
prepare_only='' arguments=()
while [ $# -gt 0 ]; do
  case $1 in
    --binaries)
      folder=$(cd "${2:?--binaries needs a folder}" && pwd)
      export PUBSUB_EMULATOR=$folder/pubsub-emulator EVENT_WORKER=$folder/event-worker PUBLISH_EXAMPLE=$folder/examples/publish
      shift
      ;;
    --prepare) prepare_only=yes ;;
    *) arguments+=("$1") ;;
  esac
  shift
done
mkdir -p "$work"

need python3 python3 "it runs the Python package; version 3.10 or later"
python3 -c 'import sys; sys.exit(sys.version_info < (3, 10))' || die "python3 is $(python3 --version); the package needs 3.10 or later"
python3 -c 'import ensurepip' 2>/dev/null ||
  die "python3 cannot make environments (the tests need one). Install it: apt-get install python3-venv"

# The packages are those of requirements-test.txt, to the byte; a change there makes a new environment.
prepare() {
  local wanted
  wanted=$({ python3 --version && cat "$here/requirements-test.txt"; } | sha256sum)
  [ "$(cat "$venv/made-of" 2>/dev/null)" != "$wanted" ] || return 0
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-compile --require-hashes -r "$here/requirements-test.txt"
  echo "$wanted" >"$venv/made-of"
}

phase "The Python package (about 45 s)"
prepare
ok "Its packages are there"
[ -z "$prepare_only" ] || exit 0

cd "$here"
export PYTHONPYCACHEPREFIX=$work/pycache
"$venv/bin/ruff" check --quiet . || die "ruff found faults"
"$venv/bin/ruff" format --check --quiet . || die "the code is not formatted. Run: $venv/bin/ruff format $here"
ok "ruff"
"$venv/bin/mypy" --no-error-summary || die "mypy --strict found faults"
ok "mypy --strict"
"$venv/bin/python" -m pytest -q ${arguments[@]+"${arguments[@]}"} || die "tests of the Python package failed"
ok "Its tests pass"
