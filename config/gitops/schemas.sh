#!/usr/bin/env bash
# The CRDs of Flux and Argo CD, out of their Go modules, and the two programs of tools/, into .cache/gitops.
# Flux's helm-controller is in no Go module as a whole, so its CRD is made of its types, with the generator that makes it there.
set -euo pipefail
# shellcheck source=../lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/say.sh"

cache=$root/.cache/gitops
tools=$root/config/gitops/tools

# A module's version and sum, as sum.golang.org has it, and what is taken out of it.
modules() {
  cat <<'MODULES'
github.com/fluxcd/kustomize-controller@v1.9.6 h1:XB+G3A0mky0j5uVHZWv4oSlS2RvZBoNIUhstIvY0JKE= config/crd/bases/kustomize.toolkit.fluxcd.io_kustomizations.yaml
github.com/fluxcd/source-controller@v1.9.6 h1:nG534/bI6nVpyHra7ONAk6xDB3xPsVT+EOLHZHXPrrc= config/crd/bases/source.toolkit.fluxcd.io_ocirepositories.yaml
github.com/argoproj/argo-cd/v3@v3.5.7 h1:Xm1BF+I5OgDKUG3SDK49vn2/Y5AMyaNVko+/JT08gj0= manifests/crds/application-crd.yaml
github.com/argoproj/argo-cd/v3@v3.5.7 h1:Xm1BF+I5OgDKUG3SDK49vn2/Y5AMyaNVko+/JT08gj0= manifests/crds/applicationset-crd.yaml
github.com/argoproj/argo-cd/v3@v3.5.7 h1:Xm1BF+I5OgDKUG3SDK49vn2/Y5AMyaNVko+/JT08gj0= manifests/crds/appproject-crd.yaml
MODULES
}

download() {
  local module sum file answer
  modules | while read -r module sum file; do
    answer=$(cd "$cache" && go mod download -json "$module") || die "$module cannot be had: $answer"
    [ "$(jq -r .Sum <<<"$answer")" = "$sum" ] || die "$module has the sum $(jq -r .Sum <<<"$answer"), and not $sum"
    install -m 0644 "$(jq -r .Dir <<<"$answer")/$file" "$cache/crds/"
  done
}

need go https://go.dev/dl "it has the CRDs of Flux and Argo CD, and compiles kstatus"
need jq jq "it reads what go says"
made_of=$(cat "${BASH_SOURCE[0]}" "$tools"/*.go "$tools/go.sum" | sha256sum)
[ "$(cat "$cache/made-of" 2>/dev/null)" != "$made_of" ] || exit 0
phase "CRDs of Flux and Argo CD, and kstatus"
rm -rf "$cache/crds" && mkdir -p "$cache/crds" "$cache/bin"
download
(
  cd "$tools"
  go build -o "$cache/bin/" . sigs.k8s.io/controller-tools/cmd/controller-gen
  "$cache/bin/controller-gen" crd paths=github.com/fluxcd/helm-controller/api/v2 output:crd:dir="$cache/crds"
)
echo "$made_of" >"$cache/made-of"
ok "They are there"
