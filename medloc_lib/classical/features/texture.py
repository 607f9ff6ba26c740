"""Local binary patterns and histograms of oriented gradients of many boxes at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from medloc_lib.classical.features.regions import Array, Floats, Ints, Regions

PATTERNS = 10
ORIENTATIONS = 9
PATTERN_NAMES = tuple(f"lbp_{k}" for k in range(PATTERNS))
GRADIENT_NAMES = tuple(f"hog_{cell}_{k}" for cell in ("ul", "ur", "ll", "lr") for k in range(ORIENTATIONS))
"""Cells: upper left, upper right, lower left, lower right."""


def local_patterns(picture: Array, regions: Regions) -> Floats:
    """Share of each rotation-invariant uniform local binary pattern in each region: (n, 10).

    A pixel's pattern says which of its 8 neighbours are at least as bright as it: 0 to 8 is their number where they
    hang together, 9 is everything else. The picture is rounded to hundredths first, so that equal pixels are equal.

    References
    ----------
    T. Ojala, M. Pietikäinen and T. Mäenpää, "Multiresolution gray-scale and rotation invariant texture classification
    with local binary patterns", IEEE Trans. Pattern Anal. Mach. Intell. 24 (2002).
    """
    from skimage.feature import local_binary_pattern

    whole = np.round(100 * picture).astype(np.int32)
    codes = local_binary_pattern(whole, 8, 1, method="uniform").astype(np.int64)
    counts = np.bincount(regions.owner * PATTERNS + regions.values(codes), minlength=len(regions) * PATTERNS)
    return np.asarray(counts.reshape(-1, PATTERNS) / regions.counts[:, None])


def oriented_gradients(picture: Array, boxes: Ints) -> Floats:
    """Histogram of oriented gradients of each box: 2×2 cells of 9 orientations, one block: (n, 36).

    Gradients are central differences, 0 at the picture's border; a pixel adds its magnitude to the bin of its
    direction, 0° to 180°. The histograms of the cells are normalized together (L2-Hys). They are taken from one
    integral image per orientation, so that the size of a box costs nothing. The cells of an odd side differ by a pixel.

    Parameters
    ----------
    boxes : int (n, 4), inside the picture.

    References
    ----------
    N. Dalal and B. Triggs, "Histograms of oriented gradients for human detection", CVPR 2005. Q. Zhu et al., "Fast
    human detection using a cascade of histograms of oriented gradients", CVPR 2006.
    """
    rows, cols = picture.shape
    values = picture.astype(np.float64)
    down, right = np.zeros((2, rows, cols))
    down[1:-1] = values[2:] - values[:-2]
    right[:, 1:-1] = values[:, 2:] - values[:, :-2]
    angle = np.rad2deg(np.arctan2(down, right)) % 180
    bins = np.minimum(angle // (180 / ORIENTATIONS), ORIENTATIONS - 1).astype(np.int64)
    magnitude = np.zeros((rows * cols, ORIENTATIONS))
    magnitude[np.arange(rows * cols), bins.ravel()] = np.hypot(down, right).ravel()
    total = np.zeros((rows + 1, cols + 1, ORIENTATIONS))
    total[1:, 1:] = magnitude.reshape(rows, cols, ORIENTATIONS).cumsum(axis=0).cumsum(axis=1)
    row0, col0, row1, col1 = boxes.T
    row, col = (row0 + row1) // 2, (col0 + col1) // 2
    cells = []
    for top, bottom in ((row0, row), (row, row1)):
        for left, end in ((col0, col), (col, col1)):
            cell = total[bottom, end] - total[top, end] - total[bottom, left] + total[top, left]
            cells.append(cell / np.maximum((bottom - top) * (end - left), 1)[:, None])
    return _l2_hys(np.concatenate(cells, axis=1))


def _l2_hys(block: Floats) -> Floats:
    """Normalized, cut at 0.2, normalized again."""

    def unit(x: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(x / np.sqrt((x**2).sum(axis=1, keepdims=True) + 1e-10))

    return unit(np.minimum(unit(block), 0.2))
