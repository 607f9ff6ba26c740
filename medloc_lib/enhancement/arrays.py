"""What every function of this folder takes, and what it does with a picture that is unusual."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError

Picture = NDArray[np.float32]
Bools = NDArray[np.bool_]
Codes = NDArray[np.uint8] | NDArray[np.uint16] | NDArray[np.int32]

FLAT = 1e-30
"""A picture whose values span less counts as one of a single value."""


def as_picture(image: ArrayLike) -> Picture:
    """A picture as float32 in C order, (rows, cols) or (planes, rows, cols); one that is so already is not copied.

    Raises
    ------
    InputError
        If it is not a picture of real numbers, or has no pixel.

    Examples
    --------
    >>> as_picture([[1, 2]])
    array([[1., 2.]], dtype=float32)
    """
    array = np.asarray(image)
    if array.dtype.kind not in "biuf":
        raise InputError(f"a picture must be real numbers; got {array.dtype}")
    if array.ndim not in (2, 3) or array.size == 0:
        raise InputError(
            f"a picture must be (rows, cols) or (planes, rows, cols), none of them 0; got shape {array.shape}"
            + (" (a colour picture goes channel by channel)" if array.ndim == 4 else "")
        )
    if array.dtype == np.float32 and array.flags.c_contiguous:
        return array
    with np.errstate(over="ignore"):  # too large for float32 becomes infinite, and that is refused by name
        return np.ascontiguousarray(array, dtype=np.float32)


def value_range(picture: Picture) -> tuple[float, float]:
    """Lowest and highest value, NaN left out; the lowest twice where they differ by less than `FLAT`.

    Raises
    ------
    InputError
        If a value is infinite, all are NaN, or they span more than float32 holds.
    """
    return measured(picture)[1:]


def measured(picture: Picture) -> tuple[Picture, float, float]:
    """The values that are not NaN, and their `value_range`: the picture itself if none is NaN, else a row of values.

    Raises
    ------
    InputError
        As `value_range`.
    """
    low, high = float(picture.min()), float(picture.max())  # NaN spreads
    if not (math.isfinite(low) and math.isfinite(high)):
        picture = picture[~np.isnan(picture)][None]
        if picture.size == 0:
            raise InputError("every pixel is NaN: there is nothing to enhance")
        low, high = float(picture.min()), float(picture.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise InputError(
                "a picture must be finite, and within float32's range; it holds infinite values: mark what was not "
                "measured as NaN"
            )
    if high - low > float(np.finfo(np.float32).max):
        raise InputError(f"a picture's values must span less than 3.4e38; they go from {low:g} to {high:g}")
    return picture, low, high if high - low >= FLAT else low


def rows_of(picture: NDArray[Any]) -> NDArray[Any]:
    """The same values in two axes: OpenCV takes the last of three for colours."""
    return picture if picture.ndim == 2 else picture.reshape(len(picture), -1)


def coded(picture: Picture, low: float, high: float, top: int = 65535) -> Codes:
    """A picture's values, from its lowest to its highest, as whole numbers from 0 to `top`, the nearest ones.

    Parameters
    ----------
    picture : without NaN.
    low, high : its `value_range`; where they are the same all is 0.
    top : 255, 65,535 or more.

    Examples
    --------
    >>> coded(as_picture([[0, 4, 8]]), 0, 8, top=255)
    array([[  0, 128, 255]], dtype=uint8)
    """
    if top > 65535:
        steps = (picture - np.float32(low)) * np.float32(top / (high - low) if high > low else 0)
        steps += np.float32(0.5)
        return steps.astype(np.int32)
    if high - low < max(1e-9, abs(low) / 16):  # OpenCV takes 2e-16 for nothing, and multiplies before it subtracts
        picture = (picture - np.float32(low)) * np.float32(1 / (high - low) if high > low else 0)
    kind = cv2.CV_8U if top < 256 else cv2.CV_16U
    found = cv2.normalize(rows_of(picture), None, 0, top, cv2.NORM_MINMAX, kind)  # type: ignore[call-overload]
    return np.asarray(found).reshape(picture.shape)


def filled(picture: Picture) -> tuple[Picture, Bools | None]:
    """The picture with the nearest value in place of each NaN, and where they were; itself and None if there are none.

    Raises
    ------
    InputError
        If a value is infinite, or all are NaN.
    """
    flat = picture.ravel()
    with np.errstate(over="ignore", invalid="ignore"):
        suspicious = not math.isfinite(np.dot(flat, flat))  # the fastest pass that NaN and infinity do not survive
    if not suspicious or measured(picture)[0] is picture:  # large squares overflow too
        return picture, None
    from scipy import ndimage

    holes = np.isnan(picture)
    nearest = ndimage.distance_transform_edt(holes, return_distances=False, return_indices=True)
    return picture[tuple(nearest)], holes


def filtered(image: ArrayLike, work: Callable[[Picture], Picture]) -> Picture:
    """A filter's answer for a picture with holes: NaN is filled with the nearest value before, and put back after.

    Parameters
    ----------
    image : the picture.
    work : picture without NaN -> new picture of the same shape.

    Examples
    --------
    >>> filtered([[1, np.nan, 5]], lambda picture: 2 * picture)
    array([[ 2., nan, 10.]], dtype=float32)
    """
    picture, holes = filled(as_picture(image))
    result = work(picture)
    if holes is not None:
        result[holes] = np.nan
    return result


def gaussian(picture: Picture, sigma: float, *, radius: int | None = None) -> Picture:
    """Gaussian blur along all axes, cut off at `radius`, by default 4 sigma, and mirrored at the border. Same shape.

    OpenCV's, plane by plane; then across the planes, which it is shown as the rows of one picture.
    """
    size = 2 * (math.ceil(4 * sigma) if radius is None else radius) + 1

    def blur(rows: Picture, width: int) -> Picture:
        found = cv2.GaussianBlur(rows, (width, size), sigma, sigmaY=sigma, borderType=cv2.BORDER_REFLECT)
        return np.asarray(found, dtype=np.float32)

    if picture.ndim == 2:
        return blur(picture, size)
    planes = np.stack([blur(plane, size) for plane in picture])
    return blur(planes.reshape(len(planes), -1), 1).reshape(picture.shape)


def positive(value: float, name: str) -> float:
    """A parameter that must be a finite number above 0.

    Raises
    ------
    InputError
        If it is not.
    """
    if not (math.isfinite(value) and value > 0):
        raise InputError(f"{name} must be a number above 0; got {value}")
    return float(value)
