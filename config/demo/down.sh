#!/usr/bin/env bash
# Takes the demo's cluster away, with everything in it. What was built stays in .cache.
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "$(readlink -f "$0")")/../lib/say.sh"

phase "The cluster goes"
"$root/e2e/cluster/cluster" down
ok "Nothing of it is left running"
