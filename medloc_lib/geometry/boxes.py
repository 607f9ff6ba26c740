"""Boxes as half-open coordinates in array-axis order, and the way between boxes and masks."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

BLOCK = 256
"""Boxes that `nms` compares with all others at once."""


def as_boxes(boxes: ArrayLike, *, ndim: int | None = None) -> Floats:
    """Check boxes and give them as a float array.

    Parameters
    ----------
    boxes : array-like of shape (n, 2 * ndim), coordinates, half-open; an empty sequence is no boxes.
    ndim : number of spatial axes that is expected; needed only where `boxes` may be empty.

    Returns
    -------
    float64 array of shape (n, 2 * ndim).

    Raises
    ------
    InputError
        If the shape is not (n, 4) or (n, 6), a value is not finite, or a box stops before it starts.

    Examples
    --------
    >>> as_boxes([[0, 0, 2, 3]])
    array([[0., 0., 2., 3.]])
    >>> as_boxes([], ndim=3).shape
    (0, 6)
    """
    try:
        array = np.asarray(boxes, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(f"boxes must be numbers in an (n, 4) or (n, 6) array: {error}") from error
    if array.size == 0:
        sides = 2 * ndim if ndim else (array.shape[1] if array.ndim == 2 and array.shape[1] in (4, 6) else 4)
        return np.zeros((0, sides))
    wanted = (2 * ndim,) if ndim else (4, 6)
    if array.ndim != 2 or array.shape[1] not in wanted:
        text = " or ".join(f"(n, {w})" for w in wanted)
        raise InputError(f"boxes must have shape {text}, [start..., stop...] per box; got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"boxes must be finite; box {_first(~np.isfinite(array).all(axis=1))} holds NaN or infinity")
    half = array.shape[1] // 2
    backwards = (array[:, half:] < array[:, :half]).any(axis=1)
    if backwards.any():
        i = _first(backwards)
        raise InputError(f"boxes must stop after they start, [start..., stop...]; box {i} is {array[i].tolist()}")
    return array


def area(boxes: ArrayLike) -> Floats:
    """Area (2-D, pixels) or volume (3-D, voxels) of each box, shape (n,).

    >>> area([[0, 0, 2, 3]])
    array([6.])
    """
    starts, stops = _halves(as_boxes(boxes))
    return np.asarray(np.prod(stops - starts, axis=1))


def centers(boxes: ArrayLike) -> Floats:
    """Centre of each box as a coordinate, shape (n, ndim).

    >>> centers([[0, 0, 2, 3]])
    array([[1. , 1.5]])
    """
    starts, stops = _halves(as_boxes(boxes))
    return np.asarray((starts + stops) / 2)


def clip(boxes: ArrayLike, shape: Sequence[int]) -> Floats:
    """Cut boxes to an image of the given spatial shape. A box outside becomes one of no area on the border.

    >>> clip([[-1, 2, 3, 9]], (4, 5))
    array([[0., 2., 3., 5.]])
    """
    array = as_boxes(boxes, ndim=len(shape))
    return np.asarray(np.clip(array, 0, np.tile(np.asarray(shape, dtype=np.float64), 2)))


def iou(a: ArrayLike, b: ArrayLike) -> Floats:
    """Intersection over union of every box in `a` with every box in `b`.

    Parameters
    ----------
    a, b : boxes of shape (n, 2 * ndim) and (m, 2 * ndim), coordinates.

    Returns
    -------
    float64 array of shape (n, m), between 0 and 1; 0 where the union has no area.

    Raises
    ------
    InputError
        If one set is 2-D and the other 3-D, or boxes are malformed.

    References
    ----------
    P. Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 11 (1912).

    Examples
    --------
    Two 2×2 boxes that share one column: 2 / (4 + 4 - 2).

    >>> iou([[0, 0, 2, 2]], [[0, 1, 2, 3]]).round(3)
    array([[0.333]])
    """
    first, second = as_boxes(a), as_boxes(b)
    if len(first) == 0 or len(second) == 0:
        return np.zeros((len(first), len(second)))
    if first.shape[1] != second.shape[1]:
        raise InputError(
            f"both sets of boxes must have the same dimension; got {first.shape[1]} and {second.shape[1]} numbers a box"
        )
    (start_a, stop_a), (start_b, stop_b) = _halves(first), _halves(second)
    overlap = np.minimum(stop_a[:, None], stop_b[None]) - np.maximum(start_a[:, None], start_b[None])
    inter = np.prod(np.clip(overlap, 0, None), axis=2)
    union = area(first)[:, None] + area(second)[None] - inter
    return np.asarray(np.divide(inter, union, out=np.zeros_like(inter), where=union > 0))


def nms(boxes: ArrayLike, scores: ArrayLike, *, threshold: float = 0.5, labels: ArrayLike | None = None) -> Ints:
    """Non-maximum suppression: keep the best of boxes that overlap.

    Parameters
    ----------
    boxes : shape (n, 2 * ndim), coordinates.
    scores : shape (n,); of two boxes with equal scores the earlier is kept.
    threshold : boxes whose IoU with a better one is over this are dropped.
    labels : shape (n,) or None; with labels, only boxes of the same label suppress each other.

    Returns
    -------
    int64 indices of the boxes that are kept, best first.

    Raises
    ------
    InputError
        If lengths differ or boxes are malformed.

    References
    ----------
    R. Girshick et al., "Rich feature hierarchies for accurate object detection", CVPR 2014, section 2.2.

    Examples
    --------
    >>> nms([[0, 0, 4, 4], [0, 1, 4, 5], [6, 6, 8, 8]], [0.9, 0.8, 0.7], threshold=0.5)
    array([0, 2])
    """
    array = as_boxes(boxes)
    rank = np.asarray(scores, dtype=np.float64)
    kinds = np.zeros(len(array), dtype=np.int64) if labels is None else np.asarray(labels)
    if rank.shape != (len(array),) or kinds.shape != (len(array),):
        raise InputError(f"{len(array)} boxes need as many scores and labels; got {rank.shape} and {kinds.shape}")
    if np.isnan(rank).any():
        raise InputError("scores must be numbers; got NaN")
    left = np.argsort(-rank, kind="stable")
    kept: list[int] = []
    while len(left):  # so many rows of overlaps at once, so that memory grows with the boxes and not with their square
        rows = left[:BLOCK]
        overlap = iou(array[rows], array[left]) > threshold
        overlap &= kinds[rows, None] == kinds[left]
        alive = np.ones(len(left), dtype=bool)
        for i, box in enumerate(rows):
            if alive[i]:
                kept.append(int(box))
                alive &= ~overlap[i]
        left = left[BLOCK:][alive[BLOCK:]]
    return np.asarray(kept, dtype=np.int64)


def transform(boxes: ArrayLike, matrix: ArrayLike) -> Floats:
    """Move boxes by an affine map of coordinates, and give the axis-aligned boxes that hold all moved corners.

    All 2**ndim corners are moved: under a rotation two opposite corners do not bound the box.

    Parameters
    ----------
    boxes : shape (n, 2 * ndim), coordinates.
    matrix : (ndim + 1, ndim + 1) homogeneous matrix from coordinate to coordinate.

    Examples
    --------
    A quarter turn of a 2×4 box about the origin, (row, col) -> (col, -row):

    >>> transform([[0, 0, 2, 4]], [[0, 1, 0], [-1, 0, 0], [0, 0, 1]])
    array([[ 0., -2.,  4.,  0.]])
    """
    array = as_boxes(boxes)
    ndim = array.shape[1] // 2
    m = as_affine(matrix, ndim)
    corners = _corners(array) @ m[:ndim, :ndim].T + m[:ndim, ndim]
    return np.concatenate([corners.min(axis=1), corners.max(axis=1)], axis=1)


def mask_to_boxes(mask: ArrayLike, *, connectivity: int | None = None) -> tuple[Floats, Ints]:
    """Bounding box and value of each connected component of a label map.

    Parameters
    ----------
    mask : integer or bool array of shape (rows, cols) or (planes, rows, cols); 0 is background. Touching pixels of
        different values are different components.
    connectivity : number of axes along which neighbours may differ; default all of them (8 in 2-D, 26 in 3-D).

    Returns
    -------
    boxes : float64 (n, 2 * ndim), coordinates; ordered by value, then by first pixel in array order.
    values : int64 (n,), the mask's value in each component.

    Raises
    ------
    InputError
        If the mask is not a 2-D or 3-D array of whole numbers.

    Examples
    --------
    >>> boxes, values = mask_to_boxes([[1, 1, 0, 0], [0, 0, 0, 2]])
    >>> boxes
    array([[0., 0., 1., 2.],
           [1., 3., 2., 4.]])
    >>> values
    array([1, 2])
    """
    from scipy import ndimage  # here, because it takes half a second to import

    array = as_label_map(mask)
    structure = ndimage.generate_binary_structure(array.ndim, connectivity or array.ndim)
    boxes: list[list[int]] = []
    values: list[int] = []
    for value in np.unique(array[array != 0]):
        components, _ = ndimage.label(array == value, structure=structure)
        for region in ndimage.find_objects(components):
            boxes.append([s.start for s in region] + [s.stop for s in region])
            values.append(int(value))
    return as_boxes(boxes, ndim=array.ndim), np.asarray(values, dtype=np.int64)


def boxes_to_mask(boxes: ArrayLike, shape: Sequence[int], *, values: ArrayLike | None = None) -> Ints:
    """Label map in which every pixel whose centre lies in a box has that box's value; later boxes lie on top.

    Parameters
    ----------
    boxes : shape (n, 2 * len(shape)), coordinates. Parts outside the image are cut off.
    shape : spatial shape of the mask.
    values : shape (n,), the value painted per box; default 1.

    Examples
    --------
    >>> boxes_to_mask([[0, 1, 2, 3]], (2, 4))
    array([[0, 1, 1, 0],
           [0, 1, 1, 0]])
    """
    array = clip(boxes, shape)
    paint = np.ones(len(array), dtype=np.int64) if values is None else np.asarray(values, dtype=np.int64)
    if paint.shape != (len(array),):
        raise InputError(f"{len(array)} boxes need as many values; got shape {paint.shape}")
    mask = np.zeros(tuple(shape), dtype=np.int64)
    # The centre i + 0.5 lies in [start, stop) exactly for ceil(start - 0.5) <= i < ceil(stop - 0.5).
    edges = np.ceil(array - 0.5).astype(int)
    ndim = len(shape)
    for edge, value in zip(edges, paint, strict=True):
        mask[tuple(slice(edge[k], edge[ndim + k]) for k in range(ndim))] = value
    return mask


def as_label_map(mask: ArrayLike) -> Ints:
    """Check a label map and give it as int64; whole numbers in a float array are accepted, others are refused."""
    array = np.asarray(mask)
    if array.ndim not in (2, 3) or array.dtype.kind not in "biuf":
        raise InputError(f"a mask must be a 2-D or 3-D array of whole numbers; got {array.dtype} {array.shape}")
    whole = array.astype(np.int64) if array.dtype.kind != "f" or np.isfinite(array).all() else None
    if whole is None or (array.dtype.kind == "f" and not np.array_equal(whole, array)):
        raise InputError("a mask must hold whole numbers (0 is background); got fractions, NaN or infinity")
    return whole


def _first(flags: ArrayLike) -> int:
    return int(np.flatnonzero(flags)[0])


def _halves(boxes: Floats) -> tuple[Floats, Floats]:
    half = boxes.shape[1] // 2
    return boxes[:, :half], boxes[:, half:]


def _corners(boxes: Floats) -> Floats:
    """All corners, shape (n, 2**ndim, ndim)."""
    ndim = boxes.shape[1] // 2
    pick = [[k + ndim * side for k, side in enumerate(sides)] for sides in product((0, 1), repeat=ndim)]
    return boxes[:, pick]


def as_affine(matrix: ArrayLike, ndim: int = 3) -> Floats:
    """Check an affine: finite, (ndim + 1, ndim + 1), with the last row 0 … 0 1."""
    array = as_matrix(matrix, ndim + 1, name="affine")
    if not np.array_equal(array[-1], np.eye(ndim + 1)[-1]):
        raise InputError(f"an affine's last row is 0 … 0 1; got {array[-1].tolist()}. Is it transposed?")
    return array


def as_matrix(matrix: ArrayLike, size: int, *, name: str = "matrix") -> Floats:
    """Check a homogeneous or rotation matrix: finite, of the given size."""
    array = np.asarray(matrix, dtype=np.float64)
    if array.shape != (size, size):
        raise InputError(f"{name} must be {size}×{size}; got shape {array.shape}")
    if not np.isfinite(array).all():
        raise InputError(f"{name} must be finite; got NaN or infinity")
    return array
