"""What can be told of the module from its text: rights, variables, names, and that they are the operator's."""

import re
import unittest

import yaml

from module import FOLDERS, MODULE, ROOT, SHAPE, Folder, documented_permissions, faults, operator_permissions

BASE = Folder(MODULE)
WORKER = Folder(MODULE / "modules" / "cloud-run-worker")
ALL = [Folder(path) for path in FOLDERS]
# What may be given, and on what; each is the least role that Google has for it.
GRANTS = {
    ("google_project_iam_member", "${google_project_iam_custom_role.operator[each.value].name}"),
    ("google_pubsub_topic_iam_member", "roles/pubsub.publisher"),
    ("google_pubsub_subscription_iam_member", "roles/pubsub.subscriber"),
    ("google_kms_crypto_key_iam_member", "roles/cloudkms.cryptoKeyEncrypterDecrypter"),
    ("google_cloud_run_v2_job_iam_member", "roles/run.invoker"),
}


class Rights(unittest.TestCase):
    def test_the_role_has_the_permissions_that_the_operator_uses_and_no_others(self):
        ours = BASE.locals()["operator_permissions"]
        self.assertEqual(len(ours), len(set(ours)))
        self.assertEqual(set(ours), operator_permissions(), "operator/src/pubsub/google/fault.rs, monitoring/google.rs")
        self.assertEqual(set(ours), documented_permissions(), "README.md, step 1")

    def test_the_role_is_made_of_that_list(self):
        roles = [body for kind, _, body in BASE.resources() if kind == "google_project_iam_custom_role"]
        self.assertEqual([role["permissions"] for role in roles], ["${local.operator_permissions}"])

    def test_no_permission_or_role_is_wider_than_its_name(self):
        self.assertFalse([one for one in BASE.locals()["operator_permissions"] if "*" in one])
        found = {
            (kind, body["role"]) for folder in ALL for kind, _, body in folder.resources() if kind.endswith("_iam_member")
        }
        self.assertEqual(found, GRANTS)

    def test_nothing_replaces_what_others_granted(self):
        authoritative = re.compile(r"_iam_(binding|policy|audit_config)$|google_service_account_key")
        kinds = {kind for folder in ALL for kind, _, _ in folder.resources()}
        self.assertFalse({kind for kind in kinds if authoritative.search(kind)})

    def test_a_worker_has_no_right_beyond_its_own_subscriptions(self):
        worker = "serviceAccount:${google_service_account.worker.email}"
        grants = [body for _, _, body in WORKER.resources() if body.get("member") == worker]
        self.assertEqual([(one["for_each"], one["subscription"]) for one in grants], [("${local.subscriptions}", "${each.value}")])

    def test_nothing_with_messages_or_their_key_is_destroyed(self):
        for folder in ALL:
            for kind, name, body in folder.resources():
                keeps = kind in ("google_pubsub_topic", "google_kms_crypto_key") or name == "worker" and kind == "google_pubsub_subscription"
                guarded = any(one.get("prevent_destroy") is True for one in body.get("lifecycle", []))
                self.assertEqual(keeps, guarded, f"{folder}: {kind}.{name}")


class Shape(unittest.TestCase):
    def test_every_argument_is_one_that_the_provider_has(self):
        found, seen = [], set()
        for folder in ALL:
            for kind, name, body in folder.resources():
                if kind == "google_project_service_identity":
                    self.assertEqual(body["provider"], "google-beta")
                    continue
                seen.add(kind)
                self.assertIn(kind, SHAPE)
                found += faults(f"{folder}: {kind}.{name}", body, SHAPE[kind])
        self.assertFalse(found)
        self.assertEqual(seen | {"google_project"}, set(SHAPE), "schema.json has what is used")

    def test_a_wrong_argument_is_found(self):
        topic = SHAPE["google_pubsub_topic"]
        self.assertEqual(faults("t", {"name": "a", "lables": {}}, topic), ["t: there is no lables"])
        self.assertEqual(faults("t", {}, topic), ["t: name is missing"])
        policy = {"name": "a", "message_storage_policy": [{"regions": []}]}
        self.assertIn("t.message_storage_policy: there is no regions", faults("t", policy, topic))

    def test_calls_of_modules_name_variables_that_are_there_and_all_that_are_required(self):
        calls = [(folder, call) for folder in ALL for call in folder.named("module").values()]
        self.assertTrue(calls)
        for folder, call in calls:
            called = Folder((folder.path / call["source"]).resolve()).named("variable")
            given = set(call) - {"source", "for_each", "depends_on"}
            required = {name for name, body in called.items() if "default" not in body}
            self.assertLessEqual(given, set(called), folder)
            self.assertLessEqual(required, given, folder)

    def test_references_to_variables_and_locals_have_an_end(self):
        for folder in ALL:
            text = "".join(file.read_text() for file in folder.path.glob("*.tf"))
            for kind, declared in (("var", folder.named("variable")), ("local", folder.locals())):
                used = set(re.findall(rf"\b{kind}\.(\w+)", text))
                self.assertEqual(used, set(declared), f"{kind} in {folder}")

    def test_staging_passes_every_variable_on(self):
        staging = Folder(MODULE / "staging")
        wanted = set(BASE.named("variable"))
        self.assertEqual(set(staging.named("variable")) - {"existing_topics"}, wanted)
        self.assertEqual(set(staging.named("module")["event_plane"]) - {"source"}, wanted)
        for name, body in staging.named("variable").items():
            if name != "existing_topics":
                self.assertEqual(body["type"], BASE.named("variable")[name]["type"], name)


