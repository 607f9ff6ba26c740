"""Candidates as points in feature space, beside the picture that one of them comes from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from medloc_lib.classical.space import Space
from medloc_lib.errors import InputError
from medloc_lib.localizer.function import main_channel
from medloc_lib.plot.figures import show
from medloc_lib.plot.pictures import Array, Mark
from medloc_lib.sample import Detections, Sample

TRUTH_COLORS = ("#0072B2", "#BBBBBB", "#D55E00", "#CC79A7")
"""Of a space's `kinds`, in their order."""

MARGIN = 0.75  # how much of its side a patch shows around the candidate


def feature_space(
    space: Space,
    samples: Sequence[Sample] = (),
    *,
    x: str | None = None,
    y: str | None = None,
    color: str = "truth",
    threshold: float | None = None,
    selected: int | None = None,
    axes: Sequence[Axes] | None = None,
) -> Sequence[Axes]:
    """Candidates as points, the boundary of the two axes, and one candidate in its picture.

    Parameters
    ----------
    space : of a fitted localizer and some described pictures, or of other points (`multimodal.FindSpace`).
    samples : those pictures, with their pixels; without them only the points are drawn.
    x, y : names of axes, see `Space.names`; default the first two.
    color : "truth" or "score".
    threshold : score from which on a candidate counts as found; the others are pale. Default: all count.
    selected : the candidate that is shown; default the surest.
    axes : three axes, or one without samples; default a new figure.

    Returns
    -------
    The axes: points, picture, patch.

    Raises
    ------
    InputError
        If there is no such axis, or the number of samples or axes does not fit.
    """
    if samples and len(samples) != space.pictures:
        raise InputError(f"needs the {space.pictures} pictures of the space; got {len(samples)}")
    wanted = 3 if samples else 1
    if axes is None:
        figure = plt.figure(figsize=(11, 4) if samples else (6, 4.5), layout="constrained")
        axes = list(figure.subplots(1, wanted, squeeze=False, width_ratios=(1.5, 1, 1)[:wanted])[0])
    if len(axes) != wanted:
        raise InputError(f"feature_space draws into {wanted} axes here; got {len(axes)}")
    chosen = int(np.argmax(space.scores)) if selected is None else selected
    level = -np.inf if threshold is None else threshold
    _points(axes[0], space, (x or space.names[0], y or space.names[1]), color, level, chosen)
    if samples:
        sample = samples[int(space.image[chosen])]
        channel, box = main_channel(sample), space.boxes[chosen]
        found = Detections(box[None], scores=space.scores[[chosen]])
        show(sample, ax=axes[1], channel=channel, mask=False, detections=found)
        patch, shifted = patch_of(sample[channel], box)
        show(Sample(patch[None], spacing=sample.spacing), ax=axes[2], detections=Detections(shifted[None]))
        axes[2].set_title(f"{space.kinds[space.truth[chosen]]}, score {space.scores[chosen]:.2f}", fontsize=10)
    return axes


def _points(ax: Axes, space: Space, names: tuple[str, str], color: str, level: float, chosen: int) -> None:
    across, up = (space.axis(name) for name in names)
    strong = space.scores >= level
    shares, edges = space.boundary(*names)
    if color == "truth":
        for k in (0, 1, 3, 2):  # lesions last, on top
            for part, alpha in ((~strong, 0.12), (strong, 0.9)):
                mine = part & (space.truth == k)
                label = space.kinds[k] if alpha > 0.5 and (space.truth == k).any() else None
                ax.scatter(across[mine], up[mine], s=9, color=TRUTH_COLORS[k], alpha=alpha, label=label, linewidths=0)
        ax.legend(fontsize=8, loc="best", markerscale=2)
    else:
        ends = {"cmap": "viridis", "vmin": space.scores.min(), "vmax": space.scores.max()}
        for part, alpha in ((~strong, 0.12), (strong, 0.9)):
            ax.scatter(across[part], up[part], s=9, c=space.scores[part], alpha=alpha, linewidths=0, **ends)
    low_x, high_x, low_y, high_y = edges
    share = strong.mean()
    if shares.min() < share < shares.max():
        ax.contour(
            np.linspace(low_x, high_x, shares.shape[1]),
            np.linspace(low_y, high_y, shares.shape[0]),
            shares,
            levels=[share],
            colors="black",
            linewidths=1.2,
        )
    ax.plot(across[chosen], up[chosen], "o", markersize=11, markerfacecolor="none", color="black")
    ax.set_xlim(low_x, high_x)
    ax.set_ylim(low_y, high_y)
    ax.set_xlabel(names[0])
    ax.set_ylabel(names[1])
    found = space.operating(level)
    ax.set_title(
        f"sensitivity {found.sensitivity:.2f}, {found.false_positives:.2f} false positives per image", fontsize=10
    )


def candidate_mark(box: ArrayLike) -> Mark:
    """A candidate's box, to draw."""
    row0, col0, row1, col1 = (float(edge) for edge in np.asarray(box))
    return Mark((row0, col0, row1, col1), "", "found")


def patch_of(picture: Array, box: ArrayLike) -> tuple[Array, Array]:
    """A square around a box, and the box in it.

    >>> patch, box = patch_of(np.zeros((40, 40)), [10, 12, 18, 20])
    >>> patch.shape, box
    ((20, 20), array([ 6.,  6., 14., 14.]))
    """
    edges = np.asarray(box, dtype=np.float64)
    side = float((edges[2:] - edges[:2]).max())
    half = max(round(side * (0.5 + MARGIN)), 8)
    middle = np.round((edges[:2] + edges[2:]) / 2).astype(int)
    start = np.clip(middle - half, 0, np.maximum(np.array(picture.shape) - 2 * half, 0))
    stop = np.minimum(start + 2 * half, picture.shape)
    return picture[start[0] : stop[0], start[1] : stop[1]], edges - np.tile(start, 2)
