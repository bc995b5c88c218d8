#!/usr/bin/env bash
# Prints job.yaml for one tenant: config/cloud-run/render.sh >job.yaml && gcloud run jobs replace "$PWD/job.yaml" --region …
#   PROJECT_ID, TENANT_ID, IMAGE   required
#   TOPICS           keys of the catalogue, separated by spaces; default: all five
#   TOPIC_PREFIX     default living-twin
#   JOB_NAME         default event-worker-$TENANT_ID
#   SERVICE_ACCOUNT  default the one that docs/cloud-run.md makes: event-worker- and a hash of the tenant's id
#   EXIT_WHEN_IDLE   the job ends when nothing has come for so long; default 60s
#   HANDLER_URL      a service that events are posted to; default none: events are logged
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/say.sh"

# check NAME PATTERN ALLOWED: a value that would make a job that cannot be, or other YAML, is refused here.
check() {
  [ -n "${!1:-}" ] || die "$1 is not set: $3"
  [[ ${!1} =~ ^($2)$ ]] || die "$1: ${!1} is not allowed; $3"
}

check PROJECT_ID '[a-z][a-z0-9-]{4,28}[a-z0-9]' "a project's id, 6 to 30 of a-z 0-9 -"
check TENANT_ID '[A-Za-z0-9._~-]{1,63}' "the tenant_id on the messages, 1 to 63 of A-Z a-z 0-9 . _ ~ -"
check IMAGE '[a-z0-9][A-Za-z0-9._/:-]*[:@][A-Za-z0-9._:-]+' "the worker's image with a tag or digest"
case $IMAGE in *:latest) die "IMAGE: $IMAGE is not allowed; name a tag that stays, so that a rollback knows what ran before" ;; esac

TOPIC_PREFIX=${TOPIC_PREFIX:-living-twin}
check TOPIC_PREFIX '[A-Za-z][A-Za-z0-9-]{0,62}' "1 to 63 of A-Z a-z 0-9 -, a letter first"
TOPICS=${TOPICS:-events document-events query-events user-events system-events}
check TOPICS '[a-z0-9-]+( [a-z0-9-]+)*' "keys of the catalogue, separated by spaces"
JOB_NAME=${JOB_NAME:-event-worker-$TENANT_ID}
check JOB_NAME '[a-z]([a-z0-9-]{0,61}[a-z0-9])?' "1 to 63 of a-z 0-9 -, a letter first; set it where the tenant's id has other characters"
SERVICE_ACCOUNT=${SERVICE_ACCOUNT:-event-worker-$(printf %s "$TENANT_ID" | sha256sum | head -c 12)@$PROJECT_ID.iam.gserviceaccount.com}
check SERVICE_ACCOUNT '[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z0-9.-]+' "a service account's e-mail address"
EXIT_WHEN_IDLE=${EXIT_WHEN_IDLE:-60s}
check EXIT_WHEN_IDLE '[1-9][0-9]{0,4}(s|m|h)' "a duration from 1s to 24h, such as 60s"
HANDLER_URL=${HANDLER_URL:-}
[ -z "$HANDLER_URL" ] || check HANDLER_URL 'https?://[A-Za-z0-9][A-Za-z0-9._~:/?%=&-]*' "an http:// or https:// URL without credentials"
export HANDLER=log
[ -z "$HANDLER_URL" ] || HANDLER=http

# The operator's names, so that a tenant can move between a worker pod and a job.
SUBSCRIPTIONS=
for topic in $TOPICS; do
  SUBSCRIPTIONS+=${SUBSCRIPTIONS:+,}$TOPIC_PREFIX-$topic-$TENANT_ID-worker
done

job=$(<config/cloud-run/job.yaml)
for name in JOB_NAME SERVICE_ACCOUNT IMAGE PROJECT_ID TENANT_ID SUBSCRIPTIONS EXIT_WHEN_IDLE HANDLER HANDLER_URL; do
  job=${job//"\${$name}"/"${!name}"}
done
printf '%s\n' "$job"
