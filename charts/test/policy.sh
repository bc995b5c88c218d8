#!/usr/bin/env bash
# The chart's admission policies on a real API server, which the operator's own token tries to get around; half a minute.
# Needs helm and the bundled control plane: e2e/cluster/cluster build
set -euo pipefail
exec "$(dirname "$0")/test.sh" --policy "$@"
