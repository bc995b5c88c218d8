#!/usr/bin/env bash
# What Helm makes of the chart for the operator: templates, schema, notes, README.
#   test.sh [--policy | --all] [ARGUMENT of pytest…]
# --policy: the admission policies on a real API server, and no other test. --all: both.
# Needs helm, which e2e/cluster/cluster build makes, or HELM names.
set -euo pipefail
# shellcheck source=../../config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../../config/lib/say.sh"

here=$root/charts/test
venv=$root/.cache/chart/venv
export HELM=${HELM:-$root/.cache/cluster/bin/helm}
templates=("$here") policy=()
case ${1:-} in
  --policy) templates=() policy=("$here/policy") && shift ;;
  --all) policy=("$here/policy") && shift ;;
esac

need python3 python3 "it runs the tests of the chart"
need openssl openssl "it makes the key of the API server that the policies are tested on"
python3 -c 'import ensurepip' 2>/dev/null ||
  die "python3 cannot make environments (one holds pytest). Install it: apt-get install python3-venv"
[ -x "$HELM" ] || die "helm is missing at $HELM; build it with: e2e/cluster/cluster build"

# The packages are those of requirements.txt, to the byte; a change there makes a new environment.
wanted=$({ python3 --version && cat "$here/requirements.txt"; } | sha256sum)
if [ "$(cat "$venv/made-of" 2>/dev/null)" != "$wanted" ]; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-compile --require-hashes -r "$here/requirements.txt"
  echo "$wanted" >"$venv/made-of"
fi

run() { PYTHONPYCACHEPREFIX=$root/.cache/chart/pycache "$venv/bin/python" -m pytest "$@"; }

if [ ${#templates[@]} -gt 0 ]; then
  phase "What Helm makes of the charts"
  "$HELM" lint --strict --quiet "$root/charts/event-operator" \
    --set config.projectId=demo-project,localImages=true || die "helm lint found faults"
  "$HELM" lint --strict --quiet "$root/charts/event-operator-crds" || die "helm lint found faults"
  run --numprocesses 2 --dist worksteal --ignore "$here/policy" "$@" "${templates[@]}" || die "the chart does not keep a promise; see above"
  ok "The chart's templates"
fi
if [ ${#policy[@]} -gt 0 ]; then
  phase "The chart's admission policies on a real API server"
  run "$@" "${policy[@]}" || die "the policies do not keep a promise; see above"
  ok "The chart's admission policies"
fi
