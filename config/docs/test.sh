#!/usr/bin/env bash
# Whether the documents are what they say: references are as generated, each command block says how it is known to work, blocks that are
# marked as run do run, and the site builds without a warning.
#   test.sh [--binaries DIR] [--rehearse]
#     --binaries DIR   DIR has pubsub-emulator, event-worker and eventctl; without it no block is run
#     --rehearse       every other block is held against the real tools (config/docs/rehearse.py): minutes
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/say.sh"
# shellcheck source=config/terraform/python.sh
. "$root/config/terraform/python.sh"

here=$root/config/docs
binaries='' rehearse=''
while [ $# -gt 0 ]; do
  case $1 in
    --binaries) binaries=${2:?--binaries needs a folder}; shift ;;
    --rehearse) rehearse=yes ;;
    *) die "$1 is neither --binaries DIR nor --rehearse" ;;
  esac
  shift
done

phase "Documents"
prepare_python
"$python" "$here/test_tools.py" 2>&1 | tail -n 3 || die "the tools of config/docs do not do what they are for"
"$python" "$here/generate.py" --check || die "run config/docs/generate.py, and commit what it writes"
"$python" docs/check-blocks.py || die "a command block has no mark, or a wrong one; see config/docs/blocks.py"
ok "References and marks"

if [ -n "$binaries" ]; then
  need curl curl "a block of the documents asks a handler with it"
  need jq jq "a block of the documents reads dead letters with it"
  "$python" "$here/generate.py" --worker "$binaries/event-worker" || die "worker/src/settings/flags.rs and event-worker --help differ"
  "$python" "$here/run_blocks.py" --binaries "$binaries" || die "a block of the documents does not do what its page says"
  ok "Blocks that are marked as run"
fi

if [ -n "$rehearse" ]; then
  "$python" "$here/rehearse.py" || die "the tools do not understand a command of the documents"
  ok "All other blocks"
fi

if command -v mdbook >/dev/null || [ -x "$root/.cache/site/tools/bin/mdbook" ]; then
  "$here/site.sh"
else
  note "mdbook is not here, so the site is NOT built. Install it: make docs-site INSTALL=yes"
fi
