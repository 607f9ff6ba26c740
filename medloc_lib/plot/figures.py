"""Pictures with their boxes and masks, before and after, and the three planes of a volume."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.plot import pictures
from medloc_lib.plot.pictures import Array, Mark
from medloc_lib.sample import Detections, Sample

ROOM = 0.05
"""Share of a picture's height that the text of a box takes."""
LINES = {"truth": "solid", "found": "dashed", "ignored": "dotted"}
RGB = ("#D55E00", "#009E73", "#0072B2")
"""The curves of red, green and blue, told apart by the colour-blind too."""


def show(
    image: Sample | ArrayLike,
    *,
    ax: Axes | None = None,
    channel: str | None = None,
    plane: int | None = None,
    window: tuple[float, float] | None = None,
    boxes: bool = True,
    mask: bool = True,
    detections: Detections | None = None,
) -> Axes:
    """Draw one plane of one channel, with its boxes and mask.

    Truth boxes are solid and blue, detections dashed and orange with their scores, ignored boxes dotted and grey. The
    axes are coordinates: pixel `i` covers `i` to `i + 1`, and a pixel has the shape that the spacing gives it.

    Parameters
    ----------
    image : Sample, or array (rows, cols), (planes, rows, cols) or (rows, cols, 3).
    ax : where to draw; default a new figure.
    channel : name of the channel; default the first, or all three of a colour picture.
    plane : index of the plane; default the middle one.
    window : (lowest, highest) value shown; default the whole range without its extremes.
    boxes, mask : whether to draw what the Sample knows.
    detections : boxes to draw beside the truth.

    Raises
    ------
    InputError
        If there is no such channel or plane, or the window does not rise.

    Examples
    --------
    >>> box = show(Sample(np.eye(8)[None], boxes=[[1, 2, 4, 6]])).patches[0]
    >>> box.get_xy(), box.get_width(), box.get_height()
    ((2.0, 1.0), 4.0, 3.0)
    """
    sample = pictures.as_sample(image)
    index = pictures.check_plane(sample, plane)
    axes = _new(ax)
    picture = pictures.plane_of(sample, channel, index)
    _paint(axes, picture, window or pictures.default_window(sample, channel), sample, sample.spacing)
    if mask and (labels := pictures.mask_of(sample, index)) is not None:
        _tint(axes, labels)
    marks = pictures.truth_marks(sample) if boxes else []
    _frame(axes, pictures.cut(marks + pictures.found_marks(detections, sample.classes, sample.ndim), index))
    axes.set_title(_title(sample, channel, index), fontsize=10, parse_math=False)  # a name may hold $
    return axes


def compare(
    before: Sample | ArrayLike,
    after: Any,
    *,
    axes: Sequence[Axes] | None = None,
    channel: str | None = None,
    plane: int | None = None,
    window: tuple[float, float] | None = None,
    title: str = "after",
) -> Sequence[Axes]:
    """A picture before and after a function, each with its histogram.

    Parameters
    ----------
    before : Sample, or array (rows, cols), (planes, rows, cols) or (rows, cols, 3).
    after : what the function made of one plane of it: a picture, a label map, boxes, Detections, or a tuple of these.
    axes : four axes: before, after, and below them their histograms; default a new figure.
    channel, plane, window : as in `show`, for the picture before.
    title : text over the picture after.

    Returns
    -------
    The four axes. The picture after has the same window where its values are in the same range, else its own.

    Raises
    ------
    InputError
        If `after` is nothing that can be drawn.
    """
    sample = pictures.as_sample(before)
    index = pictures.check_plane(sample, plane)
    picture = pictures.plane_of(sample, channel, index)
    result = pictures.outcome(after, picture)
    grid = list(_grid() if axes is None else axes)
    if len(grid) != 4:
        raise InputError(f"compare draws into 4 axes: two pictures over two histograms; got {len(grid)}")
    low_high = window or pictures.default_window(sample, channel)
    show(sample, ax=grid[0], channel=channel, plane=index, window=low_high, mask=result.mask is not None)
    shown = picture if result.picture is None else result.picture
    own = pictures.window_after(picture, shown, low_high)
    _paint(grid[1], shown, own, sample, sample.spacing)
    if result.mask is not None:
        _tint(grid[1], result.mask)
    truth = pictures.cut(pictures.truth_marks(sample), index) if shown.shape[:2] == picture.shape[:2] else []
    _frame(grid[1], truth + pictures.found_marks(result.detections, sample.classes, 2))
    grid[1].set_title(title, fontsize=10, parse_math=False)
    histogram(picture, ax=grid[2], window=low_high)
    histogram(shown, ax=grid[3], window=own)
    return grid


