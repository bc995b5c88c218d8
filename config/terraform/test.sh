#!/usr/bin/env bash
# Whether the module is what it says. By itself, in seconds: its text against the operator's source, the README and the
# declarations of Google's provider; and what apply-staging.sh does and refuses.
#   test.sh [--tofu]
# --tofu also compiles OpenTofu and a provider of the same shape as Google's (minutes; once), and formats, validates, plans and
# applies everything with them. No cloud is behind that provider.
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/say.sh"
# shellcheck source=config/terraform/python.sh
. "$root/config/terraform/python.sh"

case ${1:-} in
  '') with_tofu='' ;;
  --tofu) with_tofu=yes ;;
  *) die "$1 is not --tofu" ;;
esac
here=$root/config/terraform

phase "The Terraform module, by its text"
prepare_python
"$python" -m unittest discover --start-directory "$here/tests" --pattern 'test_module.py' || die "the module is not what it says"
"$python" -m unittest discover --start-directory "$here/tests" --pattern 'test_apply.py' || die "apply-staging.sh does not do what it says"
ok "It holds"
[ -n "$with_tofu" ] || exit 0

# shellcheck source=config/terraform/tofu.sh
. "$here/tofu.sh"
phase "OpenTofu, and a provider of the shape of Google's (compiled once; minutes)"
prepare_tofu
ok "They are there"

phase "The module with OpenTofu"
"$tofu" fmt -check -recursive -diff "$here" || die "The module is not formatted. Run: tofu fmt -recursive config/terraform"
ok "Formatted"
TOFU=$tofu TF_CLI_CONFIG_FILE=$tofu_config "$python" -m unittest discover --start-directory "$here/tests" --pattern 'test_tofu.py' ||
  die "the module does not plan or apply as it should"
ok "Validated, planned and applied, with no cloud behind it"
