#!/usr/bin/env bash
# The stories that only the real Google Pub/Sub can settle, in a project of yours: `make test-gcp`. See docs/google.md.
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "$0")/../lib/say.sh"

# Where Google's client libraries look for credentials: the variable, gcloud's file, the machine's own identity.
has_credentials() {
  if [ -n "${GOOGLE_APPLICATION_CREDENTIALS:-}" ]; then
    [ -r "$GOOGLE_APPLICATION_CREDENTIALS" ]
    return
  fi
  [ -r "$HOME/.config/gcloud/application_default_credentials.json" ] ||
    curl --silent --fail --max-time 2 --output /dev/null --header 'Metadata-Flavor: Google' \
      "http://${GCE_METADATA_HOST:-metadata.google.internal}/computeMetadata/v1/instance/service-accounts/default/email"
}

if [ -z "${GCP_TEST_PROJECT:-}" ] || ! has_credentials; then
  echo "skipped: set GCP_TEST_PROJECT to a project that may hold tests, and have application default credentials (gcloud auth application-default login) with roles/pubsub.admin, roles/monitoring.viewer and roles/browser there; see docs/google.md"
  exit 0
fi
# The operator and the stories go to Google.
unset PUBSUB_EMULATOR_HOST

need cargo https://rustup.rs "it compiles the project"
log=$root/.cache/logs/gcp.log
mkdir -p "$(dirname "$log")"

phase "The API server that the operator runs on"
e2e/cluster/cluster build --control-plane-only
ok "It is there"

phase "Stories on Google's Pub/Sub, in project $GCP_TEST_PROJECT (half an hour; .cache/logs/gcp.log)"
failed=
cargo test --workspace --test control_plane google -- --nocapture --test-threads=1 2>&1 | tee "$log" || failed=yes

phase "What was measured"
grep --only-matching --extended-regexp '(measured|skipped|left behind): .*' "$log" || note "Nothing."
[ -z "$failed" ] || die "A story failed; see .cache/logs/gcp.log"
ok "The stories hold"
