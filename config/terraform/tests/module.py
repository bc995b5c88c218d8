"""The module as data: what stands in its files, without Terraform."""

import json
import pathlib
import re

import hcl2

HERE = pathlib.Path(__file__).resolve().parent
MODULE = HERE.parent
ROOT = MODULE.parent.parent
# Every folder with configuration of its own.
FOLDERS = sorted({file.parent for file in MODULE.rglob("*.tf") if ".terraform" not in file.parts})
SHAPE = json.loads((HERE / "provider" / "schema.json").read_text())


def plain(value):
    """Without the quotes of literals and without what the parser notes beside the blocks."""
    if isinstance(value, dict):
        return {plain(key): plain(one) for key, one in value.items() if not key.startswith("__")}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] == '"':
        return value[1:-1]
    return value


class Folder:
    """All of one folder's files."""

    def __init__(self, path):
        self.path = path
        self.blocks = {}
        for file in sorted(path.glob("*.tf")):
            with file.open() as text:
                for kind, blocks in plain(hcl2.load(text)).items():
                    self.blocks.setdefault(kind, []).extend(blocks)

    def __str__(self):
        return str(self.path.relative_to(ROOT))

    def named(self, kind):
        """Blocks with one label, by it."""
        return {name: body for block in self.blocks.get(kind, []) for name, body in block.items()}

    def resources(self):
        """(type, name, body) of each resource."""
        for block in self.blocks.get("resource", []):
            for kind, named in block.items():
                for name, body in named.items():
                    yield kind, name, body

    def locals(self):
        return {name: value for block in self.blocks.get("locals", []) for name, value in block.items()}


# Arguments of Terraform itself.
META = {"for_each", "count", "depends_on", "provider", "lifecycle", "dynamic", "timeouts"}


def faults(where, body, fields):
    """What a resource says that the provider does not know, and what it does not say though it has to."""
    found = []
    blocks = {name: body[name] for name in body if name not in META}
    for dynamic in body.get("dynamic", []):
        for name, block in dynamic.items():
            blocks[name] = block["content"]
    for name, value in blocks.items():
        field = fields.get(name)
        if field is None:
            found.append(f"{where}: there is no {name}")
        elif not field.get("required") and not field.get("optional"):
            found.append(f"{where}: {name} is the provider's to say")
        elif field.get("fields") and isinstance(value, list):
            for one in value:
                found += faults(f"{where}.{name}", one, field["fields"])
    found += [
        f"{where}: {name} is missing" for name, field in fields.items() if field.get("required") and name not in blocks
    ]
    return found


PERMISSION = re.compile(r"\b(?:pubsub|monitoring|resourcemanager)\.[a-zA-Z]+\.[a-zA-Z]+\b")


def operator_permissions():
    """Those that the operator's own code names for its calls."""
    source = ROOT / "operator" / "src"
    calls = (source / "pubsub" / "google" / "fault.rs").read_text()
    calls = calls[calls.index("fn names(self)") :]
    calls = calls[: calls.index("\n    }\n")]
    return set(PERMISSION.findall(calls)) | set(
        re.findall(r"needs (monitoring\.[a-zA-Z]+\.[a-zA-Z]+)", (source / "monitoring" / "google.rs").read_text())
    )


def documented_permissions():
    """Those of the README's `gcloud iam roles create`, which a story compares with all calls of an operator's life."""
    readme = (ROOT / "README.md").read_text()
    command = readme.split("gcloud iam roles create eventOperator", 1)[1]
    return set(PERMISSION.findall(command.split("--permissions", 1)[1].split("\n\n", 1)[0]))
