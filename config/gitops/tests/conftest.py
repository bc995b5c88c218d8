"""A control plane, and what the tests ask it."""

import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "charts/test/policy"))

from control_plane import ControlPlane  # noqa: E402


@pytest.fixture(scope="module")
def plane():
    with ControlPlane() as made:
        yield made
