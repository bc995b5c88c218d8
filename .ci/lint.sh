#!/usr/bin/env bash
# Formatting and lints.
#   lint.sh [--compiler-lints]     all but clippy, which the caller's compiler does (see test.sh)
# That the CRDs and their copies are as generated is a test: crds/tests, e2e/tests/control_plane/chart.rs.
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "$0")/../config/lib/say.sh"

need cargo https://rustup.rs "it checks the Rust code"
need shellcheck shellcheck "it checks the shell scripts"

phase "Lints"
cargo fmt --all --check || die "The code is not formatted. Run: cargo fmt --all"
ok "Formatted"

mapfile -t scripts < <(git ls-files --cached --others --exclude-standard |
  while read -r file; do
    case $file in
      *.sh) echo "$file" ;;
      *.*) ;;
      *) [ -f "$file" ] && head -n 1 "$file" | grep -q '^#!.*sh$' && echo "$file" ;;
    esac || true
  done)
shellcheck --external-sources --source-path=SCRIPTDIR --source-path="$root" "${scripts[@]}" ||
  die "shellcheck found faults in the scripts"
ok "${#scripts[@]} shell scripts"

need python3 python3 "it checks the links of the documents"
docs/check-links.py || die "the documents have faults"
docs/check-blocks.py || die "a command block has no mark, or a wrong one"
ok "Documents"

if [ "${1:-}" != --compiler-lints ]; then
  cargo clippy --workspace --all-targets -- -D warnings || die "clippy found faults"
  ok "Clippy"
fi
