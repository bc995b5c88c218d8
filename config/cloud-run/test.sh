#!/usr/bin/env bash
# What a Cloud Run job does, as a process: the worker with just the environment of job.yaml, against the emulator. It handles
# its tenant's events, exits 0 when none is left, and touches nothing else; then a rollback is followed (docs/rollback.md).
#   test.sh [--binaries DIR]   DIR has pubsub-emulator, event-worker and eventctl; without it cargo builds them
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/say.sh"
# shellcheck source=config/lib/binaries.sh
. "$root/config/lib/binaries.sh"
# shellcheck source=config/terraform/python.sh
. "$root/config/terraform/python.sh"

binaries=
while [ $# -gt 0 ]; do
  case $1 in
    --binaries) binaries=${2:?--binaries needs a folder}; shift ;;
    *) die "$1 is not --binaries DIR" ;;
  esac
  shift
done

phase "What the test needs"
need curl curl "it talks to the emulator"
need jq jq "it reads answers and logs"
prepare_python
if [ -z "$binaries" ]; then
  need cargo https://rustup.rs "it builds the worker, the emulator and eventctl"
  cargo build --quiet -p pubsub-emulator -p event-worker -p eventctl
  binaries=$(binaries dev)
fi
for name in pubsub-emulator event-worker eventctl; do
  [ -x "$binaries/$name" ] || die "$binaries/$name is not there, or cannot be run"
done
ok "It is there"

