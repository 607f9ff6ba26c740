"""Channels beside what they are fused to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from medloc_lib.errors import InputError
from medloc_lib.fusion import combine, common_scale
from medloc_lib.plot import pictures
from medloc_lib.plot.figures import show
from medloc_lib.sample import Detections, Sample


def mixture(
    sample: Sample,
    weights: Mapping[str, float],
    *,
    rule: str = "weighted",
    plane: int | None = None,
    detections: Detections | None = None,
    axes: Sequence[Axes] | None = None,
) -> Sequence[Axes]:
    """Each channel with its weight, and last the picture that they are fused to.

    Parameters
    ----------
    sample : with two channels or more; its truth boxes are drawn in all pictures.
    weights : name of each channel that is shown to its weight, as `fusion.combine` takes them.
    rule : "weighted" or a name of `fusion.RULES`.
    plane : index of the plane; default the middle one. Channels are scaled over the whole volume.
    detections : boxes to draw in the fused picture.
    axes : one for each channel and one more; default a new figure.

    Returns
    -------
    The axes.

    Raises
    ------
    InputError
        If a channel is not there, all weights are 0, or the number of axes does not fit.

    Examples
    --------
    >>> sample = Sample(np.stack([np.eye(8), 1 - np.eye(8)]), channels=("T1", "PET"))
    >>> [ax.get_title() for ax in mixture(sample, {"T1": 1, "PET": -0.5})]
    ['T1 × 1', 'PET × −0.5', 'weighted']
    """
    index = pictures.check_plane(sample, plane)
    scaled = common_scale(np.stack([sample[name] for name in weights]))
    flat = scaled if sample.ndim == 2 else scaled[:, index]
    fused = combine(flat, rule, weights=list(weights.values()))
    if axes is None:
        size = (2.4 * (len(weights) + 1), 2.7)
        axes = list(plt.subplots(1, len(weights) + 1, figsize=size, layout="constrained")[1])
    if len(axes) != len(weights) + 1:
        raise InputError(f"mixture draws {len(weights)} channels and their fusion; got {len(axes)} axes")
    for ax, (name, weight) in zip(axes, weights.items(), strict=False):
        show(sample, channel=name, plane=index, ax=ax, mask=False)
        ax.set_title(f"{name} × {weight:.3g}".replace("-", "−"), fontsize=10)
    marks = pictures.cut(pictures.truth_marks(sample), index)
    boxes = [mark.box for mark in marks if mark.kind != "ignored"]
    truth = Sample(fused[None], spacing=sample.spacing[-2:], boxes=np.reshape(boxes, (-1, 4)) if marks else None)
    show(truth, ax=axes[-1], detections=detections)
    axes[-1].set_title(rule.replace("_", " "), fontsize=10)
    return axes
