# shellcheck shell=bash disable=SC2154
# Sourced by `cluster`, which sets here, root, cache, bin and state.
# A real Kubernetes without Docker: built from source, run as root in network, mount and process namespaces of its own.
# One process on the host holds it all; when it ends, everything the cluster made in the kernel ends with it.

# shellcheck source=../lib/packages.sh
. "$here/lib/packages.sh"

NETNS=${CLUSTER_NAME:-living-twin}
[[ $NETNS =~ ^[a-z0-9-]{1,40}$ ]] || fail "CLUSTER_NAME=$NETNS: 1 to 40 of a-z, 0-9 and -"
# Clusters of different names run side by side, each in a network of four addresses of its own.
slot=0
[ "$NETNS" = living-twin ] || slot=$((1 + 0x$(printf %s "$NETNS" | sha256sum | cut -c1-4) % 62))
VETH=lt-host-$slot
# Addresses for documentation (RFC 5737, TEST-NET-2): no real network uses them.
HOST_IP=198.51.100.$((4 * slot + 1))
NODE_IP=198.51.100.$((4 * slot + 2))
POD_NETWORK=10.244.0.0/24
SOCKET=$state/containerd.sock
PIDFILE=$state/pid

kubectl() { KUBECONFIG=$state/kubeconfig "$bin/kubectl" "$@"; }

runs() { [ -s "$PIDFILE" ] && kill -0 "$(cat "$PIDFILE")" 2>/dev/null; }

provider_up() {
  [ "$(id -u)" = 0 ] || fail "the bundled cluster needs root; run this with sudo, or install Docker and kind"
  mkdir -p "$state"
  install_packages
  build_all
  if runs && kubectl get --raw /readyz >/dev/null 2>&1; then
    say "The bundled cluster is up already."
    return
  fi
  runs || ! held || fail "another checkout runs a bundled cluster called $NETNS. End it there with: e2e/cluster/cluster down; or take another name with CLUSTER_NAME"
  provider_down >/dev/null 2>&1 || true
  mkdir -p "$state"
  say "Starting the bundled cluster in namespaces of its own ..."
  write_configuration
  make_network
  make_cgroups
  # Nothing of the host's is mounted into or out of it, and whoever ends the first process ends them all.
  in_cgroups nsenter --net="/run/netns/$NETNS" unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
    env STATE="$state" BIN="$bin" NODE_IP="$NODE_IP" CGROUP="$NETNS" bash "$here/providers/bundled/inside.sh" \
    >"$state/inside.log" 2>&1 </dev/null &
  echo $! >"$PIDFILE"
  disown
  scratch_image localhost/pause:1 "$bin/pause" "$cache/pause.tar" &
  scratch_image localhost/coredns:1 "$bin/coredns" "$cache/coredns.tar" &
  wait_for 60 "the API server is ready (see $state/apiserver.log)" kubectl get --raw /readyz
  say "The API server is ready."
  wait
  wait_for 30 "containerd answers (see $state/containerd.log)" ctr -a "$SOCKET" version
  provider_load_image "$cache/pause.tar" "$cache/coredns.tar"
  kubectl apply --server-side -f "$here/providers/bundled/coredns.yaml" >/dev/null
  wait_for 60 "the node is registered (see $state/kubelet.log)" kubectl get node node-1
  kubectl wait --for=condition=Ready node/node-1 --timeout=60s >/dev/null
  wait_for 30 "the default ServiceAccount is there" kubectl get serviceaccount default
  kubectl -n kube-system rollout status deployment/coredns --timeout=90s >/dev/null
  say "The node and its DNS are ready."
}

provider_down() {
  local pid
  if runs; then
    pid=$(cat "$PIDFILE")
    # SIGTERM does not reach what a process namespace holds; this ends its first process, and the kernel the rest.
    kill -9 "$pid" 2>/dev/null || true
    wait_for 20 "the cluster's processes ended" processes_gone "$pid"
    wait_for 20 "its network is free" not_held
  fi
  held && fail "the bundled cluster called $NETNS is another checkout's; end it there"
  ip link delete "$VETH" 2>/dev/null || true
  ip netns delete "$NETNS" 2>/dev/null || true
  remove_cgroups
  rm -rf "$state"
  say "The bundled cluster is gone; the parts it was built from stay in $cache."
}

processes_gone() { ! kill -0 "$1" 2>/dev/null && ! pgrep -f "^$bin/kube " >/dev/null && ! pgrep -f "$SOCKET" >/dev/null; }

# held: whether processes are in the network of that name.
held() { ip netns pids "$NETNS" 2>/dev/null | grep -q .; }
not_held() { ! held; }

