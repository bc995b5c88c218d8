# Sourced: from nothing to two tenants that are ready.
# shellcheck shell=bash disable=SC2034,SC2154

start_cluster() {
  phase "A Kubernetes cluster of its own, which leaves this machine's network and processes alone"
  "$cluster" build
  "$cluster" up
  KUBECONFIG=$("$cluster" kubeconfig)
  export KUBECONFIG
  emulator=$("$cluster" host):$emulator_port
  ok "The cluster is up"
}

load_images() {
  local names=(event-operator event-worker pubsub-emulator)
  if [ "${CLUSTER:-}" = current ]; then
    export TAG
    TAG=demo-$(date +%s)
    "$root/config/images/build.sh" --push "$REGISTRY" "${names[@]}"
    return
  fi
  "$root/config/images/build.sh" "${names[@]}"
  step_began=$SECONDS # what build.sh did, it has said itself
  "$cluster" load-image "$images"/{event-operator,event-worker,pubsub-emulator}.tar
  ok "The cluster has the images"
}

# image NAME: the name of its image, which changes with its content.
image() {
  if [ "${CLUSTER:-}" = current ]; then echo "$REGISTRY/$1:$TAG"; else cat "$images/$1.ref"; fi
}

start_emulator() {
  phase "Pub/Sub, as an emulator in the cluster"
  sed "s|image: pubsub-emulator:dev|image: $(image pubsub-emulator)|" "$root/config/demo/emulator.yaml" | kubectl apply -f -
  kubectl -n pubsub-emulator rollout status deployment/pubsub-emulator --timeout=90s
  eventually 30 filters true || die "the emulator does not answer at $emulator: $last_try"
  ok "Pub/Sub answers at $emulator"
}

install_operator() {
  phase "The operator, with Helm"
  local operator number
  operator=$(image event-operator)
  # The emulator makes one up for each project, as Google does.
  number=$(curl --silent --show-error --fail "http://$emulator/v1/projects/$project" | jq --exit-status -r .projectNumber)
  helm upgrade --install event-operator-crds "$root/charts/event-operator-crds" \
    --namespace event-operator --create-namespace --wait >/dev/null
  kubectl label --overwrite namespace event-operator pod-security.kubernetes.io/enforce=restricted >/dev/null
  helm upgrade --install event-operator "$root/charts/event-operator" --namespace event-operator \
    --values "$root/config/demo/values.yaml" --set "image.repository=${operator%:*},image.tag=${operator##*:}" \
    --set "config.projectNumber=$number,config.worker.image=$(image event-worker)" --wait --timeout 120s >/dev/null
  ok "The operator runs"
}

apply_tenants() {
  phase "Two tenants"
  kubectl apply -f "$root/config/samples/tenant-123.yaml" -f "$root/config/samples/tenant-456.yaml"
  # Ready of an older generation, or of before a new image, does not count.
  kubectl wait --for=condition=Ready "tenant/$one" "tenant/$two" --timeout=120s
  local tenant
  for tenant in "$one" "$two"; do
    kubectl -n "$tenant" rollout status deployment/event-worker --timeout=90s
  done
  eventually 60 subscriptions_made || die "subscriptions are missing in Pub/Sub though the tenants are ready"
  ok "Both are ready: namespaces, workers, and filtered subscriptions with dead letters"
}
