"""apply-staging.sh: what it refuses, and that it changes nothing before it was allowed to. In the place of tofu stands a
script that writes down how it was called."""

import os
import pathlib
import subprocess
import tempfile
import unittest

from module import MODULE, ROOT

RECORDER = """#!/bin/sh
echo "$*" >>"$CALLS"
case " $* " in
  *" plan "*)
    for argument; do case $argument in -out=*) : >"${argument#-out=}" ;; esac; done
    exit "$CHANGES" ;;
  *" output "*) printf 'config: {}\\n' ;;
esac
"""


class Apply(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.calls = self.folder / "calls"
        self.tofu = self.folder / "tofu"
        self.tofu.write_text(RECORDER)
        self.tofu.chmod(0o755)

    def run_it(self, changes=2, **variables):
        """Exit code, all output, and the subcommands that tofu was called with."""
        self.calls.write_text("")
        env = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
        env |= {"TF": str(self.tofu), "CALLS": str(self.calls), "CHANGES": str(changes)} | variables
        done = subprocess.run(
            [MODULE / "apply-staging.sh"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60
        )
        commands = [line.split()[1] for line in self.calls.read_text().splitlines()]
        return done.returncode, done.stdout + done.stderr, commands

    def test_what_is_missing_or_wrong_is_named_with_what_to_set(self):
        whole = {"PROJECT_ID": "test-project", "STATE_BUCKET": "bucket"}
        for variables, expected in [
            ({}, "PROJECT_ID is not set"),
            ({"PROJECT_ID": "12345"}, "PROJECT_ID: 12345 is not the id of a project"),
            ({"PROJECT_ID": "test-project"}, "STATE_BUCKET is not set: a bucket for Terraform's state. Make it: gcloud storage"),
            (whole | {"AUTO_APPROVE": "maybe"}, "AUTO_APPROVE: maybe is not allowed; yes, or nothing"),
            (whole | {"TF": "/nowhere/tofu"}, "TF: /nowhere/tofu is not there"),
        ]:
            code, output, commands = self.run_it(**variables)
            self.assertEqual((code, commands), (1, []), output)
            self.assertIn(expected, output)

    def test_without_tofu_it_says_where_to_get_it(self):
        tools = self.folder / "bin"
        tools.mkdir()
        for name in ("bash", "dirname", "date", "mkdir"):
            found = subprocess.run(["which", name], capture_output=True, text=True, check=True).stdout.strip()
            (tools / name).symlink_to(found)
        code, output, _ = self.run_it(TF="", PATH=str(tools))
        self.assertEqual(code, 1)
        self.assertIn("tofu is missing", output)

    def test_nothing_is_applied_that_nobody_allowed(self):
        code, output, commands = self.run_it(PROJECT_ID="test-project", STATE_BUCKET="bucket")
        self.assertEqual((code, commands), (1, ["init", "plan"]), output)
        self.assertIn("AUTO_APPROVE=yes", output)

    def test_what_was_planned_is_what_is_applied(self):
        code, output, commands = self.run_it(PROJECT_ID="test-project", STATE_BUCKET="gs://bucket", AUTO_APPROVE="yes")
        self.assertEqual((code, commands), (0, ["init", "plan", "apply", "output"]), output)
        init, plan, apply, _ = self.calls.read_text().splitlines()
        self.assertIn("-backend-config=bucket=bucket -backend-config=prefix=event-plane/test-project", init)
        (out,) = [word.removeprefix("-out=") for word in plan.split() if word.startswith("-out=")]
        self.assertEqual(apply.split()[-1], out)
        self.assertEqual((ROOT / ".cache/terraform/staging-test-project/values.yaml").read_text(), "config: {}\n")

    def test_nothing_is_applied_when_there_is_nothing_to_do_or_no_plan(self):
        for changes, code in ((0, 0), (1, 1)):
            done = self.run_it(changes=changes, PROJECT_ID="test-project", STATE_BUCKET="bucket", AUTO_APPROVE="yes")
            self.assertEqual((done[0], done[2]), (code, ["init", "plan"]), done[1])


if __name__ == "__main__":
    unittest.main()
