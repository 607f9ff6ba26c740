"""A label budget: which patients somebody looked at, and all the others without their truth."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

import numpy as np

from medloc_lib.classical.features.tables import Described, Table
from medloc_lib.errors import InputError


def draw_patients(items: Sequence[Described], n: int, *, seed: int = 0) -> list[str]:
    """Names of `n` patients drawn at random, of whom as large a share has a lesion as of all, but at least one.

    Parameters
    ----------
    items : described pictures with known boxes and groups.

    Raises
    ------
    InputError
        If there are fewer than `n` patients, or n is less than 1.
    """
    sick = {item.sample.group for item in items if item.sample.boxes is not None and len(item.sample.boxes)}
    patients = sorted({item.sample.group for item in items})
    if not 1 <= n <= len(patients):
        raise InputError(f"n must be 1 to {len(patients)}, the patients there are; got {n}")
    healthy = [name for name in patients if name not in sick]
    with_lesion = max(round(n * len(sick) / len(patients)), min(1, len(sick)), n - len(healthy))
    rng = np.random.default_rng(seed)
    drawn = [*rng.permutation(sorted(sick))[:with_lesion], *rng.permutation(healthy)[: n - with_lesion]]
    return sorted(str(name) for name in drawn)


def hide(items: Sequence[Described], looked_at: Collection[str]) -> list[Described]:
    """The same pictures, with ``boxes=None`` for all patients but those looked at."""
    return [item if item.sample.group in looked_at else _hidden(item) for item in items]


def _hidden(item: Described) -> Described:
    return dataclasses.replace(item, sample=item.sample.replace(boxes=None, labels=None, ignore=None))


def part_of(table: Table, rows: np.ndarray) -> Table:
    """The rows of a table, by mask or position."""
    names = [field.name for field in dataclasses.fields(table) if field.name != "columns"]
    return dataclasses.replace(table, **{name: getattr(table, name)[rows] for name in names})
