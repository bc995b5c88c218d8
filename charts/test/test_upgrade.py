"""`helm upgrade --reuse-values` puts the values of the release before in the place of the chart's own: what is new since then
is not there."""

import functools
import shutil
from pathlib import Path

import pytest
import yaml

from conftest import CHART, LEAST, objects, template

HERE = Path(__file__).parent
FIRST = HERE / "values-of-0.1.0.yaml"
DEFAULTS = yaml.safe_load((CHART / "values.yaml").read_text())


def chart_with(values, folder):
    """The chart, with these in the place of its own values."""
    chart = folder / "event-operator"
    shutil.copytree(CHART, chart)
    (chart / "values.yaml").write_text(yaml.safe_dump(values))
    return chart


def kinds(made):
    return sorted((one["kind"], one["metadata"]["name"]) for one in made)


@functools.cache
def by_default():
    return objects(template(LEAST).stdout)


def test_the_values_of_the_first_release_make_what_the_defaults_make(tmp_path):
    done = template(LEAST, chart=chart_with(yaml.safe_load(FIRST.read_text()), tmp_path))
    assert done.returncode == 0, done.stderr
    old = objects(done.stdout)
    # What is new and on by default is on.
    assert kinds(old) == kinds(by_default())
    # The configuration has fewer keys, and its checksum is another.
    ours = [one for one in old if one["kind"] not in ("ConfigMap", "Deployment")]
    assert ours == [one for one in by_default() if one["kind"] not in ("ConfigMap", "Deployment")]
    assert old.pod == by_default().pod


def paths(values, before=()):
    """Every key outside of `config`, which is the operator's own affair, and of the maps inside."""
    for key, value in values.items():
        if before or key not in ("image", "replicas", "resources", "config"):
            yield (*before, key)
        if isinstance(value, dict) and key not in ("config", "resources"):
            yield from paths(value, (*before, key))


# Two that the chart cannot go without.
NEEDED = {("image", "repository")}


@pytest.mark.parametrize("path", [path for path in paths(DEFAULTS) if path not in NEEDED], ids=".".join)
def test_any_value_may_be_missing(tmp_path, path):
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    inner = values
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    done = template(LEAST, chart=chart_with(values, tmp_path))
    assert done.returncode == 0, done.stderr
    assert objects(done.stdout) == by_default(), "a value that is missing counts as its default"


def test_all_of_them_may_be_missing(tmp_path):
    bare = {key: DEFAULTS[key] for key in ("image", "replicas", "resources", "config")}
    bare["config"] = {key: bare["config"][key] for key in ("projectId", "catalogue", "worker")}
    bare["image"] = {"repository": "event-operator"}
    done = template(LEAST, chart=chart_with(bare, tmp_path))
    assert done.returncode == 0, done.stderr
    assert kinds(objects(done.stdout)) == kinds(by_default())
