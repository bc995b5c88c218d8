# Sourced: what helps when the demo fails.
# shellcheck shell=bash disable=SC2034,SC2154

report() {
  [ -n "${KUBECONFIG:-}" ] || return 0
  local tenant
  {
    phase "What there is"
    kubectl get pods --all-namespaces -o wide
    phase "Events of the last minutes"
    kubectl get events --all-namespaces --sort-by=.lastTimestamp | tail -n 40
    phase "The operator's last words"
    kubectl -n event-operator logs deployment/event-operator --tail=40
    for tenant in "$one" "$two"; do
      phase "The last words of $tenant's worker"
      worker_log "$tenant" | tail -n 15
    done
    phase "Tenants and EventSubscriptions"
    kubectl get tenants,eventsubscriptions --all-namespaces -o yaml
  } 2>&1 | cut -c 1-600 >&2
}
