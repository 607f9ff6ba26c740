"""Scores of masks: how much of two masks is shared, and how far apart their surfaces are.

In a mask every value but 0 is foreground. Compare one class of a label map as `truth == 2`. A surface is the
foreground pixels that have background, or the border of the image, beside them along an axis.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.geometry import as_label_map
from medloc_lib.metrics.curves import Bools, Floats, Ints


def dice(a: ArrayLike, b: ArrayLike) -> float:
    """Dice coefficient: twice the shared pixels over the pixels of both. 1 if both masks are empty.

    Parameters
    ----------
    a, b : masks of the same shape, 2-D or 3-D.

    References
    ----------
    L. Dice, "Measures of the amount of ecologic association between species", Ecology 26 (1945).

    Examples
    --------
    >>> dice([[1, 1, 0]], [[0, 1, 0]]) == 2 / 3
    True
    """
    first, second = _pair(a, b)
    both = np.count_nonzero(first) + np.count_nonzero(second)
    return float(2 * np.count_nonzero(first & second) / both) if both else 1.0


def hausdorff(a: ArrayLike, b: ArrayLike, *, spacing: float | Sequence[float] = 1.0, percentile: float = 95.0) -> float:
    """Hausdorff distance in mm at a percentile: nearly all of each surface is no further than this from the other.

    From each surface point of one mask the nearest of the other is found; the percentile is taken in either direction,
    and the larger of the two is given. Infinite if one mask is empty: a missed object is infinitely far, and must not
    drop out of a mean as NaN does. NaN if both are empty: there is nothing to measure.

    Parameters
    ----------
    a, b : masks of the same shape, 2-D or 3-D.
    spacing : mm per axis, or one number for all.
    percentile : over 0 and up to 100; 100 is the classical distance, which a single stray pixel decides.

    References
    ----------
    D. Huttenlocher et al., "Comparing images using the Hausdorff distance", IEEE PAMI 15 (1993).

    Examples
    --------
    >>> hausdorff([[1, 0, 0, 0]], [[0, 0, 0, 1]], spacing=2)
    6.0
    """
    if not 0 < percentile <= 100:
        raise InputError(f"percentile must be over 0 and up to 100; got {percentile}")
    to_b, to_a = _surface_distances(a, b, spacing)
    if len(to_b) == 0 or len(to_a) == 0:
        return float("inf") if len(to_b) or len(to_a) else float("nan")
    return float(max(np.percentile(to_b, percentile), np.percentile(to_a, percentile)))


def surface_distance(a: ArrayLike, b: ArrayLike, *, spacing: float | Sequence[float] = 1.0) -> float:
    """Average symmetric surface distance in mm.

    The mean, over the surface points of both masks, of the distance to the other mask's surface. Infinite if one mask
    is empty, NaN if both are.

    Parameters
    ----------
    a, b : masks of the same shape, 2-D or 3-D.
    spacing : mm per axis, or one number for all.

    References
    ----------
    T. Heimann et al., "Comparison and evaluation of methods for liver segmentation from CT datasets", IEEE TMI 28
    (2009), section III-C.

    Examples
    --------
    From left to right 1 and 0, back 0: a third of a pixel.

    >>> round(surface_distance([[1, 1, 0]], [[0, 1, 0]]), 3)
    0.333
    """
    to_b, to_a = _surface_distances(a, b, spacing)
    if len(to_b) == 0 or len(to_a) == 0:
        return float("inf") if len(to_b) or len(to_a) else float("nan")
    return float(np.concatenate([to_b, to_a]).mean())


def _pair(a: ArrayLike, b: ArrayLike) -> tuple[Bools, Bools]:
    first, second = _foreground(a), _foreground(b)
    if first.shape != second.shape:
        raise InputError(f"both masks must have the same shape; got {first.shape} and {second.shape}")
    return first, second


def _foreground(mask: ArrayLike) -> Bools:
    array = np.asarray(mask)
    return array if array.dtype == bool and array.ndim in (2, 3) else as_label_map(array) != 0


def _surface_distances(a: ArrayLike, b: ArrayLike, spacing: float | Sequence[float]) -> tuple[Floats, Floats]:
    """Distance in mm from each surface point of `a` to the surface of `b`, and back; infinite if that has no point."""
    first, second = _pair(a, b)
    steps = np.asarray(spacing, dtype=np.float64)
    if steps.shape not in ((), (first.ndim,)) or not np.isfinite(steps).all() or (steps <= 0).any():
        raise InputError(f"spacing must be one or {first.ndim} positive numbers in mm; got {spacing}")
    points_a, points_b = _surface(first) * steps, _surface(second) * steps
    if len(points_a) == 0 or len(points_b) == 0:
        return np.full(len(points_a), np.inf), np.full(len(points_b), np.inf)
    from scipy.spatial import KDTree

    return KDTree(points_b).query(points_a)[0], KDTree(points_a).query(points_b)[0]


def _surface(mask: Bools) -> Ints:
    """Indices of the surface pixels, (n, ndim)."""
    from scipy import ndimage

    regions = ndimage.find_objects(mask.view(np.uint8))
    if not regions:
        return np.zeros((0, mask.ndim), dtype=np.int64)
    part = mask[regions[0]]  # eroding the rest would be wasted
    edge = part & ~ndimage.binary_erosion(part)
    return np.asarray(np.argwhere(edge) + [s.start for s in regions[0]], dtype=np.int64)
