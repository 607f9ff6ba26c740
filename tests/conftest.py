"""What the tests need from the machine, and a printed line for each test that the machine cannot run."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import pytest
from hypothesis import settings

from tests.browser import find_chromium

# The same examples in every run, and none fails because the machine is slow.
settings.register_profile("medloc", derandomize=True, deadline=None, max_examples=60)
settings.load_profile("medloc")


@cache
def missing() -> dict[str, str]:
    """Marker -> why tests with it cannot run here."""
    reasons = {}
    mirror = os.environ.get("MEDLOC_DATA_MIRROR", "")
    if not (mirror and Path(mirror).is_dir()):
        reasons["mirror"] = "MEDLOC_DATA_MIRROR names no folder with the fetched data sets"
    if find_chromium() is None and not os.environ.get("CI"):  # CI must run them: there they fail instead
        reasons["browser"] = "no Chromium or Chrome was found (MEDLOC_CHROMIUM names one)"
    return reasons


def pytest_runtest_setup(item: pytest.Item) -> None:
    for marker, reason in missing().items():
        if item.get_closest_marker(marker):
            pytest.skip(f"{item.nodeid}: {reason}")
