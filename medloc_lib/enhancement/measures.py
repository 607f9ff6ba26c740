"""How much better a picture is: against its own lesion and noise, or against the clean picture where one is known.

NaN does not count anywhere.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.enhancement.arrays import (
    Bools,
    Picture,
    as_picture,
    coded,
    filled,
    gaussian,
    measured,
    rows_of,
    value_range,
)
from medloc_lib.errors import InputError

RING = 5
"""How many pixels around a lesion are its surroundings, unless they are given."""


def cnr(image: ArrayLike, lesion: ArrayLike, *, surroundings: ArrayLike | None = None) -> float:
    """Contrast-to-noise ratio: |mean of the lesion - mean of the surroundings| / standard deviation of the latter.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    lesion : mask of the same shape; every value but 0 is lesion.
    surroundings : mask of the same shape; default the pixels within 5 of the lesion along the axes or diagonally. What
        is lesion does not count.

    Returns
    -------
    Number without units, from 0. Infinite if only the surroundings have no noise, NaN if there is no contrast either.

    Raises
    ------
    InputError
        If the image is no picture, or a mask does not fit it or is empty.

    References
    ----------
    R. Bushberg et al., "The Essential Physics of Medical Imaging" (3rd ed., 2012), section 4.6.

    Examples
    --------
    >>> cnr([[8, 12, 20, 20]], [[0, 0, 1, 1]], surroundings=[[1, 1, 0, 0]])
    5.0
    """
    picture = as_picture(image)
    inside = _mask(lesion, picture, "lesion")
    if surroundings is None:
        from scipy import ndimage

        around = ndimage.binary_dilation(inside, np.ones((3,) * picture.ndim, dtype=bool), iterations=RING)
    else:
        around = _mask(surroundings, picture, "surroundings")
    mean, _ = _statistics(picture, inside, "lesion")
    ground, noise = _statistics(picture, around & ~inside, "surroundings")
    return _ratio(abs(mean - ground), noise)


def snr(image: ArrayLike, region: ArrayLike) -> float:
    """Signal-to-noise ratio: mean over standard deviation of a region that should be even.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    region : mask of the same shape.

    Returns
    -------
    Number without units. Infinite if the region has no noise, NaN if it is 0 throughout.

    Raises
    ------
    InputError
        If the image is no picture, or the mask does not fit it or is empty.

    References
    ----------
    R. Bushberg et al., "The Essential Physics of Medical Imaging" (3rd ed., 2012), section 4.6.

    Examples
    --------
    >>> snr([[9, 11, 0]], [[1, 1, 0]])
    10.0
    """
    picture = as_picture(image)
    return _ratio(*_statistics(picture, _mask(region, picture, "region"), "region"))


def air_noise(image: ArrayLike, air: ArrayLike) -> float:
    """Standard deviation of the noise of an MR magnitude picture, measured in the air beside the patient.

    Where there is no signal a magnitude has a Rayleigh distribution, whose own standard deviation is smaller than that
    of the noise in real and imaginary part, by √(2 - π/2) = 0.655. Where there is signal the noise is as it was.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    air : mask of the same shape.

    Returns
    -------
    Number in the image's units.

    Raises
    ------
    InputError
        If the image is no picture, or the mask does not fit it or is empty.

    References
    ----------
    L. Kaufman et al., "Measuring signal-to-noise ratios in MR imaging", Radiology 173 (1989).

    Examples
    --------
    >>> real, imaginary = np.random.default_rng(0).normal(0, 10, (2, 300, 300))
    >>> round(air_noise(np.hypot(real, imaginary), np.ones((300, 300))), 1)
    10.0
    """
    picture = as_picture(image)
    return _statistics(picture, _mask(air, picture, "air"), "air")[1] / math.sqrt(2 - math.pi / 2)


def entropy(image: ArrayLike) -> float:
    """Shannon entropy of the histogram of 256 bins over the picture's range.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).

    Returns
    -------
    Bits: 0 for a picture of one value, 8 where all bins are equally full.

    Raises
    ------
    InputError
        If the image is no picture.

    References
    ----------
    C. Shannon, "A mathematical theory of communication", Bell System Technical Journal 27 (1948), section 6.

    Examples
    --------
    >>> entropy([[1, 1, 5, 9]])
    1.5
    """
    codes = coded(*measured(as_picture(image)))
    counts = np.bincount(codes.ravel(), minlength=65536).reshape(256, 256).sum(axis=1)
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log2(share)).sum()) + 0.0  # so that 0 has no sign


def psnr(image: ArrayLike, clean: ArrayLike) -> float:
    """Peak signal-to-noise ratio in dB: 10 · log10(range² / mean squared error), the range being that of `clean`.

    Parameters
    ----------
    image, clean : (rows, cols) or (planes, rows, cols), in the same units.

    Returns
    -------
    dB. Infinite for equal pictures.

    Raises
    ------
    InputError
        If either is no picture, their shapes differ, or `clean` has only one value.

    References
    ----------
    A. Netravali and B. Haskell, "Digital Pictures" (2nd ed., 1995), section 3.2.

    Examples
    --------
    >>> round(psnr([[1, 10]], [[0, 10]]), 2)
    23.01
    """
    picture, truth, _, span = _pair(image, clean)
    total = cv2.norm(rows_of(picture), rows_of(truth), cv2.NORM_L2SQR)
    error, n = total / span**2, picture.size
    if not math.isfinite(total):
        difference = measured((picture - truth) * np.float32(1 / span))[0].ravel()
        error, n = float(np.dot(difference, difference)), len(difference)
    return math.inf if error == 0 else -10 * math.log10(error / n)


def ssim(image: ArrayLike, clean: ArrayLike) -> float:
    """Structural similarity: brightness, contrast and structure compared in Gaussian windows.

    The window has sigma 1.5 and 11 pixels a side. What is given is the mean over all places where it lies inside the
    picture, or over all where it fits nowhere.

    Parameters
    ----------
    image, clean : (rows, cols) or (planes, rows, cols), in the same units.

    Returns
    -------
    1 for equal pictures, about 0 for unrelated ones.

    Raises
    ------
    InputError
        If either is no picture, their shapes differ, or `clean` has only one value.

    References
    ----------
    Z. Wang et al., "Image quality assessment: from error visibility to structural similarity", IEEE Trans. Image
    Processing 13 (2004), with K1 = 0.01, K2 = 0.03 and the range of `clean`.

    Examples
    --------
    >>> picture = np.indices((16, 16)).sum(axis=0) % 5
    >>> round(ssim(picture, picture), 3), ssim(4 - picture, picture) < 0
    (1.0, True)
    """
    picture, truth, low, span = _pair(image, clean)
    (x, holes), (y, gaps) = filled(picture), filled(truth)
    x, y = ((z - np.float32(low)) * np.float32(1 / span) for z in (x, y))  # from 0, so that squares stay exact

    def blurred(z: Picture) -> Picture:
        return gaussian(z, 1.5, radius=5)

    mean_x, mean_y = blurred(x), blurred(y)
    covariance = blurred(x * y) - mean_x * mean_y
    variances = blurred(x * x + y * y) - np.square(mean_x) - np.square(mean_y)
    mean_x += np.float32(low / span)
    mean_y += np.float32(low / span)
    one, two = np.float32(0.01**2), np.float32(0.03**2)
    index = (2 * mean_x * mean_y + one) * (2 * covariance + two)
    index /= (np.square(mean_x) + np.square(mean_y) + one) * (variances + two)
    for missing in (holes, gaps):
        if missing is not None:
            index[missing] = np.nan
    inner = tuple(slice(5, -5) if min(index.shape) > 10 else slice(None) for _ in index.shape)
    return float(np.nanmean(index[inner], dtype=np.float64))


def _pair(image: ArrayLike, clean: ArrayLike) -> tuple[Picture, Picture, float, float]:
    """Both pictures, and the lowest value and the range of the second."""
    picture, truth = as_picture(image), as_picture(clean)
    if picture.shape != truth.shape:
        raise InputError(f"both pictures must have the same shape; got {picture.shape} and {truth.shape}")
    low, high = value_range(truth)
    if low == high:
        raise InputError(f"the clean picture must have a range to measure by; it is {low:g} throughout")
    return picture, truth, low, high - low


def _mask(mask: ArrayLike, picture: Picture, name: str) -> Bools:
    chosen: Bools = np.asarray(mask) != 0
    if chosen.shape != picture.shape:
        raise InputError(f"{name} must have the picture's shape {picture.shape}; got {chosen.shape}")
    return chosen


def _statistics(picture: Picture, mask: Bools, name: str) -> tuple[float, float]:
    """Mean and standard deviation of what a mask holds."""
    values = picture[mask]
    values = values[~np.isnan(values)].astype(np.float64)
    if len(values) == 0:
        raise InputError(f"{name} holds no pixel that was measured: give a mask with some")
    return float(values.mean()), float(values.std())


def _ratio(signal: float, noise: float) -> float:
    if noise == 0:
        return math.nan if signal == 0 else math.copysign(math.inf, signal)
    return signal / noise
