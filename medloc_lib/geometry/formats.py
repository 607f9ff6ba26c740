"""Conversions from and to the box formats of others, each with the format in its name."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.geometry.boxes import Floats, as_boxes


def boxes_from_xyxy(boxes: ArrayLike) -> Floats:
    """2-D boxes from ``(x0, y0, x1, y1)`` coordinates, half-open, as torchvision and most detectors give them.

    >>> boxes_from_xyxy([[10, 20, 30, 25]])
    array([[20., 10., 25., 30.]])
    """
    return as_boxes(_columns(boxes)[:, [1, 0, 3, 2]], ndim=2)


def boxes_to_xyxy(boxes: ArrayLike) -> Floats:
    """2-D boxes as ``(x0, y0, x1, y1)`` coordinates, half-open; the inverse of `boxes_from_xyxy`."""
    return as_boxes(boxes, ndim=2)[:, [1, 0, 3, 2]]


def boxes_from_coco(boxes: ArrayLike) -> Floats:
    """2-D boxes from COCO's ``(x, y, width, height)``.

    >>> boxes_from_coco([[10, 20, 20, 5]])
    array([[20., 10., 25., 30.]])
    """
    array = _columns(boxes)
    return as_boxes(np.stack([array[:, 1], array[:, 0], array[:, 1] + array[:, 3], array[:, 0] + array[:, 2]], axis=1))


def boxes_to_coco(boxes: ArrayLike) -> Floats:
    """2-D boxes as COCO's ``(x, y, width, height)``; the inverse of `boxes_from_coco`."""
    row0, col0, row1, col1 = as_boxes(boxes, ndim=2).T
    return np.stack([col0, row0, col1 - col0, row1 - row0], axis=1)


def boxes_from_voc(boxes: ArrayLike) -> Floats:
    """2-D boxes from Pascal VOC's ``(xmin, ymin, xmax, ymax)``: indices counted from 1, the last pixel included.

    >>> boxes_from_voc([[1, 1, 4, 2]])
    array([[0., 0., 2., 4.]])
    """
    xmin, ymin, xmax, ymax = _columns(boxes).T
    return as_boxes(np.stack([ymin - 1, xmin - 1, ymax, xmax], axis=1), ndim=2)


def boxes_to_voc(boxes: ArrayLike) -> Floats:
    """2-D boxes as Pascal VOC's ``(xmin, ymin, xmax, ymax)``; the inverse of `boxes_from_voc`."""
    row0, col0, row1, col1 = as_boxes(boxes, ndim=2).T
    return np.stack([col0 + 1, row0 + 1, col1, row1], axis=1)


def _columns(boxes: ArrayLike) -> Floats:
    """Numbers in four columns, in whatever order a foreign format has them."""
    try:
        array = np.asarray(boxes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"boxes must be numbers in an (n, 4) array: {error}") from error
    array = array.reshape(0, 4) if array.size == 0 else array
    if array.ndim != 2 or array.shape[1] != 4:
        raise InputError(f"boxes of this format have four numbers each; got shape {array.shape}")
    return array
