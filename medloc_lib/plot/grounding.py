"""A sentence, the heat that it leaves on a picture, and the box that it finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from numpy.typing import NDArray

from medloc_lib.errors import InputError
from medloc_lib.localizer.function import main_channel
from medloc_lib.plot.figures import show
from medloc_lib.plot.pictures import Mark, default_window
from medloc_lib.sample import Detections, Sample

if TYPE_CHECKING:  # it needs PyTorch, which a plot does not
    from medloc_lib.reports.grounding import Grounding


def grounded(
    sample: Sample, answer: Grounding, *, threshold: float, text: str = "", axes: Sequence[Axes] | None = None
) -> Sequence[Axes]:
    """The picture with the box that a sentence finds, if it finds one, and beside it where the sentence is true.

    Parameters
    ----------
    answer : of a `Grounder`. threshold : score from which a box is found. text : the sentence, shown above as it is.
    axes : two axes; default a new figure.

    Raises
    ------
    InputError
        If the number of axes is not two.
    """
    if axes is None:
        axes = list(plt.figure(figsize=(9, 4.8), layout="constrained").subplots(1, 2))
    if len(axes) != 2:
        raise InputError(f"grounded draws into 2 axes; got {len(axes)}")
    sure = answer.score >= threshold
    found = Detections(answer.box[None], np.array([answer.score])) if sure else Detections.none(2)
    show(sample, channel=main_channel(sample), mask=False, detections=found, ax=axes[0])
    axes[0].set_title(verdict(answer, threshold), fontsize=10)
    axes[1].imshow(overlay(sample, answer), extent=(0, sample.shape[1], sample.shape[0], 0))
    axes[1].set_axis_off()
    if text:
        axes[0].figure.suptitle(text, fontsize=10, parse_math=False, wrap=True)
    return axes


def verdict(answer: Grounding, threshold: float) -> str:
    """What a sentence came to, in words."""
    return f"score {answer.score:.2f}: " + (
        "found" if answer.score >= threshold else "nothing here is what the sentence says"
    )


def found_mark(answer: Grounding, threshold: float) -> list[Mark]:
    """The box to draw, if there is one."""
    row0, col0, row1, col1 = map(float, answer.box)
    return [Mark((row0, col0, row1, col1), f"{answer.score:.2f}", "found")] if answer.score >= threshold else []


def overlay(sample: Sample, answer: Grounding) -> NDArray[np.uint8]:
    """The picture in grey with the heat laid over it, (rows, cols, 3)."""
    channel = main_channel(sample)
    low, high = default_window(sample, channel)
    grey = np.clip((sample[channel].astype(np.float64) - low) / (high - low), 0, 1)[..., None]
    heat: Any = np.clip(answer.heat, 0, 1)[..., None]
    color = colormaps["inferno"](answer.heat)[..., :3]
    return np.asarray(np.round(255 * ((1 - heat) * 0.8 * grey + heat * color)), dtype=np.uint8)
