# shellcheck shell=bash disable=SC2154
# Sourced by `cluster`, which sets here, root, cache, bin and state.
# kind: Kubernetes in Docker (https://kind.sigs.k8s.io).

NAME=living-twin

provider_up() {
  command -v kind >/dev/null || fail "CLUSTER=kind, but kind is not installed (https://kind.sigs.k8s.io)"
  build_all
  mkdir -p "$state"
  if ! kind get clusters 2>/dev/null | grep -qx $NAME; then
    say "Making kind cluster $NAME ..."
    kind create cluster --name $NAME --kubeconfig "$(provider_kubeconfig)" --config - <<'CONFIG'
kind: Cluster
apiVersion: kind.x-k8s.io/v1alpha4
nodes:
- role: control-plane
  extraPortMappings:
  - {containerPort: 30085, hostPort: 30085, listenAddress: 127.0.0.1}
CONFIG
  fi
  say "kind cluster $NAME is up."
}

provider_down() { kind delete cluster --name $NAME --kubeconfig "$(provider_kubeconfig)"; }
provider_status() { kind get clusters | grep -x $NAME || { echo "There is no cluster."; return 1; }; }
provider_load_image() {
  local archive
  for archive in "$@"; do kind load image-archive --name $NAME "$archive"; done
}
provider_kubeconfig() { echo "$state/kubeconfig-kind"; }
provider_host() { echo 127.0.0.1; }
provider_gateway() { docker network inspect kind --format '{{range .IPAM.Config}}{{.Gateway}}{{"\n"}}{{end}}' | grep -m 1 -F .; }
