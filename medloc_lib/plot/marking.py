"""Marks made by a hand, and what a segmenter makes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Circle, Patch
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.geometry import as_label_map
from medloc_lib.plot import pictures
from medloc_lib.plot.figures import show
from medloc_lib.sample import Sample

SMALL = 30
"""Pixels of a mark up to which a ring is drawn around it, so that it is not overlooked."""


def marked(
    image: Sample | ArrayLike,
    marks: ArrayLike,
    result: ArrayLike | None = None,
    *,
    names: Sequence[str] = (),
    axes: Sequence[Axes] | None = None,
    channel: str | None = None,
    plane: int | None = None,
    title: str = "what is made of them",
) -> Sequence[Axes]:
    """A picture with marks (seeds, strokes) in it, and beside it what was made of them.

    Parameters
    ----------
    image : as in `show`; its truth boxes are drawn in both pictures.
    marks : label map (rows, cols) of the plane that is drawn, 0 where nothing is marked.
    result : label map (rows, cols), or None where there is nothing yet.
    names : of the labels 1, 2 …, for the legend.
    axes : two; default a new figure.
    channel, plane : as in `show`.
    title : text over the result.

    Returns
    -------
    The two axes.

    Raises
    ------
    InputError
        If a label map has not the picture's shape.

    Examples
    --------
    >>> seeds = np.zeros((8, 8), int)
    >>> seeds[2, 3] = 1
    >>> len(marked(np.eye(8), seeds, seeds)[0].patches)  # a ring around the seed
    1
    """
    sample = pictures.as_sample(image)
    index = pictures.check_plane(sample, plane)
    shape = pictures.plane_of(sample, channel, index).shape[:2]
    drawn = as_label_map(marks)
    made = np.zeros(shape, dtype=np.int64) if result is None else as_label_map(result)
    if drawn.shape != shape or made.shape != shape:
        raise InputError(f"marks and result must have the picture's shape {shape}; got {drawn.shape} and {made.shape}")
    if axes is None:
        axes = list(plt.subplots(1, 2, figsize=(8.4, 4.4), layout="constrained")[1])
    for ax, labels, words in zip(axes, (drawn, made), ("marks", title), strict=True):
        show(_with_mask(sample, labels, index), ax=ax, channel=channel, plane=index)
        ax.set_title(words, fontsize=10, parse_math=False)
    _ring(axes[0], drawn)
    colors = pictures.COLORS
    patches = [
        Patch(color=colors[k % len(colors)], label=name) for k, name in enumerate(names) if (drawn == k + 1).any()
    ]
    if patches:
        axes[0].legend(handles=patches, fontsize=8, loc="lower left")
    return axes


def _with_mask(sample: Sample, labels: np.ndarray, plane: int) -> Sample:
    if sample.ndim == 2:
        return sample.replace(mask=labels)
    mask = np.zeros(sample.shape, dtype=np.int64)
    mask[plane] = labels
    return sample.replace(mask=mask)


def _ring(ax: Axes, marks: np.ndarray) -> None:
    from scipy import ndimage

    parts, _ = ndimage.label(marks != 0, structure=np.ones((3, 3)))
    for k, where in enumerate(ndimage.find_objects(parts), 1):
        inside = parts[where] == k
        if inside.sum() > SMALL:
            continue
        rows, cols = where
        color = pictures.COLORS[(int(marks[where][inside][0]) - 1) % len(pictures.COLORS)]
        middle = (cols.start + cols.stop) / 2, (rows.start + rows.stop) / 2
        ax.add_patch(Circle(middle, max(3.0, marks.shape[0] / 40), fill=False, edgecolor=color, linewidth=2))
