#!/usr/bin/env bash
# Licences, bans and sources of the dependencies; advisories too, where their database can be reached.
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "$0")/../config/lib/say.sh"

phase "Dependencies"
cargo deny --version >/dev/null 2>&1 || die "cargo-deny is missing. Install it: cargo install --locked cargo-deny"
cargo deny --workspace check bans licenses sources
ok "Bans, licences and sources"
if git ls-remote --quiet https://github.com/rustsec/advisory-db HEAD >/dev/null 2>&1; then
  cargo deny --workspace check advisories
  ok "Advisories"
else
  note "NOT CHECKED: advisories. Their database (github.com/rustsec/advisory-db) cannot be reached from here."
fi