work=$root/.cache/cloud-run
rm -rf "$work"
mkdir -p "$work"
# What was started here.
pids=()
stop() {
  [ ${#pids[@]} -eq 0 ] || kill "${pids[@]}" 2>/dev/null || true
  wait
}
trap stop EXIT
trap 'exit 130' INT TERM

project=cloud-run-test
topic=living-twin-document-events

# api METHOD PATH [BODY]: a call to the emulator, with its answer.
api() { curl -fsS -X "$1" -H 'content-type: application/json' ${3:+-d "$3"} "http://$emulator$2"; }

# backlog TENANT: messages that its subscription keeps.
backlog() {
  api GET /emulator/v1/subscriptions |
    jq --arg name "projects/$project/subscriptions/$topic-$1-worker" '.subscriptions[] | select(.name == $name) | .backlog'
}

has_backlog() { [ "$(backlog "$1")" = "$2" ]; }

# publish TENANT ID
publish() {
  PUBSUB_EMULATOR_HOST=$emulator "$binaries/eventctl" publish --project "$project" --topic document-events --tenant "$1" \
    --type document.ingested --event-id "$2" --data '{"document_id": "doc-1"}' >>"$work/published.log"
}

# start_job NAME: the worker with the environment of the job's YAML, with nothing of ours but where the emulator is. Its
# log is $work/NAME.log, its process $job.
start_job() {
  local env
  mapfile -t env < <("$python" config/cloud-run/tests/env.py <"$work/job.yaml")
  env -i "${env[@]}" "PUBSUB_EMULATOR_HOST=$emulator" "$binaries/event-worker" >"$work/$1.log" 2>&1 &
  job=$!
  pids+=("$job")
}

is_gone() { ! kill -0 "$1" 2>/dev/null; }

# end_job NAME: waits for it, and it has to exit 0.
end_job() {
  local code=0
  eventually 90 is_gone "$job" || die "the job $1 did not end within 90 s; see .cache/cloud-run/$1.log"
  wait "$job" || code=$?
  unset 'pids[-1]'
  [ "$code" -eq 0 ] || { cat "$work/$1.log" >&2; die "the job $1 exited $code, and not 0"; }
}

# deploy IMAGE [NAME=value…]: what `gcloud run jobs replace` would be given.
deploy() {
  env PROJECT_ID="$project" TENANT_ID=tenant-123 TOPICS=document-events IMAGE="$1" "${@:2}" config/cloud-run/render.sh >"$work/job.yaml"
}

# same WHAT ACTUAL EXPECTED
same() { [ "$2" = "$3" ] || die "$1: $2, and not $3"; }

# outcomes NAME: the outcome and the event of each audit line of a job.
outcomes() { jq -r 'select(.audit) | "\(.outcome) \(.event_id)"' "$work/$1.log" | sort; }

phase "Two tenants with subscriptions, and events of both"
NO_COLOR=1 "$binaries/pubsub-emulator" --port 0 >"$work/emulator.log" 2>&1 &
pids+=($!)
eventually 20 grep -q Listening "$work/emulator.log" || die "the emulator did not start; see .cache/cloud-run/emulator.log"
emulator=$(grep -oE '127\.0\.0\.1:[0-9]+' "$work/emulator.log" | head -n 1)
for name in "$topic" "$topic-dlq"; do
  api PUT "/v1/projects/$project/topics/$name" '{}' >/dev/null
done
for tenant in tenant-123 tenant-456; do
  # As docs/cloud-run.md makes them.
  filter="attributes.tenant_id = \\\"$tenant\\\""
  api PUT "/v1/projects/$project/subscriptions/$topic-$tenant-dlq" \
    "{\"topic\": \"projects/$project/topics/$topic-dlq\", \"filter\": \"$filter\", \"expirationPolicy\": {}}" >/dev/null
  api PUT "/v1/projects/$project/subscriptions/$topic-$tenant-worker" \
    "{\"topic\": \"projects/$project/topics/$topic\", \"filter\": \"$filter\", \"ackDeadlineSeconds\": 600, \"expirationPolicy\": {},
      \"retryPolicy\": {\"minimumBackoff\": \"10s\", \"maximumBackoff\": \"600s\"},
      \"deadLetterPolicy\": {\"deadLetterTopic\": \"projects/$project/topics/$topic-dlq\", \"maxDeliveryAttempts\": 5}}" >/dev/null
done
for id in a-1 a-2 a-3; do publish tenant-123 "$id"; done
for id in b-1 b-2; do publish tenant-456 "$id"; done
same "tenant-123's backlog" "$(backlog tenant-123)" 3
same "tenant-456's backlog" "$(backlog tenant-456)" 2
ok "5 events wait"

phase "tenant-123's job handles its events, and ends"
deploy registry.example/event-worker:0.1.0 EXIT_WHEN_IDLE=3s
api DELETE /emulator/v1/calls >/dev/null
start_job first
end_job first
same "what became of the events" "$(outcomes first | paste -sd,)" "success a-1,success a-2,success a-3"
grep -q '"message":"Stops: nothing to do."' "$work/first.log" || die "the job ended, and not because it was idle; see .cache/cloud-run/first.log"
eventually 5 has_backlog tenant-123 0 || die "tenant-123 has a backlog of $(backlog tenant-123) after its job, and not 0"
ok "3 handled, none is left, exit code 0"

# The emulator believes every caller, so that it cannot be seen here what Google refuses; what is asked for can.
calls=$(api GET /emulator/v1/calls | jq -r '.calls[] | "\(.method) \(.resource)"' | sort -u)
asked=$(grep -v '^Subscriber\.\(StreamingPull\|Acknowledge\|ModifyAckDeadline\) '"projects/$project/subscriptions/$topic-tenant-123-worker\$" <<<"$calls" || true)
[ -n "$calls" ] || die "the emulator noted no call of the job"
[ -z "$asked" ] || die "the job called what roles/pubsub.subscriber on its own subscription does not allow: $asked"
same "tenant-456's backlog" "$(backlog tenant-456)" 2
same "deliveries of tenant-456's events" "$(api GET /emulator/v1/subscriptions |
  jq -r --arg name "projects/$project/subscriptions/$topic-tenant-456-worker" '.subscriptions[] | select(.name == $name) | .totals.delivered')" 0
ok "It called nothing but its own subscription, with what a subscriber may; tenant-456's events were given to nobody"

phase "A job without work ends as well, at once when it is idle"
start_job empty
end_job empty
same "what it handled" "$(outcomes empty)" ""
ok "Exit code 0"

phase "A rollback, as docs/rollback.md has it"
touch "$work/broken"
"$python" config/cloud-run/tests/handler.py "$work/broken" "$work/handled" >"$work/handler.port" 2>"$work/handler.log" &
pids+=($!)
eventually 10 test -s "$work/handler.port" || die "the handler did not start; see .cache/cloud-run/handler.log"
handler=http://127.0.0.1:$(<"$work/handler.port")/
deploy registry.example/event-worker:0.2.0 EXIT_WHEN_IDLE=20s "HANDLER_URL=$handler"
same "the version that was deployed" "$("$python" config/cloud-run/tests/env.py IMAGE <"$work/job.yaml")" registry.example/event-worker:0.2.0
for id in c-1 c-2 c-3 c-4; do publish tenant-123 "$id"; done
start_job broken
# Four distinct events fail and none succeeds: the worker takes the handler for broken, and spends no attempt on it.
eventually 30 grep -q 'The handler is not there' "$work/broken.log" || die "the worker of the broken version did not find its handler broken"
note "Version 0.2.0 handles nothing."

note "1. Stop: no execution is started any more, and the running one is cancelled."
stopped=$SECONDS
kill -TERM "$job"
end_job broken
[ $((SECONDS - stopped)) -le 10 ] || die "the job took $((SECONDS - stopped)) s to stop; Cloud Run kills it after 10 s"
note "2. Drain: nothing is pulled, nothing is lost."
publish tenant-123 c-5
same "tenant-123's backlog" "$(backlog tenant-123)" 5
[ ! -e "$work/handled" ] || die "the broken version handled something"

note "3. Deploy the version before."
rm "$work/broken"
deploy registry.example/event-worker:0.1.0 EXIT_WHEN_IDLE=20s "HANDLER_URL=$handler"
same "the version that was deployed" "$("$python" config/cloud-run/tests/env.py IMAGE <"$work/job.yaml")" registry.example/event-worker:0.1.0
note "4. Resume: it is executed, and waits for what Pub/Sub holds back for up to 10 s."
start_job resumed
end_job resumed
expected=$(for id in c-1 c-2 c-3 c-4 c-5; do echo "tenant-123 document.ingested:tenant-123:$id"; done)
same "what was handled, each once" "$(sort "$work/handled")" "$expected"
eventually 5 has_backlog tenant-123 0 || die "tenant-123 has a backlog of $(backlog tenant-123) after the rollback, and not 0"
same "tenant-456's backlog" "$(backlog tenant-456)" 2
same "dead letters" "$(api GET /emulator/v1/subscriptions |
  jq '[.subscriptions[] | select(.name | endswith("-dlq")) | .backlog] | add')" 0
ok "All 5 events were handled once, none is a dead letter, and tenant-456's wait as before"
