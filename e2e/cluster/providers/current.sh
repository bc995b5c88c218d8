# shellcheck shell=bash disable=SC2154
# Sourced by `cluster`, which sets here, root, cache, bin and state.
# The cluster of kubectl's current context: only when asked for, and never removed.

provider_up() {
  build_all
  "$bin/kubectl" get nodes >/dev/null || fail "CLUSTER=current, but the current context cannot be reached"
  say "Using the current context: $("$bin/kubectl" config current-context)"
}

provider_down() { say "The cluster is yours and stays; remove the demo with: helm -n event-operator uninstall event-operator"; }
provider_status() { "$bin/kubectl" cluster-info; }
provider_load_image() {
  fail "CLUSTER=current: push the images to a registry that the cluster pulls from (make push-worker REGISTRY=...)"
}
provider_kubeconfig() { echo "${KUBECONFIG:-$HOME/.kube/config}"; }
provider_host() {
  "$bin/kubectl" get nodes -o 'jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}'
}
provider_gateway() { fail "CLUSTER=current: whether your cluster reaches this machine is not known"; }
