"""The histogram, reshaped: equalization, bi-histogram equalization, and matching to a reference.

Values are counted in 65,536 equal steps over the picture's range, for matching in 1,048,576: a result differs from the
one without steps by at most what the pixels that fall into one step make out. NaN does not count and stays NaN; a
picture of one value comes back as it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.enhancement.arrays import Bools, Codes, Picture, as_picture, coded, value_range
from medloc_lib.errors import InputError

STEPS = 2**16
FINE = 2**20

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def equalize(image: ArrayLike, *, mask: ArrayLike | None = None) -> Picture:
    """Histogram equalization: a pixel becomes the share of pixels that are not brighter, as a share of the range.

    With F(x) the share of pixels of at most x, y = low + (high - low) · (F(x) - F(low)) / (1 - F(low)): the lowest
    value stays the lowest, the highest the highest, and between them all values become equally frequent.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    mask : bool, same shape; the pixels that are counted, such as those of the patient and not of the air. The map that
        follows from them is used on all, and what is beyond their range is cut off.

    Returns
    -------
    float32, same shape, units and range.

    Raises
    ------
    InputError
        If the image is no picture, or the mask does not fit it or is empty.

    References
    ----------
    E. Hall, "Almost uniform distributions for computer image enhancement", IEEE Trans. Computers C-23 (1974).

    Examples
    --------
    >>> equalize([[0, 1, 1, 2, 100]])
    array([[  0.,  50.,  50.,  75., 100.]], dtype=float32)
    """
    picture = as_picture(image)
    low, high = value_range(picture)
    counted = None if mask is None else _checked(mask, picture)
    first, last = (low, high) if counted is None else value_range(picture[counted])
    if first == last:
        return picture.copy()
    codes = _codes(picture, first, last)
    return _looked_up(low + (high - low) * _rise(_counts(codes, picture, counted)), codes, picture)


def equalize_bihistogram(image: ArrayLike) -> Picture:
    """Brightness-preserving bi-histogram equalization: what is up to the mean, and what is over it, each by itself.

    The darker half fills the range from the lowest value to the mean, the brighter one that from the mean to the
    highest, so that the picture's brightness stays near what it was.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).

    Returns
    -------
    float32, same shape, units and range.

    Raises
    ------
    InputError
        If the image is no picture.

    References
    ----------
    Y.-T. Kim, "Contrast enhancement using brightness preserving bi-histogram equalization", IEEE Trans. Consumer
    Electronics 43 (1997).

    Examples
    --------
    >>> equalize_bihistogram([[0, 1, 2, 9]])
    array([[0. , 1.5, 3. , 9. ]], dtype=float32)
    """
    picture = as_picture(image)
    low, high = value_range(picture)
    if low == high:
        return picture.copy()
    codes = _codes(picture, low, high)
    counts = _counts(codes, picture)
    code = float(counts @ np.arange(STEPS)) / counts.sum()
    middle = low + (high - low) * code / (STEPS - 1)
    lower = low + (middle - low) * _rise(counts[: int(code) + 1])
    upper = middle + (high - middle) * np.cumsum(counts[int(code) + 1 :]) / counts[int(code) + 1 :].sum()
    return _looked_up(np.concatenate([lower, upper]), codes, picture)


def match(image: ArrayLike, reference: ArrayLike) -> Picture:
    """Histogram matching: a pixel gets the value that the same share of the reference's pixels does not exceed.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    reference : a picture of any shape.

    Returns
    -------
    float32, shape of the image, units and range of the reference. An image of one value gets the reference's highest.

    Raises
    ------
    InputError
        If either is no picture.

    References
    ----------
    R. Gonzalez and R. Woods, "Digital Image Processing" (4th ed., 2018), section 3.3, "Histogram matching".

    Examples
    --------
    >>> match([[1, 2, 3, 9]], [[10, 20, 30, 40]])
    array([[10., 20., 30., 40.]], dtype=float32)
    """
    picture, model = as_picture(image), as_picture(reference)
    (low, high), (first, last) = value_range(picture), value_range(model)
    codes, model_codes = _codes(picture, low, high, FINE), _codes(model, first, last, FINE)
    counts, model_counts = _counts(codes, picture, steps=FINE), _counts(model_codes, model, steps=FINE)
    here, there = np.flatnonzero(counts), np.flatnonzero(model_counts)
    values = first + (last - first) * there / (FINE - 1)
    table = np.zeros(FINE)
    table[here] = np.interp(_share(counts[here]), _share(model_counts[there]), values)
    return _looked_up(table, codes, picture)


def _checked(mask: ArrayLike, picture: Picture) -> Bools:
    counted = np.asarray(mask, dtype=bool)
    if counted.shape != picture.shape or not counted.any():
        came = f"{counted.shape} with {int(counted.sum())}"
        raise InputError(f"mask must have the picture's shape {picture.shape} and some True in it; got {came}")
    return counted


def _codes(picture: Picture, low: float, high: float, steps: int = STEPS) -> Codes:
    """The step of each pixel; what is beyond the range, and NaN, is in the nearest."""
    inside = np.clip(picture, np.float32(low), np.float32(high))
    if np.isnan(inside.min()):
        np.copyto(inside, np.float32(low), where=np.isnan(inside))
    return coded(inside, low, high, steps - 1)


def _counts(codes: Codes, picture: Picture, counted: Bools | None = None, *, steps: int = STEPS) -> Ints:
    """Pixels in each step: those of a mask, or all; NaN does not count."""
    if np.isnan(picture.min()):
        counted = ~np.isnan(picture) if counted is None else counted & ~np.isnan(picture)
    return np.bincount((codes if counted is None else codes[counted]).ravel(), minlength=steps)


def _looked_up(table: Floats, codes: Codes, picture: Picture) -> Picture:
    """The table's value for each step; NaN where the picture is NaN."""
    result = np.take(table.astype(np.float32), codes)
    if np.isnan(picture.min()):
        result[np.isnan(picture)] = np.nan
    return result


def _share(counts: Ints) -> Floats:
    """Share of all that is counted up to each step."""
    total = np.cumsum(counts)
    return np.asarray(total / total[-1])


def _rise(counts: Ints) -> Floats:
    """The same from 0 to 1: what is in the first step that holds anything is left out."""
    total = np.cumsum(counts)
    ground = total[np.argmax(counts > 0)]
    return np.asarray(np.maximum(total - ground, 0) / max(total[-1] - ground, 1))
