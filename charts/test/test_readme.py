"""The chart's README is made of the comments in its values."""

import pytest

from conftest import CHART
from readme import Undocumented, readme, rows


def test_it_is_up_to_date():
    assert (CHART / "README.md").read_text() == readme(), "it is old; run charts/test/readme.py and commit the result"


def test_it_names_every_value(defaults):
    named = {key for key, _, _ in rows((CHART / "values.yaml").read_text())}
    for key, value in defaults.items():
        inner = [f"{key}.{one}" for one in value] if isinstance(value, dict) else []
        assert key in named or (inner and set(inner) <= named), f"{key} is missing"


def test_a_key_without_a_comment_is_a_fault():
    with pytest.raises(Undocumented, match="a.c"):
        list(rows("# Head.\n\na:\n  # What b is.\n  b: 1\n\n  c: 2\n"))
