#!/usr/bin/env bash
# Applies config/terraform/staging: `make tf-apply-staging`. Shows the plan, and asks.
#   PROJECT_ID     required: the Google Cloud project
#   STATE_BUCKET   required: a Cloud Storage bucket that keeps Terraform's state
#   AUTO_APPROVE   yes: does not ask
#   TF_VAR_…       any variable of the module (config/terraform/README.md)
#   TF             tofu or terraform, or the path of either; default: the first that is there
set -euo pipefail
# shellcheck source=config/lib/say.sh
. "$(dirname "${BASH_SOURCE[0]}")/../lib/say.sh"

tf=${TF:-$(command -v tofu || command -v terraform || true)}
[ -n "$tf" ] || die "tofu is missing (it makes the Google side). Install it: https://opentofu.org/docs/intro/install (terraform does as well)"
command -v "$tf" >/dev/null || die "TF: $tf is not there, or cannot be run; set it to tofu, terraform, or the path of either"
[ -n "${PROJECT_ID:-}" ] || die "PROJECT_ID is not set: the id of the Google Cloud project, as in PROJECT_ID=my-project make tf-apply-staging"
[[ $PROJECT_ID =~ ^[a-z][a-z0-9-]{4,28}[a-z0-9]$ ]] || die "PROJECT_ID: $PROJECT_ID is not the id of a project: 6 to 30 of a-z 0-9 -, a letter first, no - last"
[ -n "${STATE_BUCKET:-}" ] || die "STATE_BUCKET is not set: a bucket for Terraform's state. Make it: gcloud storage buckets create gs://$PROJECT_ID-terraform --project $PROJECT_ID --location europe-west1 --uniform-bucket-level-access && gcloud storage buckets update gs://$PROJECT_ID-terraform --versioning"
case ${AUTO_APPROVE:-} in '' | yes) ;; *) die "AUTO_APPROVE: $AUTO_APPROVE is not allowed; yes, or nothing" ;; esac

folder=$root/config/terraform/staging
work=$root/.cache/terraform/staging-$PROJECT_ID
plan=$work/plan.tfplan
mkdir -p "$work"
export TF_VAR_project_id=$PROJECT_ID TF_DATA_DIR=$work/data TF_IN_AUTOMATION=yes
# The plan says what is done; a leftover of an earlier run must not be applied.
rm -f "$plan"

phase "The state in gs://$STATE_BUCKET, and the providers"
"$tf" -chdir="$folder" init -input=false -reconfigure -backend-config="bucket=${STATE_BUCKET#gs://}" \
  -backend-config="prefix=event-plane/$PROJECT_ID" ||
  die "The state cannot be read, or a provider cannot be had. Log in: gcloud auth application-default login; roles/storage.objectAdmin on the bucket is needed"
ok "Ready"

phase "What would change in $PROJECT_ID"
changes=0
"$tf" -chdir="$folder" plan -input=false -detailed-exitcode -out="$plan" || changes=$?
case $changes in
  0) ok "Nothing; everything is as asked"; exit 0 ;;
  2) ok "The plan is above, and in ${plan#"$root"/}" ;;
  *) die "There is no plan; see above" ;;
esac

if [ "${AUTO_APPROVE:-}" != yes ]; then
  [ -t 0 ] || die "Nothing was changed: there is no terminal to ask on. Set AUTO_APPROVE=yes to apply without being asked"
  read -r -p "Apply this to $PROJECT_ID? Only yes does it: " answer
  [ "$answer" = yes ] || die "Nothing was changed"
fi

phase "Changing it"
"$tf" -chdir="$folder" apply -input=false "$plan" || die "Not all of it was done; see above, and run this again"
rm -f "$plan"
"$tf" -chdir="$folder" output -raw helm_values >"$work/values.yaml"
ok "Done"
note "The operator's values: helm upgrade --install event-operator charts/event-operator -n event-operator -f ${work#"$root"/}/values.yaml …"
