# Sourced: what the token in a worker's pod is good for.
# shellcheck shell=bash disable=SC2034,SC2154

story_tokens() {
  phase "The token that lies in a worker's pod"
  local token access answer
  open_worker "$one"
  token=$(from_worker "$one" file /proc/1/root/var/run/secrets/event-worker/token) || die "no token in the pod of $one"
  [ "$(claim "$token" .sub)" = "system:serviceaccount:$one:event-worker" ] || die "the token is of $(claim "$token" .sub)"

  access=$(exchange "$one" "$token")
  access_control enforce
  answer=$(pull "$access" "$one")
  [ "$answer" = OK ] || die "the worker of $one gets $answer from its own subscription"
  answer=$(pull "$access" "$two")
  [ "$answer" = PERMISSION_DENIED ] || die "ISOLATION BROKEN: with the token of $one the subscription of $two answers $answer"
  answer=$(pull "" "$one")
  [ "$answer" = UNAUTHENTICATED ] || die "without a token the subscription of $one answers $answer, so nothing was proven"
  access_control off
  local tenant
  for tenant in "$one" "$two"; do
    kubectl -n "$tenant" rollout status deployment/event-worker --timeout=120s >/dev/null
  done
  ok "Pub/Sub gives it the subscription of $one, and answers PERMISSION_DENIED for that of $two"

  # It is signed for the provider alone, so the API server does not even know who that is.
  answer=$(api_server "$token" /api/v1/namespaces)
  [ "$answer" = 401 ] || die "the API server answers $answer to the worker's token"
  ok "The API server takes it for nobody's (401)"
  account_may_nothing
  nothing_else_in_the_pod
}

# claim TOKEN FILTER
claim() { cut -d. -f2 <<<"$1" | tr '_-' '/+' | jq --raw-input --raw-output "@base64d | fromjson | $2"; }

# exchange TENANT TOKEN: as Google's libraries do it with the file in the worker's pod.
exchange() {
  local file
  file=$(from_worker "$1" file /proc/1/root/etc/event-worker/credentials.json)
  curl --silent --show-error --fail --max-time 10 "http://$emulator/v1/token" \
    --data-urlencode grant_type=urn:ietf:params:oauth:grant-type:token-exchange \
    --data-urlencode requested_token_type=urn:ietf:params:oauth:token-type:access_token \
    --data-urlencode scope=https://www.googleapis.com/auth/cloud-platform \
    --data-urlencode "audience=$(jq -r .audience <<<"$file")" \
    --data-urlencode "subject_token_type=$(jq -r .subject_token_type <<<"$file")" \
    --data-urlencode "subject_token=$2" | jq --exit-status --raw-output .access_token
}

# access_control enforce|off: of the emulator. The workers and the operator show it no token, so they rest while it is on.
access_control() {
  curl --silent --show-error --fail --max-time 10 --request PATCH "http://$emulator/emulator/v1/settings" \
    --header 'content-type: application/json' --data "{\"iam\": \"$1\"}" >/dev/null
}

# pull ACCESS_TOKEN TENANT: OK, or the status of the refusal.
pull() {
  curl --silent --show-error --max-time 30 --header "authorization: Bearer $1" --header 'content-type: application/json' \
    --data '{"maxMessages": 1, "returnImmediately": true}' \
    "http://$emulator/v1/projects/$project/subscriptions/living-twin-$topic-$2-worker:pull" | jq --raw-output '.error.status // "OK"'
}

# api_server TOKEN PATH: the status of its answer.
api_server() {
  curl --silent --insecure --max-time 10 --output /dev/null --write-out '%{http_code}' --header "authorization: Bearer $1" \
    "$(kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}')$2"
}

# Even a token for the API server would be good for nothing but to ask what it is good for.
account_may_nothing() {
  local token rights own
  token=$(kubectl -n "$one" create token event-worker --duration=10m)
  rights=$(curl --silent --insecure --fail --max-time 10 --header "authorization: Bearer $token" \
    --header 'content-type: application/json' \
    --data "{\"apiVersion\": \"authorization.k8s.io/v1\", \"kind\": \"SelfSubjectRulesReview\", \"spec\": {\"namespace\": \"$one\"}}" \
    "$(kubectl config view --minify -o jsonpath='{.clusters[0].cluster.server}')/apis/authorization.k8s.io/v1/selfsubjectrulesreviews")
  own=$(jq --raw-output '[.status.resourceRules[] | select(.apiGroups | inside(["authorization.k8s.io", "authentication.k8s.io"]) | not)] | length' <<<"$rights")
  [ "$own" = 0 ] || die "the ServiceAccount of $one's worker has rights: $(jq -c .status.resourceRules <<<"$rights")"
  [ "$(jq '.status.resourceRules | length' <<<"$rights")" -gt 0 ] || die "the review named no rights at all, not even those that all have"
  [ "$(api_server "$token" "/api/v1/namespaces/$one/secrets")" = 403 ] || die "the ServiceAccount of $one's worker reads Secrets"
  ok "Its ServiceAccount has no right but to ask which it has"
}

# Nothing for the API server is mounted.
nothing_else_in_the_pod() {
  local sources
  sources=$(kubectl -n "$one" get pod "$(worker_pod "$one")" -o json |
    jq --raw-output '[.spec.volumes[].projected.sources[]?.serviceAccountToken.audience // empty] | unique | join(" ")')
  [[ $sources == //iam.googleapis.com/* && $sources != *" "* ]] || die "tokens for '$sources' are in the pod"
  ok "No other token is in the pod"
}
