"""Maps of grey-level co-occurrence: how often two grey levels lie side by side, around every pixel at once.

A loop over windows counts every pair anew in each. Here a whole image is turned into one indicator image per pair of
levels ("here begins a pair of 3 and 7"), and the sum of an indicator over a window is the pair's count there: one box
filter for all windows, whose cost does not grow with the window. What is a plain sum over pairs needs no indicators:
the contrast's box filter is that of (a - b)².
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError
from medloc_lib.segmentation.checks import Bools, Floats, as_picture, check_number

PROPERTIES = ("contrast", "dissimilarity", "homogeneity", "energy", "entropy", "correlation")
ANGLES = (0.0, np.pi / 4, np.pi / 2, 3 * np.pi / 4)
"""Directions from a pixel to its neighbour: across, down to the right, down, down to the left."""

Ints = NDArray[np.int64]


def quantized(image: ArrayLike, levels: int, *, limits: tuple[float, float] | None = None) -> Ints:
    """Grey levels 0 to levels - 1, in equal steps between the limits; -1 where the image has no value.

    Parameters
    ----------
    image : (rows, cols).
    levels : from 2 to 64.
    limits : lowest and highest value; what lies beyond belongs to the first and last level. None: those of the image.

    Examples
    --------
    >>> quantized([[0, 1, 2, 3, np.nan]], 2)
    array([[ 0,  0,  1,  1, -1]])
    """
    picture, known = as_picture(image, ndim=(2,))
    check_number(levels, "levels", 2, whole=True)
    if levels > 64:
        raise InputError(f"levels must be 64 or less, for the number of pairs grows with their square; got {levels}")
    low, high = (picture[known].min(), picture[known].max()) if limits is None and known.any() else limits or (0.0, 1.0)
    if not high >= low:
        raise InputError(f"limits must rise, (lowest, highest) value; got {limits}")
    step = (picture - low) / (high - low) * levels if high > low else np.zeros_like(picture)
    return np.where(known, np.clip(np.floor(step), 0, levels - 1), -1).astype(np.int64)


def cooccurrence(
    image: ArrayLike,
    *,
    window: int = 9,
    levels: int = 16,
    distance: int = 1,
    limits: tuple[float, float] | None = None,
    properties: Sequence[str] = PROPERTIES,
) -> Floats:
    """Haralick's texture features in a window around every pixel, the mean over four directions.

    In each window all pairs of pixels that are `distance` apart are counted, in both orders; p(i, j) is the share of
    the pairs whose levels are i and j. Then, with μ and σ the mean and deviation of the levels in the pairs,

    - contrast is the sum of p (i - j)², dissimilarity of p |i - j|, homogeneity of p / (1 + (i - j)²);
    - energy is the root of the sum of p², entropy the sum of -p log p (natural logarithm);
    - correlation is the sum of p (i - μ)(j - μ) / σ², and 1 where all levels are equal.

    Parameters
    ----------
    image : (rows, cols). Not 3-D: planes are usually further apart than pixels, so give a volume plane by plane.
    window : side in pixels, odd. At the border of the image the window is cut.
    levels : number of grey levels, 2 to 64; `limits`: between which values, default those of the image.
    distance : pixels between the two of a pair, rounded to whole ones across; at most half of the window.
    properties : any of `PROPERTIES`, in any order.

    Returns
    -------
    float64 (properties, rows, cols): channels, ready to be clustered. A pixel that is NaN is in no pair; a direction
    in which a window holds no pair does not count in the mean, and where none is left the map is 0.

    Raises
    ------
    InputError
        If a parameter is out of range or a property is not known.

    References
    ----------
    R. Haralick, K. Shanmugam and I. Dinstein, "Textural features for image classification", IEEE SMC 3 (1973).

    Examples
    --------
    On the left a flat patch, on the right a checkerboard: neighbours along rows and columns differ by a level, those
    across do not.

    >>> image = np.zeros((9, 18))
    >>> image[:, 9:] = np.indices((9, 9)).sum(axis=0) % 2
    >>> contrast, energy = cooccurrence(image, window=3, levels=2, properties=("contrast", "energy"))
    >>> contrast[4, [2, 14]], energy[4, [2, 14]].round(3)
    (array([0. , 0.5]), array([1.   , 0.707]))
    """
    codes = quantized(image, levels, limits=limits)
    check_number(window, "window", 3, whole=True)
    check_number(distance, "distance", 1, whole=True)
    unknown = [name for name in properties if name not in PROPERTIES]
    if window % 2 == 0 or distance > window // 2:
        raise InputError(f"window must be odd, and distance at most half of it; got {window} and {distance}")
    if unknown or len(properties) == 0:
        raise InputError(f"properties must be some of {', '.join(PROPERTIES)}; got {tuple(properties)}")
    total = np.zeros((len(properties), *codes.shape))
    seen = np.zeros(codes.shape)
    for angle in ANGLES:
        step = round(np.sin(angle) * distance), round(np.cos(angle) * distance)
        pairs = _Pairs(codes, step, window, levels)
        here = pairs.count > 0
        seen += here
        for k, name in enumerate(properties):
            total[k] += np.where(here, pairs.feature(name), 0)
    return total / np.maximum(seen, 1)


class _Pairs:
    """All pairs of pixels in one direction, and sums over them in every window.

    Parameters
    ----------
    codes : int64 (rows, cols), levels, -1 where there is none.
    step : (rows, cols) from the first pixel of a pair to the second.
    window, levels : as in `cooccurrence`.
    """

    def __init__(self, codes: Ints, step: tuple[int, int], window: int, levels: int) -> None:
        down, across = step
        rows, cols = codes.shape
        second = np.full_like(codes, -1)
        here = (slice(0, max(rows - down, 0)), slice(max(0, -across), max(cols - max(0, across), 0)))
        there = (slice(down, None), slice(max(0, across), max(cols + min(0, across), 0)))
        second[here] = codes[there]
        self.known: Bools = (codes >= 0) & (second >= 0)
        self.low = np.where(self.known, np.minimum(codes, second), 0)
        self.high = np.where(self.known, np.maximum(codes, second), 0)
        self.levels = levels
        # A pair is in a window if both of its pixels are: its first one is then in a part of the window.
        half = window // 2
        self.size = (window - abs(across), window - down)  # OpenCV puts columns before rows
        self.anchor = (half - max(0, -across), half)
        self.count = self.sum(np.ones(codes.shape))

    def sum(self, values: Floats) -> Floats:
        """Sum of the pairs' values in each window, (rows, cols)."""
        return self._box(np.where(self.known, values, 0.0), cv2.CV_64F)

    def feature(self, name: str) -> Floats:
        """One property in each window, (rows, cols)."""
        pairs = np.maximum(self.count, 1)
        apart = (self.high - self.low).astype(np.float64)
        if name == "contrast":
            return self.sum(apart**2) / pairs
        if name == "dissimilarity":
            return self.sum(apart) / pairs
        if name == "homogeneity":
            return self.sum(1 / (1 + apart**2)) / pairs
        if name == "correlation":
            return self._correlation()
        return self._spread[name]

    def _correlation(self) -> Floats:
        """From sums of whole numbers, so that a window of one level is known exactly."""
        a, b = self.low.astype(np.float64), self.high.astype(np.float64)
        once, squares, product = self.sum(a + b), self.sum(a**2 + b**2), self.sum(a * b)
        variance = 2 * self.count * squares - once**2  # times (2 · count)²
        covariance = 4 * self.count * product - once**2
        return np.where(variance > 0, covariance / np.where(variance > 0, variance, 1), 1.0)

    @cached_property
    def _spread(self) -> dict[str, Floats]:
        """Energy and entropy, which need the count of each pair of levels."""
        most = self.size[0] * self.size[1]
        small = most < 256  # OpenCV looks bytes up four times as fast as NumPy does numbers
        table = np.arange(256 if small else most + 1, dtype=np.float64)
        tables = table**2, table * np.log(np.maximum(table, 1))
        pair = np.where(self.known, self.low * self.levels + self.high, -1).astype(np.int16)
        indicator = np.empty(pair.shape, dtype=np.uint8)
        squares, logs = np.zeros(pair.shape), np.zeros(pair.shape)
        for code in np.unique(pair[self.known]):
            np.equal(pair, code, out=indicator.view(bool))
            times = self._box(indicator, cv2.CV_8U if small else cv2.CV_16U)
            square, log = (cv2.LUT(times, t) if small else t[times] for t in tables)
            # In both orders, a pair of different levels is two entries of half its share.
            squares += square if code % self.levels == code // self.levels else square / 2
            logs += log
        pairs = np.maximum(self.count, 1)
        different = self.sum((self.low != self.high).astype(np.float64))
        entropy = np.log(pairs) + (different * np.log(2) - logs) / pairs
        return {"energy": np.sqrt(squares) / pairs, "entropy": np.maximum(entropy, 0.0)}

    def _box(self, values: NDArray[Any], kind: int) -> NDArray[Any]:
        border = cv2.BORDER_CONSTANT
        box = cv2.boxFilter(values, kind, self.size, anchor=self.anchor, normalize=False, borderType=border)
        return np.asarray(box)
