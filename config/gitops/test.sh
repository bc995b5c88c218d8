#!/usr/bin/env bash
# Whether the examples for Flux and Argo CD are what those take, and whether everything applied in any order comes to be Ready and
# then differs in nothing. A real API server, Pub/Sub's emulator and the operator with its own rights.
#   test.sh [--binaries DIR] [ARGUMENT of pytest…]     DIR has event-operator and pubsub-emulator; default: those of cargo build
# Needs e2e/cluster/cluster build, and Go modules of Flux and Argo CD (100 MB) the first time.
set -euo pipefail
# shellcheck source=../lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/say.sh"
# shellcheck source=../lib/binaries.sh
. "$root/config/lib/binaries.sh"

here=$root/config/gitops
venv=$root/.cache/gitops/venv
BINARIES=''
if [ "${1:-}" = --binaries ]; then BINARIES=$(cd "$2" && pwd) && shift 2; fi
[ -n "$BINARIES" ] || BINARIES=$(binaries dev)
export BINARIES HELM=${HELM:-$root/.cache/cluster/bin/helm}

need python3 python3 "it runs the tests"
need openssl openssl "it makes the key of the API server"
need diff diffutils "kubectl diff calls it"
python3 -c 'import ensurepip' 2>/dev/null ||
  die "python3 cannot make environments (one holds pytest). Install it: apt-get install python3-venv"
[ -x "$HELM" ] || die "helm is missing at $HELM; build it with: e2e/cluster/cluster build"
for name in event-operator pubsub-emulator; do
  [ -x "$BINARIES/$name" ] || die "$BINARIES/$name is missing; build it with: cargo build --workspace --bins"
done
"$here/schemas.sh"

# The chart's own packages, to the byte.
wanted=$({ python3 --version && cat "$root/charts/test/requirements.txt"; } | sha256sum)
if [ "$(cat "$venv/made-of" 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-compile --require-hashes -r "$root/charts/test/requirements.txt"
  echo "$wanted" >"$venv/made-of"
fi

phase "GitOps: the examples, and everything in any order"
PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" -m pytest -p no:cacheprovider --quiet "$@" "$here/tests" ||
  die "a GitOps controller would stumble; see above"
ok "Flux's and Argo CD's schemas take the examples, and any order ends the same"