def histogram(
    picture: ArrayLike, *, ax: Axes | None = None, bins: int = 128, window: tuple[float, float] | None = None
) -> Axes:
    """How often each value occurs, on a square-root scale so that rare values stay visible beside the background.

    A bin that stands far over all others, as the background's does, is cut off at the top.

    Parameters
    ----------
    picture : array of any shape; (rows, cols, 3) has one curve per colour.
    bins : number of equal steps from the lowest to the highest value.
    window : (lowest, highest) value shown, drawn as two lines.

    Examples
    --------
    >>> histogram([[0, 0, 0, 2]], bins=2).get_xlim()
    (np.float64(-0.1), np.float64(2.1))
    """
    array = np.asarray(picture)
    axes = _new(ax)
    colored = array.ndim == 3 and array.shape[-1] == 3
    parts = {color: array[..., i] for i, color in enumerate(RGB)} if colored else {"#777777": array}
    top = 1.0
    for color, values in parts.items():
        counts, edges = np.histogram(values, bins=bins)
        axes.stairs(np.sqrt(counts), edges, fill=len(parts) == 1, color=color)
        second, first = np.sqrt(np.sort(counts)[-2:]) if bins > 1 else np.sqrt([counts[0], counts[0]])
        top = max(top, min(first, 1.5 * second))
    for edge in window or ():
        axes.axvline(edge, color="black", linewidth=1, linestyle=":")
    axes.set_ylim(0, top)
    axes.set_yticks([])
    axes.set_ylabel("√ count", fontsize=8)
    axes.tick_params(labelsize=8)
    return axes


