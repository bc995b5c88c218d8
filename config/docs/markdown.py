"""Words of Markdown that the generated pages are made of."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def cell(text):
    """A text as a cell of a table: on one line, and without a border of its own."""
    return re.sub(r"\s+", " ", str(text)).strip().replace("|", r"\|")


def code(text):
    """A text as code, with as many backticks as it takes."""
    fence = "``" if "`" in str(text) else "`"
    return f"{fence}{text}{fence}"


def table(head, rows):
    """A table; a column that is empty in every row is left out."""
    rows = [[cell(one) for one in row] for row in rows]
    kept = [index for index in range(len(head)) if index == 0 or any(row[index] for row in rows)]
    lines = ["| " + " | ".join(head[index] for index in kept) + " |", "|" + "---|" * len(kept)]
    lines += ["| " + " | ".join(row[index] for index in kept) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def slug(heading):
    """A heading's anchor, as GitHub and mdBook make it (docs/check-links.py)."""
    text = re.sub(r"[`*]|<[^>]+>", "", heading).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def head(source):
    """What a generated page begins with."""
    return f"<!-- Made by config/docs/generate.py of {source}; edit that. -->\n"


def between(text, name, body):
    """Puts a generated part into a page that people write."""
    begin, end = f"<!-- {name}: made by config/docs/generate.py -->\n", f"<!-- end of {name} -->"
    before, rest = text.split(begin)
    return before + begin + body + rest[rest.index(end) :]
