#!/usr/bin/env bash
# Whether alerts and dashboards are what they say: generated files are as generated, each alert fires for its fault and no other
# does, each has a runbook, and each metric is one that the binaries register. Needs promtool (Debian: prometheus); 2 minutes.
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/say.sh"
# shellcheck source=config/terraform/python.sh
. "$root/config/terraform/python.sh"

here=$root/config/monitoring
work=$root/.cache/monitoring

phase "Alerts and dashboards"
need promtool prometheus "it tests the alerts"
prepare_python
"$python" "$here/generate.py" --check
"$python" "$here/names.py" || die "a name is wrong; see above"
promtool check rules "$here/rules.yaml" >/dev/null || die "promtool found faults in rules.yaml"
ok "Generated files, runbooks and names of metrics"
"$python" "$here/cases.py" "$work"
promtool test rules "$work/tests.yaml" || die "an alert does not do what cases.yaml says"
ok "Each alert fires for its fault, and no other does"
