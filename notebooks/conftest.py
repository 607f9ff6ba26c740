"""Case studies whose data are not here are left out, by name, in a printed line."""

from __future__ import annotations

from pathlib import Path

from tools.lessons import NEEDS, left_out


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """True for a notebook that cannot run here."""
    return True if collection_path.suffix == ".ipynb" and left_out(collection_path.stem) else None


def pytest_report_header() -> list[str]:
    """The printed lines."""
    return list(filter(None, map(left_out, NEEDS)))
