#!/usr/bin/env bash
# The first process of the bundled cluster's namespaces: starts all servers, and stays.
set -euo pipefail
cd "$STATE"

# What the servers keep in fixed places of the file system is theirs alone.
mkdir -p /run/netns /run/containerd var-log
mount -t tmpfs tmpfs /run/netns
mount -t tmpfs tmpfs /run/containerd
mount --bind var-log /var/log
for controller in /sys/fs/cgroup/*/"$CGROUP"; do
  [ ! -d "$controller" ] || [ -L "${controller%/*}" ] || mount --bind "$controller" "${controller%/*}"
done
echo 1 >/proc/sys/net/ipv4/ip_forward

server() {
  local name=$1
  shift
  "$@" >"$name.log" 2>&1 &
}

server etcd "$BIN/kube" etcd --data-dir=etcd --unsafe-no-fsync --log-level=warn \
  --listen-client-urls=http://127.0.0.1:2379 --advertise-client-urls=http://127.0.0.1:2379
server apiserver "$BIN/kube" kube-apiserver --etcd-servers=http://127.0.0.1:2379 --bind-address=0.0.0.0 \
  --advertise-address="$NODE_IP" --secure-port=6443 --cert-dir=certs --service-cluster-ip-range=10.96.0.0/16 \
  --authorization-mode=Node,RBAC --allow-privileged=true --token-auth-file=tokens.csv \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file=sa.key \
  --service-account-signing-key-file=sa.key --kubelet-preferred-address-types=InternalIP \
  --audit-policy-file=audit-policy.yaml --audit-log-path=audit.log \
  --requestheader-client-ca-file=proxy-client.crt --requestheader-allowed-names=aggregator \
  --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
  --requestheader-extra-headers-prefix=X-Remote-Extra- --proxy-client-cert-file=proxy-client.crt --proxy-client-key-file=proxy-client.key
server containerd containerd --config containerd.toml
# Whoever finds no certificate of the API server gives up at once.
until [ -s certs/apiserver.crt ]; do sleep 0.1; done
server controllers "$BIN/kube" kube-controller-manager --kubeconfig=kubeconfig-controllers --leader-elect=false \
  --use-service-account-credentials --root-ca-file=certs/apiserver.crt --service-account-private-key-file=sa.key
server scheduler "$BIN/kube" kube-scheduler --kubeconfig=kubeconfig-scheduler --leader-elect=false
until [ -S containerd.sock ] && "$BIN/kubectl" --kubeconfig kubeconfig get --raw /readyz >/dev/null 2>&1; do sleep 0.1; done
server proxy "$BIN/kube" kube-proxy --config=proxy.yaml
server kubelet "$BIN/kube" kubelet --config=kubelet.yaml --kubeconfig=kubeconfig-node --hostname-override=node-1 \
  --node-ip="$NODE_IP" --root-dir="$STATE/kubelet" --register-node=true

# Orphans are this process's children, as everywhere for the first one; it waits for all there are.
while :; do wait -n || true; sleep 1; done
