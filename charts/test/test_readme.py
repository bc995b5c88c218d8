"""The chart's README is made of the comments in its values."""

import pytest

from conftest import CHART
from readme import Undocumented, readme, rows


def test_it_is_up_to_date():
    assert (CHART / "README.md").read_text() == readme(), "it is old; run charts/test/readme.py and commit the result"


def test_it_names_every_value(defaults):
    named = {key for key, _, _ in rows((CHART / "values.yaml").read_text())}

    def missing(values, before):
        for key, value in values.items():
            name = before + key
            if name not in named:
                yield from missing(value, f"{name}.") if isinstance(value, dict) and value else [name]

    assert list(missing(defaults, "")) == []


def test_a_key_without_a_comment_is_a_fault():
    with pytest.raises(Undocumented, match="a.c"):
        list(rows("# Head.\n\na:\n  # What b is.\n  b: 1\n\n  c: 2\n"))
