# shellcheck shell=bash disable=SC2154
# Sourced by `cluster`, which sets here, root, cache, bin and state.
# NetworkPolicies that count: kube-network-policies (https://sigs.k8s.io/kube-network-policies) decides on the first packet of
# each connection, which the kernel hands to it through a queue.

QUEUE=100

# It lays its own rules with nftables' `queue`, which small kernels lack (CONFIG_NFT_QUEUE). The target NFQUEUE of iptables is
# older and does the same, so these rules are ours, and its own may fail. What is not decided is dropped.
enforce() {
  [ "$way" = bundled ] || fail "enforce is for the bundled cluster; on others the network plugin enforces NetworkPolicies, or not"
  runs || fail "there is no cluster: e2e/cluster/cluster up"
  build_with policies
  scratch_image localhost/kube-network-policies:1 "$bin/kube-network-policies" "$cache/kube-network-policies.tar"
  provider_load_image "$cache/kube-network-policies.tar"
  kubectl apply --server-side -f "$here/providers/bundled/policies.yaml" >/dev/null
  kubectl -n kube-system rollout status daemonset/kube-network-policies --timeout=120s >/dev/null
  # It binds the queue when it knows every pod and every policy.
  wait_for 60 "kube-network-policies takes packets" inside grep -q "^ *$QUEUE " /proc/net/netfilter/nfnetlink_queue
  # Pods on one bridge are neighbours, whose packets pass these rules only when bridges are told so.
  inside sysctl -qw net.bridge.bridge-nf-call-iptables=1
  inside iptables -w -t mangle -S POSTROUTING | grep -q NFQUEUE || queue_first_packets
  say "NetworkPolicies are enforced."
}

inside() { nsenter --net="/run/netns/$NETNS" "$@"; }

queue_first_packets() {
  local to="-m conntrack --ctstate NEW -j NFQUEUE --queue-num $QUEUE"
  # The node's own daemons: probes of the kubelet have to arrive, whatever a policy says.
  inside iptables -w -t mangle -A POSTROUTING -m owner --uid-owner 0 -j RETURN
  # After services became pods, and before a source becomes the node.
  # shellcheck disable=SC2086 # words
  inside iptables -w -t mangle -A POSTROUTING $to
  # From pods to the node itself, where the API server and the kubelet listen.
  # shellcheck disable=SC2086 # words
  inside iptables -w -t mangle -A INPUT -s "$POD_NETWORK" $to
}
