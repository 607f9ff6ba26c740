"""Where slices lie: their order along the normal, the distances between them, and the affine to patient mm (LPS).

Geometry of DICOM: PS3.3 C.7.6.2 (position and orientation of a slice) and C.7.6.16.2 (frames of enhanced files).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

SAME_PLACE = 1e-3
"""Slices closer than this, in mm along the normal, lie at one place."""
UNEVEN = 0.01
"""A step that differs from the median step by more than this share of it is named."""
_NAMED = 5


@dataclass(frozen=True)
class Plane:
    """One slice or frame: what a person calls it, its number in the series, and where it is if that is known."""

    name: str
    number: int
    position: tuple[float, ...] | None = None
    orientation: tuple[float, ...] | None = None


@dataclass(frozen=True)
class Layout:
    """How planes become an array.

    `order` holds indices of planes, one row per channel, in the order of the array's planes. `spacing` is mm between
    (planes, rows, columns); `affine` is None without positions. `notes` name what is unusual.
    """

    order: list[list[int]]
    spacing: tuple[float, float, float]
    affine: Floats | None
    notes: list[str]


def axes_of(orientation: Sequence[float] | None) -> Floats | None:
    """Unit vectors in patient space (LPS) along (plane, row, col), as columns; None if it is no orientation.

    DICOM's first three numbers point along a row, that is along increasing columns.

    >>> axes_of([1, 0, 0, 0, 1, 0])
    array([[0., 0., 1.],
           [0., 1., 0.],
           [1., 0., 0.]])
    """
    if orientation is None:
        return None
    col, row = np.asarray(orientation, dtype=np.float64).reshape(2, 3)
    lengths = np.linalg.norm(col), np.linalg.norm(row)
    if not np.allclose(lengths, 1, atol=0.01) or abs(col @ row) > 0.01:
        return None
    col, row = col / lengths[0], row / lengths[1]
    return np.stack([np.cross(col, row), row, col], axis=1)


def arrange(planes: Sequence[Plane], pixel: Sequence[float] | None, thickness: float | None) -> Layout:
    """Sort planes along their normal, and say how far apart they are.

    Parameters
    ----------
    planes : all of one size.
    pixel : mm between (rows, columns); None takes 1 mm and says so.
    thickness : mm from one plane to the next where positions do not tell.

    Returns
    -------
    If every place holds the same number of planes, each is a channel (time points, echoes). Otherwise the first of
    each place is taken, and the others are named.
    """
    notes = [] if pixel else ["no pixel spacing in the header: 1 mm is assumed"]
    rows, cols = pixel or (1.0, 1.0)
    axes = axes_of(planes[0].orientation)
    known = axes is not None and all(p.position is not None and p.orientation is not None for p in planes)
    aligned = known and all(np.allclose(p.orientation or (), planes[0].orientation or (), atol=1e-3) for p in planes)
    if axes is None or not aligned:
        if len(planes) > 1:
            reason = "have no positions" if not known else "point in different directions"
            notes.append(f"the {len(planes)} planes {reason}: they are in the order of their numbers, 1 mm apart")
        by_number = sorted(range(len(planes)), key=lambda i: planes[i].number)
        step = (thickness or 1.0) if len(planes) == 1 else 1.0
        return Layout([by_number], (step, rows, cols), None, notes)

    positions = np.array([p.position for p in planes], dtype=np.float64)
    depth = positions @ axes[:, 0]
    order, more = _places(planes, depth)
    notes += more
    first = order[0]
    steps = np.diff(depth[first])
    if len(first) == 1:
        along = axes[:, 0] * (thickness or 1.0)
    else:
        span = depth[first[-1]] - depth[first[0]]
        median = float(np.median(steps))
        uneven = np.abs(steps - median) > UNEVEN * median + SAME_PLACE
        notes += _gaps(planes, first, steps, median, uneven)
        along = (positions[first[-1]] - positions[first[0]]) / span
        notes += _shifts(positions[first], depth[first], along, axes[:, 0], min(rows, cols))
        along = along * (median if uneven.any() else span / len(steps))
    affine = np.eye(4)
    affine[:3, :3] = np.stack([along, axes[:, 1] * rows, axes[:, 2] * cols], axis=1)
    affine[:3, 3] = positions[first[0]]
    return Layout(order, (float(np.linalg.norm(along)), float(rows), float(cols)), affine, notes)


def _places(planes: Sequence[Plane], depth: Floats) -> tuple[list[list[int]], list[str]]:
    """Planes by place, ascending: one list of places per channel."""
    ascending = sorted(range(len(planes)), key=lambda i: depth[i])
    places: list[list[int]] = []
    for i in ascending:
        if places and depth[i] - depth[places[-1][0]] <= SAME_PLACE:
            places[-1].append(i)
        else:
            places.append([i])
    places = [sorted(place, key=lambda i: (planes[i].number, i)) for place in places]
    counts = {len(place) for place in places}
    if len(counts) == 1:
        return [list(channel) for channel in zip(*places, strict=True)], []
    dropped = [planes[i].name for place in places for i in place[1:]]
    return [[place[0] for place in places]], [f"duplicate slices at one place left out: {_list(dropped)}"]


def _gaps(
    planes: Sequence[Plane], order: Sequence[int], steps: Floats, median: float, uneven: NDArray[np.bool_]
) -> list[str]:
    """Missing slices and uneven steps, by name."""
    if not uneven.any():
        return []
    missing, other = [], []
    for i in np.flatnonzero(uneven).tolist():
        times = steps[i] / median
        between = f"between {planes[order[i]].name} and {planes[order[i + 1]].name}"
        if times > 1.5 and abs(times - round(times)) < 0.05 * times:
            missing.append(f"{round(times) - 1} {between}")
        else:
            other.append(f"{steps[i]:.4g} mm {between}")
    notes = [f"slices are missing: {_list(missing)}"] if missing else []
    if other:
        notes.append(f"slices are unevenly spaced, mostly {median:.4g} mm, but {_list(other)}")
    return [*notes, f"distances across such steps are wrong: the affine has {median:.4g} mm everywhere"]


def _shifts(positions: Floats, depth: Floats, along: Floats, normal: Floats, pixel: float) -> list[str]:
    """Slices that do not lie straight behind each other."""
    notes = []
    tilt = np.linalg.norm(along - normal)
    if tilt > 0.01:
        notes.append(f"the stack is tilted: {tilt:.3g} mm sideways for each mm along the normal; the affine has it")
    line = positions[0] + np.outer(depth - depth[0], along)
    off = float(np.linalg.norm(positions - line, axis=1).max())
    if off > 0.5 * pixel:
        notes.append(f"slices are shifted sideways by up to {off:.3g} mm, which the affine cannot show")
    return notes


def _list(names: Sequence[str]) -> str:
    more = len(names) - _NAMED
    return ", ".join(names[:_NAMED]) + (f" and {more} more" if more > 0 else "")
