"""Total variation: flat where little varies, with its edges kept."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.enhancement.arrays import Picture, filtered, positive, value_range

CLOSE = 6e-4
"""Root mean square distance from the minimum, as a share of the range, at which the search ends."""

MOST_STEPS = 1000


def total_variation(image: ArrayLike, *, weight: float) -> Picture:
    """Total variation: the picture u that minimizes Σ (u - image)² / 2 + weight · Σ |∇u|.

    It flattens what varies little and keeps edges. The minimum is approached by fast gradient projection on the dual
    problem. The gap between both problems says how far from it u can be: the search ends at six ten-thousandths
    of the range (root mean square), or after 1,000 steps.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    weight : in the image's units; about the standard deviation of the noise is a beginning.

    Returns
    -------
    float32, same shape and units, within the range. NaN is filled with the nearest value before and stays NaN after; a
    picture of one value comes back as it is.

    Raises
    ------
    InputError
        If the image is no picture, or the weight is not positive.

    References
    ----------
    L. Rudin, S. Osher and E. Fatemi, "Nonlinear total variation based noise removal algorithms", Physica D 60 (1992);
    A. Beck and M. Teboulle, "Fast gradient-based algorithms for constrained total variation image denoising and
    deblurring problems", IEEE Trans. Image Processing 18 (2009), section IV.

    Examples
    --------
    Each half of n pixels moves by weight / n:

    >>> total_variation([[0, 0, 0, 0, 9, 9, 9, 9]], weight=4).round(1)
    array([[1., 1., 1., 1., 8., 8., 8., 8.]], dtype=float32)
    """
    positive(weight, "weight")
    return filtered(image, lambda picture: _total_variation(picture, weight))


def _total_variation(picture: Picture, weight: float) -> Picture:
    low, high = value_range(picture)
    if low == high:
        return picture.copy()
    data = (picture - np.float32(low)) * np.float32(1 / weight)
    near = 0.5 * (CLOSE * (high - low) / weight) ** 2 * data.size
    # One field per axis, at most 1 long at each pixel: `flow` is the answer so far, `ahead` where it seems to go.
    flow, ahead, slope = (np.zeros((data.ndim, *data.shape), dtype=np.float32) for _ in range(3))
    u, length = np.empty_like(data), np.empty_like(data)
    step, pace = np.float32(1 / (4 * data.ndim)), 1.0
    for k in range(1, MOST_STEPS + 1):
        _spread(data, ahead, out=u)
        _differences(u, out=slope)
        slope *= step
        slope += ahead
        slope /= np.clip(_lengths(slope, out=length), np.float32(1), np.float32(np.inf), out=length)
        pace, before = (1 + math.sqrt(1 + 4 * pace**2)) / 2, pace
        np.subtract(slope, flow, out=ahead)
        ahead *= np.float32((before - 1) / pace)
        ahead += slope
        flow, slope = slope, flow
        if k % 10 == 0:
            _spread(data, flow, out=u)
            _differences(u, out=slope)
            gap = _lengths(slope, out=length).sum(dtype=np.float64) - (slope * flow).sum(dtype=np.float64)
            if gap <= near:
                break
    _spread(data, flow, out=u)
    u *= np.float32(weight)
    u += np.float32(low)
    return np.clip(u, np.float32(low), np.float32(high), out=u)


def _spread(data: Picture, flow: Picture, *, out: Picture) -> None:
    """What flows out of a pixel along an axis goes into the next."""
    np.copyto(out, data)
    for axis, along in enumerate(flow):
        first, second = _pairs(out, axis)
        first += _pairs(along, axis)[0]
        second -= _pairs(along, axis)[0]


def _differences(u: Picture, *, out: Picture) -> None:
    """To the next pixel along each axis; 0 at the last one."""
    for axis, along in enumerate(out):
        first, second = _pairs(u, axis)
        np.subtract(second, first, out=_pairs(along, axis)[0])
        np.moveaxis(along, axis, 0)[-1] = 0


def _lengths(field: Picture, *, out: Picture) -> Picture:
    np.einsum("k...,k...->...", field, field, out=out)
    return np.sqrt(out, out=out)


def _pairs(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Every pixel but the last along an axis, and the next of each."""
    whole: tuple[slice, ...] = (slice(None),) * axis
    return array[(*whole, slice(None, -1))], array[(*whole, slice(1, None))]
