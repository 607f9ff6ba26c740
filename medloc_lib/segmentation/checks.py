"""What comes in, checked once for all segmenters, and the rule for pixels without a value."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError
from medloc_lib.geometry import as_label_map

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Labels = NDArray[np.int32]


def as_picture(image: ArrayLike, *, ndim: tuple[int, ...] = (2, 3)) -> tuple[Floats, Bools]:
    """A picture as float64 without NaN and infinity, and where it had a value.

    A pixel that had none is given the value of the nearest one that has, so that it makes no edge.

    Raises
    ------
    InputError
        If the array has not the right number of axes, has no pixels, or holds no numbers.

    Examples
    --------
    >>> as_picture([[1, np.nan, 3]])
    (array([[1., 1., 3.]]), array([[ True, False,  True]]))
    """
    array = np.asarray(image)
    kinds = " or ".join({2: "(rows, cols)", 3: "(planes, rows, cols)"}[n] for n in ndim)
    if array.ndim not in ndim or array.size == 0 or array.dtype.kind not in "biuf":
        raise InputError(f"a picture must be numbers, {kinds}, at least one pixel; got {array.dtype} {array.shape}")
    values = array.astype(np.float64)
    known = np.isfinite(values)
    if not known.all():
        values = _filled(values, known)
    return values, known


def as_channels(channels: ArrayLike) -> tuple[Floats, Bools]:
    """Channels first, float64 (channels, *spatial), and where all of them have a value. One picture is one channel.

    Raises
    ------
    InputError
        If the array is not (rows, cols), (channels, rows, cols) or (channels, planes, rows, cols).
    """
    array = np.asarray(channels)
    array = array[None] if array.ndim == 2 else array
    if array.ndim not in (3, 4) or array.size == 0 or array.dtype.kind not in "biuf":
        raise InputError(
            "channels must be numbers, (rows, cols), (channels, rows, cols) or (channels, planes, rows, cols); "
            f"got {array.dtype} {array.shape} (for one volume use volume[None])"
        )
    pairs = [as_picture(channel) for channel in array]
    return np.stack([values for values, _ in pairs]), np.logical_and.reduce([known for _, known in pairs])


def as_mask(mask: ArrayLike | None, known: Bools) -> Bools:
    """Where to look: the mask, if there is one, without the pixels that have no value.

    Raises
    ------
    InputError
        If the shapes differ or no pixel is left.
    """
    if mask is None:
        inside = known
    else:
        given = np.asarray(mask)
        if given.shape != known.shape:
            raise InputError(f"the mask must have the picture's shape {known.shape}; got {given.shape}")
        inside = (given != 0) & known
    if not inside.any():
        raise InputError("there is no pixel to look at: every one is outside the mask, NaN or infinite")
    return inside


def as_markers(markers: ArrayLike, shape: tuple[int, ...]) -> NDArray[np.int32]:
    """Seeds or strokes: whole numbers from 1 where somebody has marked something, 0 elsewhere.

    Raises
    ------
    InputError
        If the shape differs from the picture's, a value is negative, or nothing is marked.
    """
    labels = as_label_map(markers)
    if labels.shape != shape:
        raise InputError(f"the markers must have the picture's shape {shape}; got {labels.shape}")
    if labels.size == 0 or labels.min() < 0 or labels.max() == 0:
        raise InputError("markers count from 1, and 0 is where nothing is marked; " + _what(labels))
    return labels.astype(np.int32)


def relabeled(labels: ArrayLike, known: Bools) -> Labels:
    """A label map as int32, 0 where the picture has no value."""
    return np.where(known, np.asarray(labels), 0).astype(np.int32)


def check_number(value: Any, name: str, low: float, *, whole: bool = False) -> None:
    """Refuse a parameter below its lowest value, or one that is no (whole) number.

    Raises
    ------
    InputError
        With the name of the parameter.
    """
    fine = isinstance(value, int | np.integer if whole else int | float | np.number) and not isinstance(value, bool)
    if not fine or not low <= value < float("inf"):
        raise InputError(f"{name} must be a {'whole ' if whole else ''}number from {low:g}; got {value!r}")


def grown(mask: Bools, radius: float, *, spacing: float | Floats = 1.0) -> Bools:
    """The mask and all that is no further than `radius` from it.

    >>> grown(np.array([[0, 0, 0, 1, 0]]) > 0, 1)
    array([[False, False,  True,  True,  True]])
    """
    from scipy import ndimage

    if radius == 0 or not mask.any():
        return mask
    return np.asarray(ndimage.distance_transform_edt(~mask, sampling=spacing) <= radius)


def shrunk(mask: Bools, radius: float, *, spacing: float | Floats = 1.0) -> Bools:
    """What is further than `radius` from all that is not in the mask; beyond the border of the image nothing is.

    >>> shrunk(np.array([[1, 1, 1, 1, 0]]) > 0, 1)
    array([[ True,  True,  True, False, False]])
    """
    return ~grown(~mask, radius, spacing=spacing)


def _what(labels: NDArray[np.int64]) -> str:
    return "got none that is marked" if labels.size == 0 or labels.max() <= 0 <= labels.min() else f"got {labels.min()}"


def _filled(values: Floats, known: Bools) -> Floats:
    if not known.any():
        return np.zeros_like(values)
    from scipy import ndimage

    nearest = ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return np.asarray(values[tuple(nearest)])