# With cgroup v1, pods have a tree of control groups of their own: two kubelets in one tree would end each other's pods. With
# cgroup v2 they are where they always were.
cgroups() {
  local controller
  for controller in /sys/fs/cgroup/*/; do
    [ ! -L "${controller%/}" ] && [ -e "$controller/cgroup.clone_children" ] && echo "${controller%/}"
  done
  return 0
}

make_cgroups() {
  local controller file
  for controller in $(cgroups); do
    mkdir -p "$controller/$NETNS"
    for file in cpuset.cpus cpuset.mems; do
      [ ! -e "$controller/$file" ] || cat "$controller/$file" >"$controller/$NETNS/$file"
    done
  done
}

# in_cgroups COMMAND...: runs it there, with that tree as the only one it sees.
in_cgroups() {
  local controller
  [ -n "$(cgroups)" ] || exec "$@"
  for controller in $(cgroups); do echo "$BASHPID" >"$controller/$NETNS/cgroup.procs"; done
  exec unshare --cgroup "$@"
}

# Deepest first: a control group with children cannot go.
remove_cgroups() {
  local group
  for group in /sys/fs/cgroup/*/"$NETNS" /sys/fs/cgroup/kubepods; do
    [ -d "$group" ] || continue
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null || true
  done
}

provider_status() {
  runs || { echo "There is no cluster."; return 1; }
  kubectl get nodes,pods -A
}

provider_load_image() {
  local archive
  for archive in "$@"; do
    ctr -a "$SOCKET" -n k8s.io images import --no-unpack=false "$archive" >/dev/null 2>&1 ||
      ctr -a "$SOCKET" -n k8s.io images import "$archive" >/dev/null
  done
}

provider_kubeconfig() { echo "$state/kubeconfig"; }
provider_host() { echo "$NODE_IP"; }
provider_gateway() { echo "$HOST_IP"; }

make_network() {
  ip netns add "$NETNS"
  ip link add "$VETH" type veth peer name eth0 netns "$NETNS"
  ip addr add "$HOST_IP/30" dev "$VETH"
  ip link set "$VETH" up
  ip -n "$NETNS" addr add "$NODE_IP/30" dev eth0
  ip -n "$NETNS" link set eth0 up
  ip -n "$NETNS" link set lo up
  ip -n "$NETNS" route add default via "$HOST_IP"
}

kubeconfig() {
  cat <<CONFIG
apiVersion: v1
kind: Config
clusters:
- name: living-twin
  cluster: {server: "https://$NODE_IP:6443", certificate-authority: "$state/certs/apiserver.crt"}
users:
- name: $1
  user: {token: $2}
contexts:
- name: living-twin
  context: {cluster: living-twin, user: $1}
current-context: living-twin
CONFIG
}

write_configuration() {
  local user token
  openssl genrsa -out "$state/sa.key" 2048 2>/dev/null
  # The API server shows it to API servers behind it, such as KEDA's, which find in it who asks.
  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=aggregator -addext extendedKeyUsage=clientAuth \
    -keyout "$state/proxy-client.key" -out "$state/proxy-client.crt" 2>/dev/null
  : >"$state/tokens.csv"
  while read -r name user groups; do
    token=$(openssl rand -hex 16)
    printf '%s,%s,%s,"%s"\n' "$token" "$user" "$user" "$groups" >>"$state/tokens.csv"
    kubeconfig "$name" "$token" >"$state/kubeconfig-$name"
  done <<'USERS'
admin admin system:masters
controllers system:kube-controller-manager
scheduler system:kube-scheduler
node system:node:node-1 system:nodes
proxy system:kube-proxy
USERS
  mv "$state/kubeconfig-admin" "$state/kubeconfig"
  chmod 600 "$state"/kubeconfig* "$state/tokens.csv" "$state/sa.key" "$state/proxy-client.key"
  # In its own file, because the host's may be a link into a folder that is hidden inside.
  printf 'nameserver 127.0.0.1\n' >"$state/resolv.conf"
  cat >"$state/audit-policy.yaml" <<'POLICY'
apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
rules:
- level: Metadata
POLICY
  cat >"$state/containerd.toml" <<TOML
version = 2
root = "$state/containerd"
state = "/run/containerd/state"
[grpc]
  address = "$SOCKET"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:1"
  # Without CAP_SYS_RESOURCE a score cannot be lowered, and runc would fail.
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
TOML
  mkdir -p "$state/cni"
  cat >"$state/cni/10-bridge.conflist" <<CNI
{"cniVersion": "0.4.0", "name": "bridge", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isDefaultGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$state/cni-addresses", "ranges": [[{"subnet": "$POD_NETWORK"}]]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
CNI
  cat >"$state/kubelet.yaml" <<KUBELET
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: 0.0.0.0
# Only the host and the cluster itself reach it.
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
clusterDNS: [10.96.0.10]
clusterDomain: cluster.local
resolvConf: $state/resolv.conf
containerRuntimeEndpoint: unix://$SOCKET
evictionHard: {memory.available: 50Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
# Pods learn of changed ConfigMaps within seconds.
syncFrequency: 10s
KUBELET
  cat >"$state/proxy.yaml" <<PROXY
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: iptables
clientConnection: {kubeconfig: $state/kubeconfig-proxy}
hostnameOverride: node-1
# Answers between pods of one bridge come back through the node, where the service's address is put in again.
iptables: {masqueradeAll: true}
conntrack: {maxPerCore: 0}
PROXY
}
