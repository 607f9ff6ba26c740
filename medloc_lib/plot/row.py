"""Several pictures beside each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.plot import pictures
from medloc_lib.plot.figures import histogram, show
from medloc_lib.sample import Detections, Sample

WIDTH, HEIGHT = 12.0, 3.5
"""Inches: as wide as a page allows, but no picture higher than this."""


def row(
    named: Mapping[str, Sample | ArrayLike],
    *,
    channel: str | None = None,
    window: tuple[float, float] | None = None,
    histograms: bool = False,
) -> Sequence[Axes]:
    """Pictures beside each other, each under its name.

    Parameters
    ----------
    named : name to Sample or array, as `show` takes them. Boxes of a Sample are drawn, its mask is not.
    channel : as in `show`.
    window : (lowest, highest) value shown, the same for all; default each picture's own.
    histograms : draw each picture's histogram below it, with the share of pixels up to each value as a line.

    Returns
    -------
    The axes of the pictures.

    Raises
    ------
    InputError
        If there is no picture.

    Examples
    --------
    >>> [ax.get_title() for ax in row({"before": np.eye(4), "after": 1 - np.eye(4)})]
    ['before', 'after']
    """
    if not named:
        raise InputError("row needs at least one picture by name; got none")
    side = min(WIDTH / len(named), HEIGHT)
    rows = 2 if histograms else 1
    _, grid = plt.subplots(
        rows,
        len(named),
        figsize=(side * len(named), side * (1.25 if histograms else 1.0)),
        height_ratios=(4, 1)[:rows],
        squeeze=False,
        layout="constrained",
    )
    for axes, (name, image) in zip(grid.T, named.items(), strict=True):
        sample = pictures.as_sample(image)
        show(sample, ax=axes[0], channel=channel, window=window, mask=False).set_title(name, fontsize=10)
        if histograms:
            values = pictures.plane_of(sample, channel)
            histogram(values, ax=axes[1])
            sums = axes[1].twinx()
            sums.plot(np.sort(values, axis=None), np.linspace(0, 1, values.size), color="#D55E00")
            sums.set_yticks([0, 1], ["0", "all"], fontsize=8)
    return list(grid[0])


def channels(sample: Sample, *, detections: Detections | None = None, plane: int | None = None) -> Figure:
    """Every channel of a sample beside the others, with its boxes and what was found; a colour picture is one.

    Parameters
    ----------
    sample, detections, plane : as in `show`.

    Returns
    -------
    A figure to be saved; no window is opened for it.

    Raises
    ------
    InputError
        If there is no such plane.

    Examples
    --------
    >>> figure = channels(Sample(np.zeros((2, 8, 8)), channels=("T1", "T2")), detections=Detections([[1, 2, 4, 6]]))
    >>> [(ax.get_title(), len(ax.patches)) for ax in figure.axes]
    [('T1', 1), ('T2', 1)]
    """
    views = pictures.views(sample)
    views = views[:1] if views[0] == pictures.COLOR else views
    figure = Figure(figsize=(HEIGHT * len(views), HEIGHT + 0.2), layout="constrained")
    for ax, channel in zip(figure.subplots(1, len(views), squeeze=False)[0], views, strict=True):
        show(sample, ax=ax, channel=channel, plane=plane, detections=detections)
    return figure


def outlines(
    named: Mapping[str, Sample], found: Sequence[Detections] | None = None, *, columns: int = 4
) -> Sequence[Axes]:
    """Pictures (2-D) with the outlines of their masks, a colour per class, and of what was found, dashed.

    Parameters
    ----------
    named : name to Sample with a mask.
    found : detections with masks, one for each picture.
    columns : pictures beside each other.

    Returns
    -------
    The axes of the pictures.

    Raises
    ------
    InputError
        If there is no picture, one is not 2-D or has no mask, or what was found has none.

    Examples
    --------
    >>> ax, = outlines({"a": Sample(np.eye(8)[None], mask=np.tri(8, dtype=int))}, columns=1)
    >>> ax.get_title(), len(ax.collections)
    ('a', 1)
    """
    answers = [Detections.none()] * len(named) if found is None else found
    if not named or any(s.ndim != 2 or s.mask is None for s in named.values()):
        raise InputError("outlines needs at least one picture, each 2-D and with a mask")
    if len(answers) != len(named) or any(len(d) and d.masks is None for d in answers):
        raise InputError(f"outlines needs detections with masks for each of {len(named)} pictures")
    rows = -(-len(named) // columns)
    size = (WIDTH, WIDTH / columns * rows * 1.05)
    _, grid = plt.subplots(rows, columns, figsize=size, squeeze=False, layout="constrained")
    for ax in grid.flat:
        ax.axis("off")
    axes = list(grid.flat[: len(named)])
    for ax, (name, sample), told in zip(axes, named.items(), answers, strict=True):
        low, high = pictures.default_window(sample)
        ax.imshow(pictures.plane_of(sample), cmap="gray", vmin=low, vmax=high)
        ax.set_title(name, fontsize=9)
        mask = np.asarray(sample.mask)
        for label in np.unique(mask[mask > 0]):
            _outline(ax, mask == label, int(label) - 1, "solid")
        for label, region in zip(np.asarray(told.labels), () if told.masks is None else told.masks, strict=True):
            _outline(ax, region, int(label), "dashed")
    return axes


def _outline(ax: Axes, mask: ArrayLike, label: int, style: str) -> None:
    """The outline of a mask, its border too where the picture ends."""
    padded = np.pad(np.asarray(mask, dtype=float), 1)
    rows, cols = (np.arange(-1, n - 1) for n in padded.shape)
    color = pictures.COLORS[label % len(pictures.COLORS)]
    ax.contour(cols, rows, padded, [0.5], colors=color, linewidths=1.3, linestyles=style)
