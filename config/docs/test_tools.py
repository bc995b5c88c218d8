#!/usr/bin/env python3
"""Whether the tools of this folder notice what they are there for."""

import importlib.util
import json
import os
import tempfile
import unittest
from pathlib import Path

import api
import blocks
import chart
import markdown
import metrics
import record
import stage
import worker


def script(name):
    """A tool whose name is no module's."""
    spec = importlib.util.spec_from_file_location(name.replace("-", "_"), markdown.ROOT / name)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CHECK_BLOCKS = script("docs/check-blocks.py")
CHECK_SITE = script("config/docs/check-site.py")

PAGE = """# A page

<!-- not run: it needs a cluster -->
```sh
kubectl get tenants
```

    helm list -A

No command:

    Tenant ──makes──▶ Namespace

- An item:

  <!-- run by: .ci/run -->

      make test   # all

1. Another:

       export A=1

```yaml
kubectl: get
```
"""


class Blocks(unittest.TestCase):
    def setUp(self):
        self.found = list(blocks.blocks("docs/page.md", PAGE))

    def test_blocks_are_found_with_their_marks(self):
        texts = [one.text.strip() for one in self.found if one.is_commands]
        self.assertEqual(texts, ["kubectl get tenants", "helm list -A", "make test   # all", "export A=1"])
        marks = [one.mark for one in self.found if one.is_commands]
        self.assertEqual(marks, [("not run", "it needs a cluster"), None, ("run by", ".ci/run"), None])

    def test_of_a_transcript_the_commands_count(self):
        block = blocks.Block("d", 1, "console", "$ kubectl get tenants\nNAME READY\n", None)
        self.assertEqual(block.commands(), "kubectl get tenants\n")

    def fault(self, mark, text="make test\n"):
        return CHECK_BLOCKS.fault_of(blocks.Block("docs/page.md", 1, "sh", text, mark))

    def test_a_mark_has_to_be_there_and_to_hold(self):
        self.assertIn("without a mark", self.fault(None))
        self.assertIn("no reason", self.fault(("not run", "no")))
        self.assertIn("no such test", self.fault(("run by", "tests/none.sh")))
        self.assertIn("names neither", self.fault(("run by", ".ci/deny.sh")))
        self.assertIsNone(self.fault(("run by", ".ci/run")))
        self.assertIsNone(self.fault(("not run", "it needs a cluster")))


class References(unittest.TestCase):
    def test_a_field_says_all_that_its_schema_says(self):
        of = {"minimum": 1.0, "maximum": 1000.0, "type": "integer"}
        self.assertEqual(api.allowed(of), "1 to 1,000")
        self.assertEqual(api.allowed({"enum": ["Retain", "Delete"], "type": "string"}), "`Retain`, `Delete`")
        self.assertEqual(api.allowed({"type": "array", "maxItems": 8, "items": {"type": "string", "pattern": "^a$"}}), "at most 8 items; each: `^a$`")
        self.assertEqual(api.type_of({"type": "object", "additionalProperties": {"x-kubernetes-int-or-string": True}}), "map of integer or text")
        self.assertEqual(api.type_of({"type": "string", "pattern": api.DURATION}), "duration")

    def test_every_rule_of_the_crds_is_on_the_page(self):
        page = api.page()

        def rules(value):
            if isinstance(value, dict):
                yield from (rule["rule"] for rule in value.get("x-kubernetes-validations", []))
                for inner in value.values():
                    yield from rules(inner)
            elif isinstance(value, list):
                for inner in value:
                    yield from rules(inner)

        found = [rule for plural in api.KINDS for rule in rules(api.crd(plural)["spec"])]
        self.assertGreater(len(found), 20)
        for rule in found:
            self.assertIn(markdown.cell(markdown.code(rule)), page)

    def test_help_is_read_as_clap_prints_it(self):
        text = "Options:\n      --log-level <LEVEL>\n          What is logged: one\n          or two\n          \n          [env: LOG_LEVEL=]\n          [default: INFO]\n\n  -h, --help\n          Print help\n"
        self.assertEqual(worker.helped(text)["--log-level"], ("LOG_LEVEL", "INFO", "What is logged: one or two"))

    def test_every_setting_of_the_worker_is_read(self):
        self.assertEqual(list(worker.faults()), [])
        self.assertEqual(len(list(worker.settings())), worker.fields())

    def test_a_metric_has_its_own_text_and_labels(self):
        found = {name: (kind, labels, text) for name, kind, labels, text in metrics.registered(metrics.WORKER[0])}
        self.assertEqual(found["event_worker_stream_errors_total"], ("counter", ["code"], "Streams that ended with an error."))
        self.assertEqual(found["event_worker_outstanding_limit"][:2], ("gauge", ["subscription"]))
        self.assertEqual(found["event_worker_lag_seconds"][0], "histogram")

    def test_rows_of_settings_are_read_with_their_short_forms(self):
        self.assertEqual(list(chart.explained("| `a.b`, `.c` | 1 |\n| text |\n")), ["a.b", "a.c"])


