# shellcheck shell=bash disable=SC2154
# Sourced by `cluster`, which sets here, root, cache, bin and state.
# The parts of the bundled cluster, built from Go modules. A part whose sources and compiler are the same is not built
# again.

# Kubernetes, CoreDNS and Helm are of one Go module, so that what they share is compiled once; its go.mod names their
# versions.
KUBERNETES_VERSION=$(sed -n 's/^require k8s.io\/kubernetes //p' "$here/kube/go.mod")

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
  command -v go >/dev/null || fail "go is not installed; install Go 1.26 or later (https://go.dev/dl) and run this again"
  mkdir -p "$bin"
}

key_of() { { go version; cat "$@"; } | sha256sum | cut -c1-16; }

build_control_plane() {
  need_go
  part kube "$(key_of "$here"/kube/{go.mod,go.sum,main.go})" build_kube .
  ln -sf kube "$bin/kubectl"
}

build_all() {
  build_control_plane
  part coredns "$(key_of "$here"/kube/{go.mod,go.sum,coredns/main.go})" build_kube ./coredns
  part helm "$(key_of "$here"/kube/{go.mod,go.sum})" build_kube helm.sh/helm/v3/cmd/helm
  part pause "$(key_of "$here"/pause/main.go)" build_pause
}

# build_kube PACKAGE: a program of the module; it is called as its folder.
build_kube() {
  local v=k8s.io/component-base/version minor=${KUBERNETES_VERSION#v1.}
  local set="-X $v.gitVersion=$KUBERNETES_VERSION -X $v.gitMajor=1 -X $v.gitMinor=${minor%%.*}"
  # Debuggers' information is thrown away by the linker; not to make it is an eighth of the compiler's time.
  (cd "$here/kube" && go_build build -trimpath -gcflags=all=-dwarf=false -ldflags "-s -w $set" -o "$bin/" "$1")
}

build_pause() { (cd "$here/pause" && go_build build -trimpath -ldflags "-s -w" -o "$bin/pause" .); }
