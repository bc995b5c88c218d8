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

# build_with PART...: what only some stories need. Both are built in the background of everything else, and cached like it.
build_with() {
  local name
  need_go
  for name in "$@"; do
    case $name in
      keda)
        part keda "$(key_of "$here"/keda/{go.mod,go.sum})" build_keda
        ;;
      policies)
        part kube-network-policies "$(key_of "$here"/policies/{go.mod,go.sum})" build_policies
        ;;
      *) fail "build --with $name: it is keda or policies" ;;
    esac
  done
}

# KEDA's module holds versions back and replaces a module, which counts only where it is the main module: so it is built where
# it lies. Its sum is that of go.sum.
keda_folder() {
  local version
  version=$(sed -n 's|^require github.com/kedacore/keda/v2 ||p' "$here/keda/go.mod")
  (cd "$here/keda" && go mod download -json "github.com/kedacore/keda/v2@$version") | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p'
}

build_keda() {
  local folder work=$cache/keda
  folder=$(keda_folder)
  [ -d "$folder" ] || fail "KEDA's module could not be fetched"
  mkdir -p "$work"
  (cd "$folder" && go_build build -trimpath -gcflags=all=-dwarf=false -ldflags "-s -w" -o "$work/" ./cmd/operator ./cmd/adapter)
  # What is deployed is of the same version as what was built.
  kubectl_ kustomize "$folder/config/minimal" >"$work/keda.yaml"
  mv "$work/keda.yaml" "$bin/keda.yaml"
  mv "$work/adapter" "$bin/keda-adapter"
  mv "$work/operator" "$bin/keda"
}

kubectl_() { build_control_plane && "$bin/kubectl" "$@"; }

# Its module has the versions of ours where both have one, so that what they share is compiled once.
build_policies() {
  (cd "$here/policies" && go_build build -trimpath -gcflags=all=-dwarf=false -ldflags "-s -w" \
    -o "$bin/kube-network-policies" sigs.k8s.io/kube-network-policies/cmd)
}

# build_kube PACKAGE: a program of the module; it is called as its folder.
build_kube() {
  local v=k8s.io/component-base/version minor=${KUBERNETES_VERSION#v1.}
  local set="-X $v.gitVersion=$KUBERNETES_VERSION -X $v.gitMajor=1 -X $v.gitMinor=${minor%%.*}"
  # Debuggers' information is thrown away by the linker; not to make it is an eighth of the compiler's time.
  (cd "$here/kube" && go_build build -trimpath -gcflags=all=-dwarf=false -ldflags "-s -w $set" -o "$bin/" "$1")
}

build_pause() { (cd "$here/pause" && go_build build -trimpath -ldflags "-s -w" -o "$bin/pause" .); }
