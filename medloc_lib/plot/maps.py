"""A self-organizing map as a picture, beside the patches of one of its units and the slice that one of them is of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from medloc_lib.classical.unsupervised.atlas import HALF, SHOWN, U_MATRIX, Place, SomAtlas
from medloc_lib.errors import InputError
from medloc_lib.localizer.function import main_channel
from medloc_lib.plot.figures import show
from medloc_lib.plot.pictures import Mark
from medloc_lib.sample import Detections

WINDOW = (-3.0, 5.0)
"""Deviations that patches are shown from and to."""


def som_map(
    atlas: SomAtlas, *, plane: str = U_MATRIX, unit: int = 0, patch: int = 0, axes: Sequence[Axes] | None = None
) -> Sequence[Axes]:
    """One plane of a self-organizing map, the patches of one of its units, and where one of them comes from.

    Parameters
    ----------
    plane : see `SomAtlas.planes`.
    unit : counted row by row. patch : which of its patches, from 0; the last one, where it has fewer.
    axes : three axes; default a new figure.

    Returns
    -------
    The axes: map, patches, slice.

    Raises
    ------
    InputError
        If there is no such plane or unit, or the number of axes is not three.
    """
    if axes is None:
        figure = plt.figure(figsize=(11, 4), layout="constrained")
        axes = list(figure.subplots(1, 3, width_ratios=(1.2, 1, 1)))
    if len(axes) != 3:
        raise InputError(f"som_map draws into 3 axes; got {len(axes)}")
    values, places = atlas.plane(plane), atlas.places(unit)
    drawn = axes[0].imshow(values, cmap="viridis")
    axes[0].figure.colorbar(drawn, ax=axes[0], shrink=0.8)
    row, col = divmod(unit, atlas.side)
    axes[0].plot(col, row, "s", markersize=12, markerfacecolor="none", color="red")
    axes[0].set_title(plane, fontsize=10)
    axes[1].imshow(atlas.mosaic(unit), cmap="gray", vmin=WINDOW[0], vmax=WINDOW[1])
    axes[1].set_title(told(atlas, unit), fontsize=10)
    for ax in axes[:2]:
        ax.set_xticks([])
        ax.set_yticks([])
    if not places:
        axes[2].set_axis_off()
        return axes
    chosen = min(patch, len(places) - 1)
    place = places[chosen]
    sample = atlas.samples[place.image]
    top, left = (k * (2 * HALF + 2) - 0.5 for k in divmod(chosen, 3))
    axes[1].add_patch(Rectangle((left, top), 2 * HALF + 1, 2 * HALF + 1, fill=False, color="red", linewidth=2))
    found = Detections(np.array([place_mark(place).box]))
    show(sample, ax=axes[2], channel=main_channel(sample), mask=False, detections=found)
    return axes


def told(atlas: SomAtlas, unit: int) -> str:
    """What is to be said of a unit.

    Raises
    ------
    InputError
        If there is no such unit.
    """
    shown = len(atlas.places(unit))
    row, col = divmod(unit, atlas.side)
    where = f"unit {row}, {col}: {atlas.counts[unit]:,} pixels"
    return f"{where}, the best of {shown} slices" if shown else f"{where}; none of these slices has any"


def place_mark(place: Place) -> Mark:
    """The patch's outline in its slice, to draw."""
    row, col = place.row, place.col
    return Mark((row - HALF, col - HALF, row + HALF + 1, col + HALF + 1), "", "found")


def tile_mark(patch: int) -> Mark:
    """A patch's outline in the mosaic, to draw.

    Raises
    ------
    InputError
        If there is no such patch.
    """
    if not 0 <= patch < SHOWN:
        raise InputError(f"patch must be 0 to {SHOWN - 1}; got {patch}")
    top, left = (k * (2 * HALF + 2) for k in divmod(patch, 3))
    return Mark((top, left, top + 2 * HALF + 1, left + 2 * HALF + 1), "", "found")
