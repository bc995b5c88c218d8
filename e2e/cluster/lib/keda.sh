# shellcheck shell=bash disable=SC2154
# Sourced by `cluster`, which sets here, root, cache, bin and state.
# KEDA as its authors deploy it, without its admission webhooks, from images of what was built here.

# shellcheck source=images.sh
. "$here/lib/images.sh"

keda() {
  export KUBECONFIG
  KUBECONFIG=$(provider_kubeconfig)
  case ${1:-} in
    up) keda_up ;;
    down)
      # Definitions first, while KEDA takes its finalizers off the objects, which nothing else would.
      "$bin/kubectl" delete crd --selector app.kubernetes.io/part-of=keda-operator --timeout=120s >/dev/null
      "$bin/kubectl" delete -f "$bin/keda.yaml" --ignore-not-found --timeout=120s >/dev/null
      say "KEDA is gone, and its definitions with it."
      ;;
    *) fail "keda takes up or down" ;;
  esac
}

keda_up() {
  build_with keda
  scratch_image localhost/keda:1 "$bin/keda" "$cache/keda.tar"
  scratch_image localhost/keda-adapter:1 "$bin/keda-adapter" "$cache/keda-adapter.tar"
  provider_load_image "$cache/keda.tar" "$cache/keda-adapter.tar"
  keda_manifests | "$bin/kubectl" apply --server-side --force-conflicts -f - >/dev/null
  "$bin/kubectl" -n keda rollout status deployment/keda-operator deployment/keda-metrics-apiserver --timeout=180s >/dev/null
  wait_for 60 "KEDA's metrics are served" "$bin/kubectl" get --raw /apis/external.metrics.k8s.io/v1beta1
  say "KEDA runs."
}

# With the images above, under the user that their own images have.
keda_manifests() {
  sed -e 's|ghcr.io/kedacore/keda-metrics-apiserver:.*|localhost/keda-adapter:1|' -e 's|ghcr.io/kedacore/keda:.*|localhost/keda:1|' \
    -e 's|imagePullPolicy: Always|imagePullPolicy: Never|' \
    -e 's|^\( *\)runAsNonRoot: true$|&\n\1runAsUser: 65532|' "$bin/keda.yaml"
}
