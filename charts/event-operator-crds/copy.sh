#!/usr/bin/env bash
# Copies the generated CRDs into this chart. The one difference is the annotation that makes Helm keep them.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
for from in "$here"/../../crds/*.yaml; do
  to=$here/templates/$(basename "$from")
  if grep -q '{{' "$from"; then
    echo "crds: $from holds '{{', which Helm would take for a template" >&2
    exit 1
  fi
  awk '{ print }
    /^metadata:$/ { in_metadata = 1 }
    in_metadata && /^  name: / {
      print "  annotations:\n    helm.sh/resource-policy: keep"
      in_metadata = 0
      added = 1
    }
    END { exit !added }' "$from" >"$to.new"
  mv "$to.new" "$to"
done
