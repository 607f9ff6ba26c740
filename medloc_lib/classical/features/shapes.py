"""Shape measures of regions in the plane, in mm. Where the IBSI defines a measure it has the IBSI's name."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from medloc_lib.classical.features.regions import Floats, Regions

NAMES = (
    "shape_area",
    "shape_perimeter",
    "shape_circularity",
    "shape_height",
    "shape_width",
    "shape_extent",
    "shape_solidity",
    "morph_diam",
    "morph_pca_maj_axis",
    "morph_pca_min_axis",
    "morph_pca_elongation",
)


def shape(regions: Regions, spacing: Sequence[float]) -> Floats:
    """Shape measures of each region, in the order of `NAMES`: float64 (n, 11).

    area, perimeter
        of the pixels in mm²; of the outline by marching squares in mm.
    circularity
        4π · area / perimeter².
    height, width, extent
        of the bounding box in mm; area over the area of that box.
    solidity, maximum diameter
        area over the area of the convex hull of the pixels' corners; the longest distance between two corners in mm.
    major and minor axis, elongation
        4 · the square root of the eigenvalues of the covariance of the pixels' centres, in mm; minor over major axis, 1
        for a single pixel.

    The IBSI defines its measures in 3-D; those that have its names are the same formulas in the plane.

    Parameters
    ----------
    spacing : mm per row and column.

    References
    ----------
    A. Zwanenburg et al., "The image biomarker standardization initiative", Radiology 295 (2020), reference manual,
    section 3.1. W. Lorensen and H. Cline, "Marching cubes", SIGGRAPH 1987.

    Examples
    --------
    >>> from medloc_lib.classical.features.regions import from_masks
    >>> box = from_masks([[1, 1, 3, 5]], [np.ones((2, 4), dtype=bool)], (4, 6))
    >>> values = dict(zip(NAMES, shape(box, (1, 1))[0].round(3).tolist()))
    >>> values["shape_area"], values["shape_perimeter"], values["morph_diam"]
    (8.0, 10.828, 4.472)
    """
    dy, dx = (float(step) for step in spacing)
    n, owner = regions.counts, regions.owner
    y, x = (regions.rows + 0.5) * dy, (regions.cols + 0.5) * dx
    y, x = y - regions.means(y)[owner], x - regions.means(x)[owner]
    vertical, horizontal, together = regions.means(y * y), regions.means(x * x), regions.means(x * y)
    middle, half = (vertical + horizontal) / 2, np.hypot((vertical - horizontal) / 2, together)
    major, minor = middle + half, np.maximum(middle - half, 0)
    area = n * dy * dx
    sides = regions.boxes[:, 2:] - regions.boxes[:, :2]
    outlines = np.asarray([_outline(regions, k, dy, dx) for k in range(len(n))]).reshape(-1, 3)
    perimeter, hull, diameter = outlines.T
    measures = {
        "shape_area": area,
        "shape_perimeter": perimeter,
        "shape_circularity": 4 * np.pi * area / perimeter**2,
        "shape_height": sides[:, 0] * dy,
        "shape_width": sides[:, 1] * dx,
        "shape_extent": n / np.prod(sides, axis=1),
        "shape_solidity": area / hull,
        "morph_diam": diameter,
        "morph_pca_maj_axis": 4 * np.sqrt(major),
        "morph_pca_min_axis": 4 * np.sqrt(minor),
        "morph_pca_elongation": np.sqrt(np.divide(minor, major, out=np.ones_like(major), where=major > 1e-12)),
    }
    return np.stack([measures[name] for name in NAMES], axis=1)


def _outline(regions: Regions, k: int, dy: float, dx: float) -> tuple[float, float, float]:
    """Perimeter, area of the convex hull, and maximum diameter of region `k`."""
    part = slice(regions.starts[k], regions.starts[k] + regions.counts[k])
    row0, col0, row1, col1 = regions.boxes[k]
    mask = np.zeros((row1 - row0 + 2, col1 - col0 + 2), dtype=np.uint8)
    mask[regions.rows[part] - row0 + 1, regions.cols[part] - col0 + 1] = 1
    # Every 2×2 block is one of 16 patterns, and through each the outline runs in its own way.
    across = np.hypot(dy, dx) / 2
    length = np.array([0, 1, 1, 2, 1, 3, 4, 1, 1, 4, 3, 1, 2, 1, 1, 0])
    block = mask[:-1, :-1] + 2 * mask[:-1, 1:] + 4 * mask[1:, :-1] + 8 * mask[1:, 1:]
    lengths = np.array([0, across, dx, dy, 2 * across])[length]
    perimeter = float(np.bincount(block.ravel(), minlength=16) @ lengths)
    rows = np.flatnonzero(mask.any(axis=1))
    first, last = mask[rows].argmax(axis=1), mask.shape[1] - mask[rows][:, ::-1].argmax(axis=1)
    y = np.tile(np.concatenate([rows, rows + 1]) * dy, 2)
    x = np.concatenate([first, first, last, last]) * dx
    corner = cv2.convexHull(np.stack([y, x], axis=1).astype(np.float32), returnPoints=False)[:, 0]
    y, x = y[corner], x[corner]
    hull = 0.5 * abs(float(y @ np.roll(x, 1) - x @ np.roll(y, 1)))
    diameter = np.hypot(np.subtract.outer(y, y), np.subtract.outer(x, x)).max()
    return perimeter, hull, float(diameter)
