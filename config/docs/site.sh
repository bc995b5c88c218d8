#!/usr/bin/env bash
# The documents as a site: .cache/site/book/index.html. Warnings of mdBook are errors, and every link has to lead somewhere.
#   site.sh [--install] [--source URL]
#     --install      compiles mdBook into .cache/site/tools when it is not there; without it nothing is installed
#     --source URL   where files of the repository are browsed, https://HOST/OWNER/NAME/blob/BRANCH; without it they are copied
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/say.sh"

# mdBook is the Rust project's own, under MPL-2.0. Another minor version may lay out pages in another way.
mdbook_version=0.5.4
here=$root/config/docs
work=$root/.cache/site

install=
source=()
while [ $# -gt 0 ]; do
  case $1 in
    --install) install=yes ;;
    --source) source=(--source "${2:?--source needs a URL}"); shift ;;
    *) die "$1 is neither --install nor --source URL" ;;
  esac
  shift
done

phase "The documents as a site"
need python3 python3 "it lays out the pages"
export PATH=$work/tools/bin:$PATH PYTHONDONTWRITEBYTECODE=1
if ! command -v mdbook >/dev/null; then
  [ -n "$install" ] || die "mdbook is missing (it makes the site). Install it: cargo install mdbook --locked --version $mdbook_version   (or make docs-site INSTALL=yes)"
  need cargo https://rustup.rs "it compiles mdBook"
  note "Compiling mdBook $mdbook_version into .cache/site/tools: some minutes, once."
  nice -n 10 cargo install mdbook --locked --quiet --no-default-features --features search --version "$mdbook_version" --root "$work/tools" || die "mdBook could not be compiled"
fi

"$here/stage.py" "$work/src" ${source[@]+"${source[@]}"} || die "the pages could not be laid out"
cp "$here/book.toml" "$here/site.css" "$work/"
rm -rf "$work/book"
mdbook build "$work" >"$work/build.log" 2>&1 || {
  cat "$work/build.log" >&2
  die "mdBook could not build the site"
}
if grep -E 'WARN|ERROR' "$work/build.log" >&2; then
  die "mdBook has warnings"
fi
"$here/check-site.py" "$work/book" || die "the site has links that lead nowhere"
ok ".cache/site/book/index.html"
