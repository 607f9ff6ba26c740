"""Against noise: median, bilateral, non-local means. Total variation is in `variation`.

All keep the picture's units and stay within its range. NaN is filled with the nearest value before and stays NaN after;
a picture of one value, or of one pixel, comes back as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import cv2
import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.enhancement.arrays import Picture, filtered, positive, rows_of, value_range
from medloc_lib.errors import InputError


def median(image: ArrayLike, *, size: int = 3) -> Picture:
    """Median of the square (cube) around each pixel; beyond the border the nearest pixel is repeated.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    size : side of the square in pixels, odd.

    Returns
    -------
    float32, same shape and units, within the range.

    Raises
    ------
    InputError
        If the image is no picture, or the size is not odd and positive.

    References
    ----------
    T. Huang, G. Yang and G. Tang, "A fast two-dimensional median filtering algorithm", IEEE Trans. ASSP 27 (1979);
    OpenCV's for sides of 3 and 5 in 2-D, else SimpleITK's.

    Examples
    --------
    >>> median([[1, 1, 1], [1, 9, 1], [1, 1, 1]])[1]
    array([1., 1., 1.], dtype=float32)
    """
    if size != int(size) or size < 1 or size % 2 == 0:
        raise InputError(f"size must be an odd number of pixels; got {size}")
    return filtered(image, lambda picture: _median(picture, int(size)))


def bilateral(image: ArrayLike, *, sigma: float = 2.0, contrast: float) -> Picture:
    """Bilateral filter: a mean of what is near in place and near in value, so that edges stay.

    The weight of a pixel at distance d, with a value that differs by v, is exp(-d²/2 sigma² - v²/2 contrast²), out to
    d = 1.5 sigma, rounded; beyond the border the picture is mirrored.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    sigma : in pixels.
    contrast : in the image's units; edges that are much higher stay.

    Returns
    -------
    float32, same shape and units, within the range.

    Raises
    ------
    InputError
        If the image is no picture, or a parameter is not positive.

    References
    ----------
    C. Tomasi and R. Manduchi, "Bilateral filtering for gray and color images", ICCV (1998); OpenCV's in 2-D.

    Examples
    --------
    >>> bilateral([[0, 2, 0, 100, 102, 100]], contrast=5).round().tolist()
    [[1.0, 1.0, 1.0, 101.0, 101.0, 101.0]]
    """
    positive(sigma, "sigma"), positive(contrast, "contrast")
    return filtered(image, lambda picture: _bilateral(picture, sigma, contrast))


def non_local_means(image: ArrayLike, *, noise: float, patch: int = 5, reach: int = 6) -> Picture:
    """Non-local means: a mean of the pixels whose surroundings look alike.

    The weight of a pixel is exp(-max(D - 2 noise², 0) / h²), D the mean squared difference of the patches around both,
    h = 0.8 noise. The picture is mirrored at the border.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    noise : standard deviation of the noise, in the image's units.
    patch : side of a patch in pixels, odd.
    reach : how far away pixels are compared, in pixels along each axis.

    Returns
    -------
    float32, same shape and units, within the range.

    Raises
    ------
    InputError
        If the image is no picture, the noise is not positive, the patch not odd, or the reach under 1.

    References
    ----------
    A. Buades, B. Coll and J.-M. Morel, "A non-local algorithm for image denoising", CVPR (2005); the sum over patches
    as in J. Darbon et al., "Fast nonlocal filtering applied to electron cryomicroscopy", ISBI (2008).

    Examples
    --------
    >>> noisy = np.eye(16) * 100 + np.random.default_rng(0).normal(0, 1, (16, 16))
    >>> float(np.abs(non_local_means(noisy, noise=1) - np.eye(16) * 100).mean().round(1))
    0.2
    """
    positive(noise, "noise")
    if patch != int(patch) or patch < 1 or patch % 2 == 0 or reach != int(reach) or reach < 1:
        raise InputError(f"patch must be odd and reach from 1, in pixels; got {patch} and {reach}")
    return filtered(image, lambda picture: _non_local_means(picture, noise, int(patch), int(reach)))


def _median(picture: Picture, size: int) -> Picture:
    if picture.ndim == 2 and size in (3, 5):
        return np.asarray(cv2.medianBlur(picture, size), dtype=np.float32)
    from SimpleITK import GetArrayFromImage, GetImageFromArray, Median

    found = Median(GetImageFromArray(picture), [size // 2] * picture.ndim)
    return np.asarray(GetArrayFromImage(found), dtype=np.float32)


def _bilateral(picture: Picture, sigma: float, contrast: float) -> Picture:
    low, high = value_range(picture)
    if low == high:
        return picture.copy()
    radius = max(round(1.5 * sigma), 1)
    unit = high - low if high - low < 1e-3 else 1.0  # OpenCV takes a range under 1e-7 for none
    share, spread = picture - np.float32(low), contrast / unit
    if unit != 1:
        share /= np.float32(unit)
    if picture.ndim == 2:
        found = cv2.bilateralFilter(share, 2 * radius + 1, spread, sigma, borderType=cv2.BORDER_REFLECT)
        share = np.asarray(found, dtype=np.float32)
    else:
        share = _bilateral_volume(share, radius, sigma, spread)
    if unit != 1:
        share *= np.float32(unit)
    share += np.float32(low)
    return np.clip(share, np.float32(low), np.float32(high), out=share)


def _bilateral_volume(volume: Picture, radius: int, sigma: float, spread: float) -> Picture:
    total, weights = np.zeros_like(volume), np.zeros_like(volume)
    for offset, other in _shifted(np.pad(volume, radius, mode="symmetric"), radius, volume.shape):
        distance = sum(step**2 for step in offset)
        if distance <= radius**2:
            weight = np.exp((other - volume) ** 2 / np.float32(-2 * spread**2) - np.float32(distance / (2 * sigma**2)))
            weights += weight
            weight *= other
            total += weight
    return total / weights


def _shifted(padded: Picture, reach: int, shape: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Picture]]:
    """Every offset of at most `reach` along each axis, and what of a padded picture lies there."""
    for offset in product(range(-reach, reach + 1), repeat=padded.ndim):
        yield offset, padded[tuple(slice(reach + k, reach + k + n) for k, n in zip(offset, shape, strict=True))]


def _non_local_means(picture: Picture, noise: float, patch: int, reach: int) -> Picture:
    low, high = value_range(picture)
    half = patch // 2
    wide = np.pad(picture, half, mode="symmetric")
    padded = np.pad(picture, half + reach, mode="symmetric")
    inner = tuple(slice(half, half + n) for n in picture.shape)
    scale = -1 / (0.64 * noise**2 * patch**picture.ndim)
    total, weights = np.zeros_like(picture), np.zeros_like(picture)
    for _, other in _shifted(padded, reach, wide.shape):
        difference = other - wide
        difference *= difference
        weight = _patch_sums(difference, patch, scale)[inner] + np.float32(2 / 0.64)
        np.clip(
            weight, np.float32(-80), np.float32(0), out=weight
        )  # what is smaller than exp(-80) is slow, and nothing
        cv2.exp(rows_of(weight), rows_of(weight))
        weights += weight
        weight *= other[inner]
        total += weight
    total /= weights
    return np.clip(total, np.float32(low), np.float32(high), out=total)


def _patch_sums(squares: Picture, patch: int, scale: float) -> Picture:
    """Sums over the patch around each pixel, times `scale`; right where the patch lies inside."""
    if squares.ndim == 2:
        ones = np.ones(patch, dtype=np.float32)
        return np.asarray(cv2.sepFilter2D(squares, cv2.CV_32F, ones, ones * np.float32(scale)), dtype=np.float32)
    planes = np.stack([_patch_sums(plane, patch, scale) for plane in squares])
    sums = np.zeros_like(planes)
    half = patch // 2
    for k in range(patch):
        sums[half : len(planes) - half] += planes[k : len(planes) - 2 * half + k]
    return sums