class Site(unittest.TestCase):
    def test_links_lead_to_pages_pictures_or_copies(self):
        with tempfile.TemporaryDirectory() as folder:
            staging = stage.Staging(folder, ["docs/install.md", "README.md", "docs/adr/README.md"], None)
            line = "[a](../README.md#install) [b](adr) [c](../config/operator.yaml) ![d](overview.svg) `[e](f.md)` [g](https://x.example/)"
            wanted = "[a](../index.md#install) [b](adr/index.md) [c](../files/config/operator.yaml.txt) ![d](overview.svg) `[e](f.md)` [g](https://x.example/)"
            self.assertEqual(staging.line("docs/install.md", line), wanted)
            self.assertTrue((Path(folder) / "files/config/operator.yaml.txt").is_file())
            self.assertTrue((Path(folder) / "docs/overview.svg").is_file())
            browsed = stage.Staging(folder, [], "https://host.example/o/n/blob/main/")
            self.assertEqual(browsed.link("docs/install.md", "../config/operator.yaml"), "https://host.example/o/n/blob/main/config/operator.yaml")

    def test_a_link_that_leads_nowhere_is_found(self):
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder).resolve()
            (root / "b.html").write_text("<h1 id='there'>b</h1>")
            (root / "a.html").write_text("<a href='b.html#there'>1</a><a href='b.html#gone'>2</a><a href='c.html'>3</a><a href='https://x.example'>4</a>")
            self.assertEqual(list(CHECK_SITE.faults(root / "a.html", root)),
                             ["b.html#gone: there is no such anchor", "c.html: there is no such file"])

    def test_every_document_is_in_the_summary(self):
        self.assertEqual(list(stage.faults(["docs/none.md"]))[-1], "docs/SUMMARY.md: docs/none.md is not there")


class Recording(unittest.TestCase):
    def test_a_command_is_recorded_with_its_times(self):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "one.cast"
            code = record.record(["sh", "-c", "echo first; echo second; exit 3"], path, columns=90, rows=20)
            head, *events = [json.loads(line) for line in path.read_text().splitlines()]
            self.assertEqual(code, 3)
            self.assertEqual((head["version"], head["width"], head["height"]), (2, 90, 20))
            self.assertEqual("".join(text for _, kind, text in events if kind == "o").replace("\r", ""), "first\nsecond\n")
            self.assertEqual([time for time, *_ in events], sorted(time for time, *_ in events))

    def test_long_pauses_are_shortened_and_nothing_else(self):
        events = [[1.0, "o", "a"], [91.0, "o", "b"], [91.5, "o", "c"]]
        self.assertEqual(record.shortened(events, 2.0), [[1.0, "o", "a"], [3.0, "o", "b"], [3.5, "o", "c"]])

    def test_names_of_this_machine_are_left_out(self):
        self.assertEqual(record.neutral(f"cd {markdown.ROOT}/.cache", {str(markdown.ROOT): "~/event-operator"}), "cd ~/event-operator/.cache")


if __name__ == "__main__":
    os.chdir(markdown.ROOT)
    unittest.main()
