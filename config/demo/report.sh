# Sourced: what helps when the demo fails.
# shellcheck shell=bash disable=SC2034,SC2154

report() {
  [ -n "${KUBECONFIG:-}" ] || return 0
  local tenant full=$root/.cache/logs/demo-failed.yaml
  mkdir -p "${full%/*}"
  kubectl get tenants,eventsubscriptions,all,configmaps --all-namespaces -o yaml >"$full" 2>&1 || true
  {
    phase "Warnings of the last minutes"
    kubectl get events --all-namespaces --field-selector type=Warning --sort-by=.lastTimestamp | tail -n 20
    for tenant in "$one" "$two"; do
      phase "The last words of $tenant's worker"
      worker_log "$tenant" | tail -n 12
    done
    phase "The operator's last words"
    kubectl -n event-operator logs deployment/event-operator --tail=30
    phase "Pods"
    kubectl get pods --all-namespaces
    phase "Tenants"
    kubectl get tenants -o yaml
    phase "Tenants and EventSubscriptions, whose Message says what is wrong (more in .cache/logs/demo-failed.yaml)"
    kubectl get tenants,eventsubscriptions --all-namespaces
  } 2>&1 | cut -c 1-500 >&2
}