class Variables(unittest.TestCase):
    def test_each_is_described_and_typed(self):
        for folder in (BASE, WORKER):
            for name, body in folder.named("variable").items():
                self.assertTrue(body.get("description") and body.get("type"), f"{folder}: {name}")
                for check in body.get("validation", []):
                    self.assertIn(name, check["error_message"], f"{folder}: the error names its variable")

    def test_the_defaults_are_those_of_the_operator(self):
        operator = yaml.safe_load((ROOT / "config" / "operator.yaml").read_text())
        ours = {name: body.get("default") for name, body in BASE.named("variable").items()}
        self.assertEqual(set(ours["catalogue"]), set(operator["catalogue"]))
        self.assertEqual(ours["topic_prefix"], operator["topicPrefix"])
        self.assertEqual([ours["region"]], operator["regions"])
        self.assertEqual(ours["enable_dlq"], operator["enableDlq"])
        worker = {name: body.get("default") for name, body in WORKER.named("variable").items()}
        self.assertEqual(set(worker["topics"]), set(operator["catalogue"]))
        self.assertEqual(f"{worker['ack_deadline_seconds'] // 60}m", operator["subscription"]["ackDeadline"])
        self.assertEqual(worker["max_delivery_attempts"], operator["subscription"]["maxDeliveryAttempts"])
        self.assertEqual(worker["max_concurrent_messages"], operator["worker"]["maxConcurrentMessages"])
        self.assertEqual(f"{worker['worker_timeout_seconds'] // 3600}h", operator["worker"]["timeout"])
        self.assertEqual({"cpu": worker["cpu"], "memory": worker["memory"]}, operator["worker"]["limits"])

    def test_the_identity_is_mapped_as_the_documents_say(self):
        provider = next(body for kind, _, body in BASE.resources() if kind.endswith("_pool_provider"))
        mapping = ",".join(f"{key}={value}" for key, value in provider["attribute_mapping"].items())
        self.assertIn(f'--attribute-mapping "{mapping}"', (ROOT / "docs/federation.md").read_text())

    def test_the_readme_lists_them_with_their_defaults(self):
        readme = (MODULE / "README.md").read_text()
        for folder, heading in ((BASE, "## Inputs"), (WORKER, "## Inputs of `modules/cloud-run-worker`")):
            table = readme.split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]
            rows = dict(re.findall(r"^\| `(\w+)` \| ([^|]+) \|", table, re.MULTILINE))
            self.assertEqual(set(rows), set(folder.named("variable")), heading)
            for name, body in folder.named("variable").items():
                if "default" not in body:
                    self.assertEqual(rows[name], "required", name)
                elif not isinstance(body["default"], (list, dict)):
                    default = {None: "null", True: "true", False: "false"}.get(body["default"], body["default"])
                    self.assertEqual(rows[name], f"`{default}`", name)
        for folder, heading in ((BASE, "## Outputs"), (WORKER, "## Outputs of `modules/cloud-run-worker`")):
            table = readme.split(f"{heading}\n", 1)[1].split("\n## ", 1)[0]
            self.assertEqual(set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)), set(folder.named("output")), heading)


class Job(unittest.TestCase):
    def test_its_variables_are_those_of_the_template(self):
        template = yaml.safe_load((ROOT / "config" / "cloud-run" / "job.yaml").read_text())
        task = template["spec"]["template"]["spec"]["template"]["spec"]
        (container,) = task["containers"]
        env = {one["name"]: one["value"] for one in container["env"]}
        ours = re.search(r"merge\(\s*\{(.*?)\n    \},", (WORKER.path / "job.tf").read_text(), re.DOTALL).group(1)
        self.assertEqual(set(re.findall(r"^ +([A-Z_]+) += ", ours, re.MULTILINE)), set(env))
        for name, value in re.findall(r'^ +([A-Z_]+) += "([^"$]+)"$', ours, re.MULTILINE):
            self.assertEqual(env[name], value, name)
        defaults = {name: body.get("default") for name, body in WORKER.named("variable").items()}
        self.assertEqual(env["WORKER_TIMEOUT"], f"{defaults['worker_timeout_seconds']}s")
        render = (ROOT / "config" / "cloud-run" / "render.sh").read_text()
        self.assertIn(f"EXIT_WHEN_IDLE=${{EXIT_WHEN_IDLE:-{defaults['exit_when_idle_seconds']}s}}", render)
        self.assertEqual(env["MAX_CONCURRENT_MESSAGES"], str(defaults["max_concurrent_messages"]))
        self.assertEqual(container["resources"]["limits"], {"cpu": defaults["cpu"], "memory": defaults["memory"]})
        self.assertEqual(task["timeoutSeconds"], defaults["task_timeout_seconds"])
        self.assertEqual(task["maxRetries"], defaults["max_retries"])

    def test_its_variables_are_the_workers(self):
        flags = (ROOT / "worker" / "src" / "settings" / "flags.rs").read_text()
        known = set(re.findall(r'env = "([A-Z_]+)"', flags))
        template = (ROOT / "config" / "cloud-run" / "job.yaml").read_text()
        used = set(re.findall(r"- name: ([A-Z_]+)$", template, re.MULTILINE))
        self.assertTrue(used)
        self.assertLessEqual(used, known)


if __name__ == "__main__":
    unittest.main()
