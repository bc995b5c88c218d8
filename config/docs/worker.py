"""The reference of the worker's settings, made of worker/src/settings/flags.rs; and whether the program's --help agrees."""

import re
import subprocess

import markdown

SOURCE = "worker/src/settings/flags.rs"
FIELD = re.compile(r"((?:^ {4}///.*\n)+)((?:^ {4}#\[arg\((?:.|\n)*?\)\]\n))^ {4}pub\(super\) (\w+): (Option<String>|String|bool),", re.MULTILINE)
# An option of --help with its text: https://docs.rs/clap prints the name, then the text, indented.
OPTION = re.compile(r"^ {2,6}(?:-\w, )?--([a-z-]+)(?: <[^>]+>)?\n((?:^ {10}.*\n|^\n)+)", re.MULTILINE)


def settings():
    """(variable, flag, default, text) of each setting, in the order of the source."""
    for words, argument, field, kind in FIELD.findall((markdown.ROOT / SOURCE).read_text()):
        text = " ".join(line.strip().removeprefix("///").strip() for line in words.splitlines())
        variable = re.search(r'env = "(\w+)"', argument)[1]
        default = re.search(r'default_value = "([^"]*)"', argument)
        yield variable, "--" + field.replace("_", "-"), default[1] if default else None, text


def fields():
    """How many settings the struct has, read another way, so that none is overlooked."""
    return len(re.findall(r"^ {4}pub\(super\) \w+: ", (markdown.ROOT / SOURCE).read_text(), re.MULTILINE))


def faults():
    if len(list(settings())) != fields():
        yield f"{SOURCE}: {fields()} settings, and {len(list(settings()))} of them could be read"


def _plain(text):
    return re.sub(r"\s+", " ", text).strip().rstrip(".")


def helped(text):
    """{flag: (variable, default, text)} of what --help prints."""
    found = {}
    for flag, body in OPTION.findall(text):
        variable = re.search(r"\[env: (\w+)", body)
        default = re.search(r"\[default: ([^\]]*\]?[^\]]*)\]\s*$", body, re.MULTILINE)
        words = body.split("[env: ", 1)[0]
        found["--" + flag] = (variable[1] if variable else None, default[1] if default else None, _plain(words))
    return found


def disagreements(binary):
    """What `event-worker --help` says otherwise than the source."""
    clean = {"PATH": "/usr/bin:/bin", "COLUMNS": "120"}
    text = subprocess.run([binary, "--help"], check=True, capture_output=True, text=True, env=clean).stdout
    found = helped(text)
    made = {flag: (variable, default, _plain(words)) for variable, flag, default, words in settings()}
    for flag in sorted(made.keys() | (found.keys() - {"--help", "--version"})):
        if made.get(flag) != found.get(flag):
            yield f"{flag}: {SOURCE} has {made.get(flag)}, --help has {found.get(flag)}"


def page():
    """docs/reference/worker.md"""
    rows = []
    for variable, flag, default, text in settings():
        rows.append([markdown.code(variable), markdown.code(flag), markdown.code(default) if default is not None else "", text])
    return (
        markdown.head(SOURCE)
        + "# Settings of the worker\n\n"
        + "Variables of the worker's container, or flags of the same name, as `event-worker --help` has them. The operator sets those that belong to a\n"
        + "Tenant's fields and refuses them in `spec.worker.env` ([the rule](api.md#tenantspecworkerenv)); the others can be set there.\n"
        + "Explanations at length: [the worker's README](../../worker/README.md#settings).\n\n"
        + markdown.table(["variable", "flag", "default", "meaning"], rows)
        + "\nDurations are a number of seconds (`3600`) or a number with a unit (`500ms`, `60s`, `10m`, `1h`).\n"
    )