def planes(
    volume: Sample | ArrayLike,
    *,
    axes: Sequence[Axes] | None = None,
    channel: str | None = None,
    at: tuple[int, int, int] | None = None,
    window: tuple[float, float] | None = None,
    mask: bool = True,
    boxes: bool = True,
) -> Sequence[Axes]:
    """Three planes through one point of a volume: along rows and columns, and across the stack.

    Parameters
    ----------
    volume : Sample of three axes, or array (planes, rows, cols).
    axes : three axes; default a new figure.
    at : index (plane, row, col) that all three pass through; default the middle.
    channel, window, mask, boxes : as in `show`.

    Raises
    ------
    InputError
        If the picture has no planes to cut across.
    """
    sample = pictures.as_sample(volume)
    if sample.ndim != 3:
        raise InputError(f"planes needs a volume, (planes, rows, cols); got a picture of {sample.shape}")
    center = at or tuple(n // 2 for n in sample.shape)
    if len(center) != 3 or not all(0 <= i < n for i, n in zip(center, sample.shape, strict=True)):
        raise InputError(f"at must be (plane, row, col) inside {sample.shape}; got {at}")
    grid = list(_new_row(3) if axes is None else axes)
    low_high = window or pictures.default_window(sample, channel)
    array = pictures.volume_of(sample, channel)
    up = sample.affine is None or np.asarray(sample.affine)[2, 0] >= 0
    for axis, ax in enumerate(grid):
        rest = [k for k in range(3) if k != axis]
        cut = np.moveaxis(np.take(array, center[axis], axis=axis + 1), 0, -1)
        spacing = [sample.spacing[k] for k in rest]
        _paint(ax, cut[..., 0] if cut.shape[-1] == 1 else cut, low_high, sample, spacing)
        if mask and sample.mask is not None:
            _tint(ax, np.take(sample.mask, center[axis], axis=axis))
        if axis > 0 and up:
            ax.invert_yaxis()  # the first plane is the lowest: superior belongs at the top
        if boxes:
            _frame(ax, pictures.cut(pictures.truth_marks(sample), center[axis], axis=axis))
        for k, along in zip(rest, (ax.axhline, ax.axvline), strict=True):
            along(center[k] + 0.5, color="white", linewidth=0.6, alpha=0.6)
        ax.set_title(f"{('plane', 'row', 'col')[axis]} {center[axis]}", fontsize=10)
    return grid


def _paint(ax: Axes, picture: Array, window: tuple[float, float], sample: Sample, spacing: Sequence[float]) -> None:
    low, high = window
    if not high > low:
        raise InputError(f"a window must rise, (lowest, highest) value; got {window}")
    rows, cols = picture.shape[:2]
    shown = np.clip((picture.astype(np.float64) - low) / (high - low), 0, 1)
    shown = 1 - shown if pictures.is_negative(sample) else shown
    ax.imshow(shown, cmap="gray", vmin=0, vmax=1, extent=(0, cols, rows, 0), interpolation="nearest")
    ax.set_aspect(spacing[-2] / spacing[-1])
    ax.set_axis_off()


def _tint(ax: Axes, mask: Array) -> None:
    """Colour the labels of a mask, see-through."""
    colors = np.array([to_rgb(c) for c in pictures.COLORS])
    rgba = np.zeros((*mask.shape, 4))
    rgba[..., :3] = colors[(mask - 1) % len(colors)]
    rgba[..., 3] = 0.4 * (mask != 0)
    rows, cols = mask.shape
    ax.imshow(rgba, extent=(0, cols, rows, 0), interpolation="nearest", aspect=ax.get_aspect())


def _frame(ax: Axes, marks: list[Mark]) -> None:
    """Outline boxes; the text of a truth stands over its box, that of a detection under it, and inside where there is
    no room beyond.
    """
    halo = [withStroke(linewidth=3, foreground="black", alpha=0.6)]
    bottom, top = ax.get_ylim()
    for mark in marks:
        row0, col0, row1, col1 = mark.box
        color = pictures.KINDS[mark.kind]
        box = Rectangle((col0, row0), col1 - col0, row1 - row0, fill=False, edgecolor=color, linewidth=1.5)
        box.set(linestyle=LINES[mark.kind], path_effects=halo)
        ax.add_patch(box)
        if mark.text:
            found = mark.kind == "found"
            downward = ax.yaxis_inverted()  # as pictures are drawn: row 0 on top
            row = row1 if found == downward else row0
            height = (row - bottom) / (top - bottom)
            under = found != (abs(height if found else 1 - height) < ROOM)  # inside, where there is no room beyond
            ax.annotate(
                mark.text,
                (col0, row),
                (0, -2 if under else 2),
                textcoords="offset points",
                verticalalignment="top" if under else "bottom",
                color=color,
                fontsize=8,
                parse_math=False,
                bbox={"facecolor": "black", "alpha": 0.65, "linewidth": 0, "pad": 1},
            )


def _title(sample: Sample, channel: str | None, plane: int) -> str:
    name = pictures.views(sample)[0] if channel is None else channel
    parts = [sample.id, "" if name == "image" else name]
    parts += [f"plane {plane} of {sample.shape[0]}"] if sample.ndim == 3 else []
    return ", ".join(p for p in parts if p) or "×".join(map(str, sample.shape))


def _new(ax: Axes | None) -> Axes:
    if ax is not None:
        return ax
    return plt.subplots(layout="constrained")[1]


def _new_row(n: int) -> Sequence[Axes]:
    return list(plt.subplots(1, n, figsize=(3.2 * n, 3.4), layout="constrained")[1])


def _grid() -> Sequence[Axes]:
    made = plt.subplots(2, 2, figsize=(7, 4.6), height_ratios=(4, 1), layout="constrained")[1]
    return list(made.ravel())
