# Sourced: from a demo's cluster to a platform's.
# shellcheck shell=bash disable=SC2034,SC2154

# Known by nothing else, so that each can be looked for everywhere.
redis_password=CANARY-REDIS-$(openssl rand -hex 8)
otlp_header=CANARY-OTLP-$(openssl rand -hex 8)
payload=CANARY-PAYLOAD-$(openssl rand -hex 8)

load_platform_images() {
  local work=$root/.cache/platform
  mkdir -p "$work"
  (cd "$here/probe" && CGO_ENABLED=0 go build -trimpath -ldflags "-s -w" -o "$work/probe" .)
  tree_image localhost/probe:1 /probe "$work/probe.tar" "$work/probe:/probe"
  # Debian's Redis, with the libraries that it loads.
  local server files=()
  server=$(command -v redis-server)
  server=$(readlink -f "$server")
  mapfile -t files < <(ldd "$server" | grep -o '/[^ ]*' | sed 's|.*|&:&|')
  tree_image localhost/redis:1 /redis-server "$work/redis.tar" "$server:/redis-server" "${files[@]}"
  "$cluster" load-image "$work/probe.tar" "$work/redis.tar"
  ok "The cluster has the images of Redis and of what is talked to"
}

# tree_image NAME ENTRYPOINT ARCHIVE FROM:TO...: an image of these files.
tree_image() {
  local name=$1 entry=$2 archive=$3 pair container
  shift 3
  container=$(buildah from scratch)
  for pair in "$@"; do buildah copy -q "$container" "${pair%%:*}" "${pair##*:}" >/dev/null; done
  buildah config --entrypoint "[\"$entry\"]" "$container"
  buildah commit -q --rm "$container" "$name" >/dev/null
  rm -f "$archive"
  buildah push -q "$name" "oci-archive:$archive:$name"
}

# The emulator exchanges tokens that this cluster's API server signed.
trust_the_cluster() {
  phase "Pub/Sub trusts the tokens of this cluster"
  local issuer
  issuer=$(kubectl get --raw /.well-known/openid-configuration | jq --exit-status -r .issuer)
  kubectl get --raw /openid/v1/jwks >"$root/.cache/platform/jwks.json"
  kubectl -n pubsub-emulator create configmap jwks --from-file=jwks.json="$root/.cache/platform/jwks.json" \
    --dry-run=client -o yaml | kubectl apply -f - >/dev/null
  kubectl -n pubsub-emulator patch deployment pubsub-emulator --type strategic --patch "$(
    cat <<PATCH
spec:
  template:
    spec:
      containers:
      - name: emulator
        args: [--host, 0.0.0.0, --port, "8085", --workload-identity, "$issuer", --workload-identity-jwks, /etc/jwks/jwks.json]
        volumeMounts: [{name: jwks, mountPath: /etc/jwks}]
      volumes: [{name: jwks, configMap: {name: jwks}}]
PATCH
  )" >/dev/null
  kubectl -n pubsub-emulator rollout status deployment/pubsub-emulator --timeout=90s >/dev/null
  eventually 30 filters true || die "the emulator does not answer at $emulator: $last_try"
  ok "It reads the keys of $issuer"
}

start_redis() {
  phase "Redis, with TLS and a user for each tenant"
  local work=$root/.cache/platform tenant hash
  # rustls takes no authority for a server, so there are two certificates.
  openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=authority -keyout "$work/ca.key" -out "$work/ca.crt" 2>/dev/null
  openssl req -newkey rsa:2048 -nodes -subj /CN=redis -keyout "$work/tls.key" 2>/dev/null |
    openssl x509 -req -days 2 -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -out "$work/tls.crt" \
      -extfile <(echo subjectAltName=DNS:redis.infra.svc.cluster.local) 2>/dev/null
  hash=$(printf %s "$redis_password" | sha256sum | cut -d' ' -f1)
  {
    echo "user default off"
    for tenant in "$one" "$two" "$scaled"; do
      echo "user $tenant on #$hash resetkeys ~event-worker:$tenant:* resetchannels -@all +set +get +eval +evalsha +script|load +ping +select +role +cluster|slots"
    done
  } >"$work/users.acl"
  kubectl create namespace infra --dry-run=client -o yaml | kubectl apply -f - >/dev/null
  kubectl -n infra create secret generic redis --from-file="$work/tls.crt" --from-file="$work/tls.key" \
    --from-file="$work/users.acl" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
  kubectl apply -f "$here/redis.yaml" >/dev/null
  # One of an earlier run has other passwords.
  kubectl -n infra rollout restart deployment/redis >/dev/null
  kubectl -n infra rollout status deployment/redis --timeout=90s >/dev/null
  ok "Redis runs"
}

install_operator_on_the_platform() {
  phase "The operator, with Helm"
  local operator number
  operator=$(image event-operator)
  number=$(curl --silent --show-error --fail "http://$emulator/v1/projects/$project" | jq --exit-status -r .projectNumber)
  helm upgrade --install event-operator-crds "$root/charts/event-operator-crds" \
    --namespace event-operator --create-namespace --wait >/dev/null
  helm upgrade --install event-operator "$root/charts/event-operator" --namespace event-operator \
    --values "$root/config/demo/values.yaml" --values "$here/values.yaml" \
    --set "image.repository=${operator%:*},image.tag=${operator##*:}" \
    --set "config.projectNumber=$number,config.worker.image=$(image event-worker)" --wait --timeout 180s >/dev/null
  ok "The operator runs"
}

apply_platform_tenants() {
  phase "Two tenants, each with a service of its own and a Redis user"
  kubectl apply -f "$here/neighbours.yaml" >/dev/null
  sed "s|CANARY-OTLP|$otlp_header|" "$here/tenants.yaml" | kubectl apply -f - >/dev/null
  local tenant
  for tenant in "$one" "$two"; do
    eventually 60 kubectl get namespace "$tenant" || die "the operator made no namespace $tenant: $last_try"
    kubectl -n "$tenant" create secret generic event-worker-store --from-literal=password="$redis_password" \
      --from-file="$root/.cache/platform/ca.crt" --dry-run=client -o yaml | kubectl apply -f - >/dev/null
    kubectl -n "$tenant" apply -f "$here/handler.yaml" >/dev/null
  done
  kubectl wait --for=condition=Ready "tenant/$one" "tenant/$two" --timeout=180s >/dev/null
  for tenant in "$one" "$two"; do
    kubectl -n "$tenant" rollout status deployment/event-worker --timeout=120s >/dev/null
    kubectl -n "$tenant" wait --for=condition=Ready pod/handler --timeout=60s >/dev/null
  done
  for tenant in monitoring neighbours; do
    kubectl -n "$tenant" wait --for=condition=Ready --all pod --timeout=60s >/dev/null
  done
  eventually 60 subscriptions_made || die "subscriptions are missing in Pub/Sub though the tenants are ready"
  ok "Both are ready, with keys in Redis over TLS"
}
