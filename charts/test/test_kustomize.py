"""config/kustomize is what Helm renders, and no second truth."""

import importlib.util

import pytest

from conftest import ROOT

FOLDER = ROOT / "config/kustomize"


@pytest.fixture(scope="module")
def generated():
    spec = importlib.util.spec_from_file_location("generate", FOLDER / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.files()


@pytest.mark.parametrize("name", ["operator.yaml", "config.yaml"])
def test_it_is_up_to_date(generated, name):
    assert (FOLDER / "base" / name).read_text() == generated[name], "it is old; run config/kustomize/generate.py and commit the result"


def test_nothing_of_it_is_helms(generated):
    assert "Helm" not in generated["operator.yaml"] and "helm.sh" not in generated["operator.yaml"]
