"""Finds as points for the feature explorer: axes of your own, coloured by what they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.classical.space import GRID, Space
from medloc_lib.errors import InputError
from medloc_lib.localizer import any_class
from medloc_lib.localizer.contract import without_pixels
from medloc_lib.metrics import match
from medloc_lib.multimodal.finds import Finds
from medloc_lib.sample import Detections, Sample

Floats = NDArray[np.float64]


_KIND = np.array([2, 0, 3, 1])  # of mass, plaque, infarct and, last, -1: no lesion


class FindSpace(Space):
    """Finds as points, with their place in the pictures, for `widgets.explore_features` and `plot.feature_space`.

    Parameters
    ----------
    finds : of `samples`, by their positions in `picture`.
    samples : with known boxes.
    axes : name -> (n,), at least two.

    Raises
    ------
    InputError
        If an axis has another length, there are fewer than two, or a picture's boxes are unknown.
    """

    kinds: ClassVar[tuple[str, ...]] = ("plaque", "no lesion", "mass", "infarct")

    def __init__(self, finds: Finds, samples: Sequence[Sample], axes: Mapping[str, ArrayLike]) -> None:
        self.axes = {name: np.asarray(values, dtype=np.float64) for name, values in axes.items()}
        if len(self.axes) < 2 or any(values.shape != (len(finds),) for values in self.axes.values()):
            raise InputError(f"needs at least two axes of {len(finds)} values")
        known = [without_pixels(samples[i]) for i in range(len(samples))]
        if any(sample.boxes is None for sample in known):
            raise InputError("needs pictures whose boxes are known; one has boxes=None")
        self.names = tuple(self.axes)
        self.scores, self.truth = finds.score, _KIND[finds.truth]
        self.boxes, self.image, self.pictures = finds.box, finds.picture, len(known)
        found = []
        for i in range(len(known)):
            mine = finds.picture == i
            found.append(Detections(finds.box[mine], finds.score[mine], finds.label[mine]))
        matches = match(*any_class(known, found), iou=0.3)
        self.thresholds = matches.score
        self.sensitivity = np.cumsum(matches.hit) / max(int(matches.truths.sum()), 1)
        self.false_positives = np.cumsum(~matches.hit) / len(known)

    def axis(self, name: str) -> Floats:
        """Where the finds lie on one axis, (n,)."""
        if name not in self.axes:
            raise InputError(f"there is no axis {name!r}; there are {', '.join(self.names)}")
        return self.axes[name]

    def boundary(self, x: str, y: str) -> tuple[Floats, tuple[float, float, float, float]]:
        """No boundary is drawn: ones (GRID, GRID); and the edges (x low, x high, y low, y high)."""
        low, high = zip(*((float(v.min()), float(v.max())) for v in (self.axis(x), self.axis(y))), strict=True)
        pads = [0.03 * (b - a) + 1e-6 for a, b in zip(low, high, strict=True)]
        return np.ones((GRID, GRID)), (low[0] - pads[0], high[0] + pads[0], low[1] - pads[1], high[1] + pads[1])
