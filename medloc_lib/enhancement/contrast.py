"""Contrast: maps from grey to grey, the same for every pixel of a picture.

All rise, so none changes which of two pixels is the brighter one. NaN stays NaN. All but `window`, which looks at one
value alone, keep the picture's units and its range, from its lowest to its highest value, and give a picture of one
value back as it is.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.enhancement.arrays import FLAT, Picture, as_picture, measured, positive, rows_of, value_range
from medloc_lib.errors import InputError


def window(image: ArrayLike, *, center: float, width: float) -> Picture:
    """Window and level: 0 at the window's lower edge, 1 at its upper one, a straight line between.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    center, width : of the window, in the image's units. The center is also called level.

    Returns
    -------
    float32, same shape, from 0 (black) to 1 (white), without units. As the window is the same for every picture, one of
    a single value gets what the window gives, and infinite values are black or white.

    Raises
    ------
    InputError
        If the image is no picture, or the width is not positive.

    References
    ----------
    DICOM PS3.3 C.11.2.1.3.2, function LINEAR_EXACT.

    Examples
    --------
    >>> window([[-1000, 0, 40, 60, 1000]], center=40, width=80)
    array([[0.  , 0.  , 0.5 , 0.75, 1.  ]], dtype=float32)
    """
    low, high = center - positive(width, "width") / 2, center + width / 2
    _rising(low, high)
    return _line(as_picture(image), low, high, 0.0, 1.0)


def stretch(image: ArrayLike, *, low: float, high: float) -> Picture:
    """Linear stretch: values from `low` to `high` spread over the picture's whole range, what is beyond is cut off.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    low, high : in the image's units.

    Returns
    -------
    float32, same shape, units and range.

    Raises
    ------
    InputError
        If the image is no picture, or `high` is not above `low`.

    Examples
    --------
    >>> stretch([[0, 2, 3, 4, 8]], low=2, high=4)
    array([[0., 0., 4., 8., 8.]], dtype=float32)
    """
    picture = as_picture(image)
    _rising(low, high)
    return _line(picture, low, high, *value_range(picture))


def stretch_percentiles(image: ArrayLike, *, low: float = 1.0, high: float = 99.0) -> Picture:
    """Percentile stretch: `stretch` between two percentiles of the picture, so that a few extreme pixels do not decide.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    low, high : percentiles, 0 to 100.

    Returns
    -------
    float32, same shape, units and range. Where both percentiles have the same value the picture comes back as it is.

    Raises
    ------
    InputError
        If the image is no picture, or the percentiles do not rise within 0 and 100.

    Examples
    --------
    >>> stretch_percentiles([[0, 1, 2, 3, 100]], low=0, high=75)
    array([[  0.      ,  33.333332,  66.666664, 100.      , 100.      ]],
          dtype=float32)
    """
    picture = as_picture(image)
    _rising(low, high)
    if low < 0 or high > 100:
        raise InputError(f"percentiles lie between 0 and 100; got {low} and {high}")
    values, darkest, brightest = measured(picture)
    edges = np.percentile(values, (low, high))
    if edges[1] - edges[0] < FLAT:
        return picture.copy()
    return _line(picture, float(edges[0]), float(edges[1]), darkest, brightest)


def gamma(image: ArrayLike, *, exponent: float) -> Picture:
    """Power law: y = x^exponent, for x the share of the picture's range. Under 1 it brightens, over 1 it darkens.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    exponent : above 0.

    Returns
    -------
    float32, same shape, units and range.

    Raises
    ------
    InputError
        If the image is no picture, or the exponent is not positive.

    References
    ----------
    R. Gonzalez and R. Woods, "Digital Image Processing" (4th ed., 2018), section 3.2.

    Examples
    --------
    >>> gamma([[0, 25, 100]], exponent=0.5)
    array([[  0.,  50., 100.]], dtype=float32)
    """
    positive(exponent, "exponent")
    picture = as_picture(image)
    low, high = value_range(picture)
    if low == high:
        return picture.copy()
    share = picture - np.float32(low)
    share *= np.float32(1 / (high - low))
    cv2.pow(rows_of(share), exponent, rows_of(share))
    return _back(share, low, high)


def logarithm(image: ArrayLike, *, strength: float = 10.0) -> Picture:
    """Logarithm: y = log(1 + strength · x) / log(1 + strength), for x the share of the picture's range.

    It spreads the dark end and draws the bright one together.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    strength : above 0; near 0 the map is a straight line.

    Returns
    -------
    float32, same shape, units and range.

    Raises
    ------
    InputError
        If the image is no picture, or the strength is not positive.

    References
    ----------
    R. Gonzalez and R. Woods, "Digital Image Processing" (4th ed., 2018), section 3.2.

    Examples
    --------
    >>> logarithm([[0, 1, 3]], strength=3)
    array([[0. , 1.5, 3. ]], dtype=float32)
    """
    positive(strength, "strength")
    picture = as_picture(image)
    low, high = value_range(picture)
    if low == high:
        return picture.copy()
    share = picture - np.float32(low)
    share *= np.float32(strength / (high - low))
    share += np.float32(1)
    cv2.log(rows_of(share), rows_of(share))
    return _back(share, low, high, 1 / math.log1p(strength))


def sigmoid(image: ArrayLike, *, center: float | None = None, gain: float = 10.0) -> Picture:
    """Sigmoid: y = 1 / (1 + exp(-gain · (x - c))), for x the share of the picture's range, c that of `center`.

    It spreads what lies around the center, and draws both ends together.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    center : in the image's units; default the middle of its range.
    gain : above 0; the slope at the center is a quarter of it.

    Returns
    -------
    float32, same shape and units, within the range: a sigmoid reaches neither end.

    Raises
    ------
    InputError
        If the image is no picture, or the gain is not positive.

    References
    ----------
    G. Braun and M. Fairchild, "Image lightness rescaling using sigmoidal contrast enhancement functions", J. Electronic
    Imaging 8 (1999).

    Examples
    --------
    >>> sigmoid([[0, 50, 100]], gain=10).round(1)
    array([[ 0.7, 50. , 99.3]], dtype=float32)
    """
    positive(gain, "gain")
    picture = as_picture(image)
    low, high = value_range(picture)
    if low == high:
        return picture.copy()
    middle = (low + high) / 2 if center is None else center
    bent = (picture - np.float32(middle)) * np.float32(-gain / (high - low))
    cv2.exp(rows_of(bent), rows_of(bent))  # far below the center it is infinite, and y is 0
    bent += np.float32(1)
    np.divide(np.float32(high - low), bent, out=bent)
    bent += np.float32(low)
    return bent


def _rising(low: float, high: float) -> None:
    if not (math.isfinite(low) and math.isfinite(high) and high - low >= FLAT):
        raise InputError(f"high must be above low; got {low} and {high}")


def _line(picture: Picture, low: float, high: float, to_low: float, to_high: float) -> Picture:
    """The line through (low, to_low) and (high, to_high), cut off at both. A new picture."""
    result = picture - np.float32(low)
    result *= np.float32((to_high - to_low) / (high - low))
    if to_low:
        result += np.float32(to_low)
    return np.clip(result, np.float32(to_low), np.float32(to_high), out=result)


def _back(share: Picture, low: float, high: float, scale: float = 1.0) -> Picture:
    """Shares of the range as values, in place."""
    share *= np.float32((high - low) * scale)
    share += np.float32(low)
    return np.clip(share, np.float32(low), np.float32(high), out=share)
