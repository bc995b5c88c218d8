"""The module with OpenTofu itself, and a provider that has the shape of Google's and no cloud: TOFU names the one,
TF_CLI_CONFIG_FILE leads to the other (test.sh --tofu)."""

import json
import os
import re
import shutil
import subprocess
import unittest

import jsonschema
import yaml

from module import FOLDERS, MODULE, ROOT, documented_permissions

COPY = ROOT / ".cache" / "terraform" / "run"
PROJECT, NUMBER = "test-project", "123456789012"
POOL = f"principal://iam.googleapis.com/projects/{NUMBER}/locations/global/workloadIdentityPools"
AGENT = f"serviceAccount:service-{NUMBER}@gcp-sa-pubsub.iam.gserviceaccount.com"
JWKS = '{"keys": []}'
KEYS = {"events", "document-events", "query-events", "user-events", "system-events"}


def tofu(folder, *arguments, allowed=(0,)):
    """Its exit code and all it says."""
    command = [os.environ["TOFU"], f"-chdir={COPY / folder}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=os.environ | {"TF_IN_AUTOMATION": "yes"})
    said = done.stdout + done.stderr
    if done.returncode not in allowed:
        raise AssertionError(f"{' '.join(command)} ended with {done.returncode}:\n{said}")
    return done.returncode, said


def given(variables):
    return [f"-var={name}={value if isinstance(value, str) else json.dumps(value)}" for name, value in variables.items()]


def setUpModule():
    """A copy, so that nothing is left beside the sources."""
    shutil.rmtree(COPY, ignore_errors=True)
    shutil.copytree(MODULE, COPY, ignore=shutil.ignore_patterns("tests", ".terraform*", "*.tfstate*"))
    (COPY / "staging" / "override.tf").write_text('terraform {\n  backend "local" {}\n}\n')
    (COPY / "examples" / "federation" / "jwks.json").write_text(JWKS)
    for folder in FOLDERS:
        tofu(folder.relative_to(MODULE), "init", "-input=false", "-no-color")


class Applied:
    """What is there after an apply, from nothing."""

    def __init__(self, folder=".", **variables):
        variables = {"project_id": PROJECT} | variables
        state = COPY / folder / "terraform.tfstate"
        state.unlink(missing_ok=True)
        tofu(folder, "apply", "-auto-approve", "-input=false", "-no-color", *given(variables))
        self.again, self.said = tofu(
            folder, "plan", "-detailed-exitcode", "-input=false", "-no-color", *given(variables), allowed=(0, 2)
        )
        values = json.loads(tofu(folder, "show", "-json")[1])["values"]
        self.outputs = {name: one["value"] for name, one in values["outputs"].items()}
        self.resources = {}
        self.collect(values["root_module"])

    def collect(self, module):
        for one in module.get("resources", []):
            self.resources.setdefault(one["type"], []).append(one["values"])
        for child in module.get("child_modules", []):
            self.collect(child)

    def of(self, kind):
        return self.resources.get(kind, [])

    def helm(self):
        return yaml.safe_load(self.outputs["helm_values"])


class Valid(unittest.TestCase):
    def test_every_folder_is(self):
        for folder in FOLDERS:
            tofu(folder.relative_to(MODULE), "validate", "-no-color")


class Module(unittest.TestCase):
    def the_chart_takes(self, applied):
        """The values, over the chart's own as helm merges them, by the chart's schema."""
        chart = ROOT / "charts" / "event-operator"

        def merged(below, above):
            if isinstance(below, dict) and isinstance(above, dict):
                return below | {key: merged(below.get(key), value) for key, value in above.items()}
            return above

        values = merged(yaml.safe_load((chart / "values.yaml").read_text()), applied.helm())
        jsonschema.validate(values, json.loads((chart / "values.schema.json").read_text()))
        return values["config"]

    def test_with_the_defaults_there_is_an_operator_and_no_topic(self):
        applied = Applied()
        self.assertEqual(applied.again, 0, applied.said)
        (role,) = applied.of("google_project_iam_custom_role")
        self.assertEqual(set(role["permissions"]), documented_permissions())
        (grant,) = applied.of("google_project_iam_member")
        self.assertEqual(grant["role"], f"projects/{PROJECT}/roles/eventOperator")
        self.assertEqual(grant["member"], f"{POOL}/{PROJECT}.svc.id.goog/subject/ns/event-operator/sa/event-operator")
        self.assertEqual([one["service"] for one in applied.of("google_project_service_identity")], ["pubsub.googleapis.com"])
        services = {one["service"].removesuffix(".googleapis.com") for one in applied.of("google_project_service")}
        self.assertEqual(services, {"cloudresourcemanager", "iam", "iamcredentials", "monitoring", "pubsub", "sts"})
        for kind in ("google_pubsub_topic", "google_kms_crypto_key", "google_iam_workload_identity_pool"):
            self.assertEqual(applied.of(kind), [])
        config = self.the_chart_takes(applied)
        self.assertEqual(
            (config["projectId"], config["projectNumber"], config["regions"], config["enableDlq"]),
            (PROJECT, int(NUMBER), ["europe-west1"], True),
        )

    def test_topics_are_those_that_the_operator_would_make(self):
        applied = Applied(manage_topics=True, labels={"team": "a"}, create_kms_key=True)
        self.assertEqual(applied.again, 0, applied.said)
        names = {one["name"] for one in applied.of("google_pubsub_topic")}
        self.assertEqual(names, {f"living-twin-{key}{end}" for key in KEYS for end in ("", "-dlq")})
        key = f"projects/{PROJECT}/locations/europe-west1/keyRings/event-plane/cryptoKeys/topics"
        for topic in applied.of("google_pubsub_topic"):
            self.assertEqual(topic["labels"], {"team": "a", "managed-by": "event-operator"})
            self.assertEqual(topic["message_storage_policy"][0]["allowed_persistence_regions"], ["europe-west1"])
            self.assertEqual(topic["kms_key_name"], key)
        grants = {(one["topic"], one["role"], one["member"]) for one in applied.of("google_pubsub_topic_iam_member")}
        self.assertEqual(grants, {(f"living-twin-{one}-dlq", "roles/pubsub.publisher", AGENT) for one in KEYS})
        (grant,) = applied.of("google_kms_crypto_key_iam_member")
        self.assertEqual((grant["crypto_key_id"], grant["member"]), (key, AGENT))
        self.assertEqual(self.the_chart_takes(applied)["kmsKeyName"], key)

    def test_without_dead_letters_nothing_is_made_for_them(self):
        applied = Applied(manage_topics=True, enable_dlq=False, region="us-east1", storage_regions=[])
        self.assertEqual(applied.again, 0, applied.said)
        topics = applied.of("google_pubsub_topic")
        self.assertEqual({one["name"] for one in topics}, {f"living-twin-{key}" for key in KEYS})
        self.assertFalse([one for one in topics if one["message_storage_policy"]])
        self.assertEqual(applied.of("google_pubsub_topic_iam_member"), [])
        config = self.the_chart_takes(applied)
        self.assertEqual((config["enableDlq"], config["regions"]), (False, []))

    def test_every_project_of_tenants_gets_the_role_and_the_service_agent(self):
        applied = Applied(tenant_project_ids=["tenant-project"], cluster_project_id="cluster-project")
        self.assertEqual(applied.again, 0, applied.said)
        projects = {PROJECT, "tenant-project"}
        for kind in ("google_project_iam_custom_role", "google_project_iam_member", "google_project_service_identity"):
            self.assertEqual({one["project"] for one in applied.of(kind)}, projects, kind)
        for grant in applied.of("google_project_iam_member"):
            self.assertTrue(grant["role"].startswith(f"projects/{grant['project']}/"))
            self.assertIn("/cluster-project.svc.id.goog/", grant["member"])
        self.assertEqual(self.the_chart_takes(applied)["identity"]["pool"], "cluster-project.svc.id.goog")

    def test_a_wrong_value_is_refused_by_its_name(self):
        federation = {"identity_mode": "federation", "provider_id": "prod-eu", "oidc_issuer": "https://issuer.example"}
        for variables, named in [
            ({"project_id": "My Project"}, "project_id"),
            ({"project_id": NUMBER}, "project_id"),
            ({"tenant_project_ids": ["x"]}, "tenant_project_ids"),
            ({"region": "europe-west1-b"}, "region"),
            ({"labels": {"Team": "a"}}, "labels"),
            ({"labels": {"team": "A b"}}, "labels"),
            ({"labels": {"event-operator-cluster": "other"}}, "labels"),
            ({"topic_prefix": "google"}, "topic_prefix"),
            ({"catalogue": ["events-dlq"]}, "catalogue"),
            ({"kms_key_name": "topics"}, "kms_key_name"),
            ({"kms_key_name": "projects/p/locations/l/keyRings/r/cryptoKeys/k", "create_kms_key": True}, "kms_key_name"),
            ({"identity_mode": "eks"}, "identity_mode"),
            (federation | {"provider_id": ""}, "provider_id"),
            ({"identity_mode": "federation", "oidc_issuer": "https://issuer.example"}, "provider_id"),
            (federation | {"oidc_issuer": "http://issuer.example"}, "oidc_issuer"),
            (federation | {"pool_id": "gcp-pool"}, "pool_id"),
            (federation | {"oidc_jwks_json": "keys"}, "oidc_jwks_json"),
            ({"operator_namespace": "Operator"}, "operator_namespace"),
            ({"operator_service_account": "a_b"}, "operator_service_account"),
            ({"operator_role_id": "event-operator"}, "operator_role_id"),
        ]:
            with self.subTest(variables):
                variables = {"project_id": PROJECT} | variables
                _, said = tofu(".", "plan", "-input=false", "-no-color", "-state=none", *given(variables), allowed=(1,))
                # A long message is broken into lines.
                self.assertRegex(re.sub(r"[\s│]+", " ", said), rf"Invalid value for variable .*\b{named}( is set,|:)")


class Examples(unittest.TestCase):
    def test_gke(self):
        applied = Applied("examples/gke")
        self.assertEqual(applied.again, 0, applied.said)
        self.assertEqual(len(applied.of("google_pubsub_topic")), 10)
        # What would lose messages is refused.
        _, said = tofu("examples/gke", "plan", "-destroy", "-no-color", *given({"project_id": PROJECT}), allowed=(1,))
        self.assertIn("prevent_destroy", said)

    def test_topics_that_are_there_are_imported_and_not_made_again(self):
        state = COPY / "examples" / "gke" / "terraform.tfstate"
        state.unlink(missing_ok=True)
        variables = {"project_id": PROJECT, "existing_topics": ["events", "user-events"]}
        _, said = tofu("examples/gke", "plan", "-no-color", *given(variables))
        self.assertRegex(said, r"Plan: 4 to import, 20 to add, 4 to change, 0 to destroy")

    def test_federation(self):
        applied = Applied("examples/federation", oidc_issuer="https://issuer.example")
        self.assertEqual(applied.again, 0, applied.said)
        (provider,) = applied.of("google_iam_workload_identity_pool_provider")
        self.assertEqual(provider["oidc"][0]["issuer_uri"], "https://issuer.example")
        self.assertEqual(provider["oidc"][0]["jwks_json"], JWKS)
        (grant,) = applied.of("google_project_iam_member")
        self.assertEqual(grant["member"], f"{POOL}/tenants/subject/system:serviceaccount:event-operator:event-operator")
        self.assertEqual(
            applied.helm()["config"]["identity"],
            {"mode": "federation", "pool": "tenants", "provider": "prod-eu", "poolProjectNumber": int(NUMBER), "subjectAttribute": "uid"},
        )

    def test_staging_is_the_module_with_its_defaults(self):
        staging, alone = Applied("staging"), Applied()
        self.assertEqual(staging.again, 0, staging.said)
        self.assertEqual(staging.resources, alone.resources)
        (COPY / "staging" / "terraform.tfstate").unlink()
        variables = {"project_id": PROJECT, "manage_topics": True, "enable_dlq": False, "existing_topics": ["events"]}
        _, said = tofu("staging", "plan", "-no-color", *given(variables))
        self.assertIn("Plan: 1 to import, ", said)


class CloudRun(unittest.TestCase):
    def test_a_tenants_job_is_the_one_of_the_template(self):
        image = "registry.example/event-worker:0.1.0"
        applied = Applied("examples/cloud-run", image=image)
        self.assertEqual(applied.again, 0, applied.said)
        self.assertEqual(len(applied.of("google_cloud_run_v2_job")), 2)
        for job in applied.of("google_cloud_run_v2_job"):
            tenant = job["name"].removeprefix("event-worker-")
            env = {"PATH": os.environ["PATH"], "PROJECT_ID": PROJECT, "TENANT_ID": tenant, "IMAGE": image}
            rendered = subprocess.run([ROOT / "config/cloud-run/render.sh"], env=env, capture_output=True, text=True, check=True)
            template = yaml.safe_load(rendered.stdout)
            task = template["spec"]["template"]["spec"]["template"]["spec"]
            (theirs,) = task["containers"]
            (ours,) = job["template"][0]["template"][0]["containers"]
            wanted = {one["name"]: one["value"] for one in theirs["env"]}
            made = {one["name"]: one["value"] for one in ours["env"]}
            # Their order says nothing.
            for one in (wanted, made):
                one["SUBSCRIPTIONS"] = set(one["SUBSCRIPTIONS"].split(","))
            self.assertEqual(made, wanted)
            self.assertEqual(ours["image"], theirs["image"])
            self.assertEqual(ours["resources"][0]["limits"], theirs["resources"]["limits"])
            self.assertEqual(job["name"], template["metadata"]["name"])
            self.assertEqual(job["template"][0]["template"][0]["service_account"], task["serviceAccountName"])
            self.assertEqual(job["template"][0]["template"][0]["timeout"], f"{task['timeoutSeconds']}s")

    def test_a_tenant_reads_its_own_subscriptions_and_no_others(self):
        applied = Applied("examples/cloud-run", image="registry.example/event-worker:0.1.0")
        accounts = {job["template"][0]["template"][0]["service_account"]: job["name"] for job in applied.of("google_cloud_run_v2_job")}
        self.assertEqual(len(accounts), 2)
        seen = set()
        for grant in applied.of("google_pubsub_subscription_iam_member"):
            self.assertEqual(grant["role"], "roles/pubsub.subscriber")
            if grant["member"] != AGENT:
                tenant = accounts[grant["member"].removeprefix("serviceAccount:")].removeprefix("event-worker-")
                self.assertRegex(grant["subscription"], rf"-{tenant}-worker$")
                seen.add(grant["subscription"])
        self.assertEqual(seen, {f"living-twin-{key}-{tenant}-worker" for key in KEYS for tenant in ("tenant-123", "tenant-456")})
        for one in applied.of("google_pubsub_subscription"):
            (tenant,) = re.findall(r"tenant-\d+", one["name"])
            self.assertEqual(one["filter"], f'attributes.tenant_id = "{tenant}"')
            self.assertEqual((one["ack_deadline_seconds"], one["expiration_policy"]), (600, [{"ttl": ""}]))
            if one["name"].endswith("-worker"):
                (policy,) = one["dead_letter_policy"]
                self.assertEqual((policy["dead_letter_topic"], policy["max_delivery_attempts"]), (f"{one['topic']}-dlq", 5))

    def test_a_wrong_value_is_refused_by_its_name(self):
        whole = {"project_id": PROJECT, "tenant_id": "tenant-123", "image": "registry.example/event-worker:0.1.0"}
        folder = "modules/cloud-run-worker"
        tofu(folder, "plan", "-input=false", "-no-color", *given(whole))
        for variables, named in [
            ({"tenant_id": 'a" OR attributes:b'}, "tenant_id"),
            ({"image": "registry.example/event-worker"}, "image"),
            ({"image": "registry.example/event-worker:latest"}, "image"),
            ({"topics": []}, "topics"),
            ({"max_delivery_attempts": 4}, "max_delivery_attempts"),
            ({"ack_deadline_seconds": 601}, "ack_deadline_seconds"),
            ({"worker_timeout_seconds": 86400}, "worker_timeout_seconds"),
            ({"exit_when_idle_seconds": 0}, "exit_when_idle_seconds"),
            ({"task_timeout_seconds": 604801}, "task_timeout_seconds"),
            ({"max_retries": 11}, "max_retries"),
            ({"max_concurrent_messages": 0}, "max_concurrent_messages"),
            ({"env": {"TENANT_ID": "tenant-456"}}, "env"),
            ({"tenant_id": "Tenant_1"}, "job_name"),
        ]:
            with self.subTest(variables):
                _, said = tofu(folder, "plan", "-input=false", "-no-color", *given(whole | variables), allowed=(1,))
                self.assertRegex(re.sub(r"[\s│]+", " ", said), rf"Invalid value for variable .*\b{named}:")


if __name__ == "__main__":
    unittest.main()
