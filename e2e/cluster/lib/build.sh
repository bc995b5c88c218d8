# shellcheck shell=bash disable=SC2154
# Sourced by `cluster`, which sets here, root, cache, bin and state.
# The parts of the bundled cluster, built from Go modules. A part whose sources and compiler are the same is not built
# again.

KUBERNETES_VERSION=v1.35.4
COREDNS_VERSION=v1.12.4
HELM_VERSION=v3.22.0

go_build() { CGO_ENABLED=0 nice go "$@"; }

# part NAME KEY COMMAND...: runs the command unless NAME was built with this key before.
part() {
  local name=$1 key=$2 start=$SECONDS
  shift 2
  [ "$(cat "$bin/.$name.key" 2>/dev/null)" != "$key" ] || [ ! -x "$bin/$name" ] || return 0
  say "Building $name ..."
  rm -f "$bin/.$name.key"
  "$@"
  printf '%s' "$key" >"$bin/.$name.key"
  say "Built $name in $((SECONDS - start))s."
}

need_go() {
  command -v go >/dev/null || fail "go is not installed; install Go 1.25 or later (https://go.dev/dl) and run this again"
  mkdir -p "$bin"
}

key_of() { { go version; cat "$@"; } | sha256sum | cut -c1-16; }

build_control_plane() {
  need_go
  part kube "$(key_of "$here"/kube/go.mod "$here"/kube/go.sum "$here"/kube/main.go)" build_kube
  ln -sf kube "$bin/kubectl"
}

build_kube() {
  local v=k8s.io/component-base/version minor=${KUBERNETES_VERSION#v1.}
  local set="-X $v.gitVersion=$KUBERNETES_VERSION -X $v.gitMajor=1 -X $v.gitMinor=${minor%%.*}"
  (cd "$here/kube" && go_build build -trimpath -ldflags "-s -w $set" -o "$bin/kube" .)
}

build_all() {
  build_control_plane
  part pause "$(key_of "$here"/pause/main.go)" build_pause
  part coredns "$(go version) $COREDNS_VERSION" install_go "github.com/coredns/coredns@$COREDNS_VERSION"
  part helm "$(go version) $HELM_VERSION" install_go "helm.sh/helm/v3/cmd/helm@$HELM_VERSION"
}

build_pause() { (cd "$here/pause" && go_build build -trimpath -ldflags "-s -w" -o "$bin/pause" .); }

install_go() { GOBIN=$bin go_build install -trimpath -ldflags "-s -w" "$1"; }
