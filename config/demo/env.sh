# Sourced: the demo's names, and its tools.
# shellcheck shell=bash disable=SC2034,SC2154

# shellcheck source=config/lib/binaries.sh
. "$root/config/lib/binaries.sh"

cluster=$root/e2e/cluster/cluster
images=$root/.cache/images
project=demo-project
topic=document-events
emulator_port=30085
one=tenant-123 two=tenant-456

kubectl() { "$root/.cache/cluster/bin/kubectl" "$@"; }
helm() { "$root/.cache/cluster/bin/helm" "$@"; }
# eventctl of the same build as the images, talking to the emulator through its NodePort.
eventctl() { PUBSUB_EMULATOR_HOST=$emulator "$(binaries dev)/eventctl" "$@"; }

# publish TENANT DOCUMENT: publishes one event, prints its id.
publish() {
  eventctl publish --project "$project" --topic "$topic" --tenant "$1" --type document.ingested \
    --data "{\"document_id\": \"$2\"}" --output json | jq --exit-status --raw-output .event_id
}

# worker_log TENANT: what its worker pods logged.
worker_log() { kubectl -n "$1" logs --selector app.kubernetes.io/name=event-worker --tail=-1; }

# logged TENANT MESSAGE EVENT_ID: whether its worker logged this about that event.
logged() {
  worker_log "$1" | jq --raw-input --exit-status --slurp --arg message "$2" --arg id "$3" \
    'split("\n") | any(fromjson? | .message == $message and .event_id == $id)' >/dev/null
}

# filters true|false: whether the emulator honours the filters of subscriptions.
filters() {
  curl --silent --show-error --fail --max-time 10 --request PATCH "http://$emulator/emulator/v1/settings" \
    --header 'content-type: application/json' --data "{\"filters\": $1}" >/dev/null
}

# subscriptions_made: whether Pub/Sub has every subscription that an EventSubscription's status names.
subscriptions_made() {
  local wanted there
  wanted=$(kubectl get eventsubscriptions --all-namespaces \
    -o jsonpath='{range .items[*]}{.status.subscription}{"\n"}{end}' | sort -u)
  there=$(curl --silent --show-error --fail --max-time 10 \
    "http://$emulator/v1/projects/$project/subscriptions?pageSize=1000" | jq -r '.subscriptions[]?.name' | sort -u)
  [ -n "$wanted" ] && [ -z "$(comm -23 <(echo "$wanted") <(echo "$there"))" ]
}
