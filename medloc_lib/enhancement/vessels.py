"""Tubes: how much like a vessel the surroundings of each pixel are."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations_with_replacement

import cv2
import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.enhancement.arrays import Picture, filtered, positive, value_range
from medloc_lib.errors import InputError

PLATE, BLOB = 0.5, 0.5
"""Frangi's alpha and beta: how strictly plates and blobs are told from tubes."""


def frangi(image: ArrayLike, *, sigmas: Sequence[float] = (1.0, 2.0, 3.0), bright: bool = True) -> Picture:
    """Frangi's vesselness: high in tubes of a radius of about one of the sigmas.

    At each scale the second derivatives of the blurred picture (its Hessian, times sigma²) are looked at along their
    own axes: in a tube one is small and the others are large and of one sign. With |a| ≤ |b| ≤ |c| the eigenvalues,
    in 3-D V = (1 - exp(-(b/c)² / 2 alpha²)) · exp(-a² / |b c| / 2 beta²) · (1 - exp(-S² / 2 s²)); in 2-D, where there
    are two, |a| ≤ |b|, V = exp(-(a/b)² / 2 beta²) · (1 - exp(-S² / 2 s²)). S² is the sum of their squares, s half of
    the largest S in the picture, alpha = beta = 0.5. The result is the largest V of all scales.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    sigmas : radii looked for, in pixels.
    bright : look for tubes that are brighter than what is around them, else for darker ones.

    Returns
    -------
    float32, same shape, from 0 to 1, without units. 0 for a picture of one value. NaN is filled with the nearest value
    before and stays NaN after.

    Raises
    ------
    InputError
        If the image is no picture, or there is no sigma or one that is not positive.

    References
    ----------
    A. Frangi et al., "Multiscale vessel enhancement filtering", MICCAI (1998), eqs. 13 to 15.

    Examples
    --------
    >>> line = np.zeros((21, 21))
    >>> line[10] = 1
    >>> response = frangi(line, sigmas=[2])
    >>> response[10, 10] > 0.8, response[3, 10] < 0.01
    (np.True_, np.True_)
    """
    scales = [positive(sigma, "sigmas") for sigma in sigmas]
    if not scales:
        raise InputError("sigmas must name at least one radius; got none")

    def work(picture: Picture) -> Picture:
        low, high = value_range(picture)
        if low == high:
            return np.zeros_like(picture)
        share = (picture - np.float32((low + high) / 2)) * np.float32((-2 if bright else 2) / (high - low))
        vesselness = _vesselness_2d if picture.ndim == 2 else _vesselness_3d
        result = vesselness(share, scales[0])
        for sigma in scales[1:]:
            np.maximum(result, vesselness(share, sigma), out=result)
        return result

    return filtered(image, work)


def _vesselness_2d(picture: Picture, sigma: float) -> Picture:
    """Of dark tubes."""
    none, first, second = _kernels(sigma)

    def derivative(along_rows: Picture, along_cols: Picture) -> Picture:
        found = cv2.sepFilter2D(picture, cv2.CV_32F, along_cols, along_rows, borderType=cv2.BORDER_REFLECT)
        return np.asarray(found, dtype=np.float32)

    rows, cols, both = derivative(second, none), derivative(none, second), derivative(first, first)
    middle = (rows + cols) / 2
    rows -= middle
    rows *= rows
    rows += both * both
    distance = np.sqrt(rows, out=rows)
    large, small = middle + distance, middle - distance  # of these the first is the larger where it counts: middle > 0
    strength: Picture = np.square(large) + np.square(small)
    contrast = 1 - _exp(strength, -2 / max(float(strength.max()), 1e-30))
    blob: Picture = np.divide(small, large, out=small, where=middle > 0)
    contrast *= _exp(np.square(blob), -0.5 / BLOB**2)
    contrast[middle <= 0] = 0
    return contrast


def _vesselness_3d(volume: Picture, sigma: float) -> Picture:
    """Of dark tubes."""
    from scipy import ndimage

    kernels = _kernels(sigma)
    second: dict[tuple[int, int], Picture] = {}
    for pair in combinations_with_replacement(range(3), 2):
        second[pair] = volume
        for axis in range(3):
            second[pair] = ndimage.correlate1d(second[pair], kernels[pair.count(axis)], axis, mode="reflect")
    values = np.empty((*volume.shape, 3), dtype=np.float32)
    for k in range(len(volume)):
        hessian = np.stack([second[min(i, j), max(i, j)][k] for i in range(3) for j in range(3)], axis=-1)
        own = np.linalg.eigvalsh(hessian.reshape(*volume.shape[1:], 3, 3))
        values[k] = np.take_along_axis(own, np.argsort(np.abs(own), axis=-1), axis=-1)
    small, middle, large = np.moveaxis(values, -1, 0)
    strength = (values * values).sum(axis=-1)
    tube = (middle > 0) & (large > 0)
    a, b, c = small[tube], middle[tube], large[tube]
    result = np.zeros_like(volume)
    result[tube] = (
        (1 - np.exp(-((b / c) ** 2) / (2 * PLATE**2)))
        * np.exp(-(a**2) / (b * c) / (2 * BLOB**2))
        * (1 - np.exp(-2 * strength[tube] / max(float(strength.max()), 1e-30)))
    )
    return result


def _exp(values: Picture, factor: float) -> Picture:
    return np.asarray(cv2.exp(values * np.float32(factor)), dtype=np.float32)


def _kernels(sigma: float) -> tuple[Picture, Picture, Picture]:
    """A Gaussian and its first two derivatives times sigma each time, out to 5 sigma; both give 0 on a constant."""
    x = np.arange(-math.ceil(5 * sigma), math.ceil(5 * sigma) + 1) / sigma
    bell = np.exp(-(x**2) / 2)
    bell /= bell.sum()
    second = (x**2 - 1) * bell
    second -= second.sum() * bell
    return bell.astype(np.float32), (-x * bell).astype(np.float32), second.astype(np.float32)
