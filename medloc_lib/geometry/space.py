"""Index, coordinate and patient millimetre, through the affine."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.geometry.boxes import Floats, as_affine, as_boxes, as_matrix, transform


def affine_from(
    spacing: Sequence[float], *, origin: ArrayLike = (0, 0, 0), direction: ArrayLike | None = None
) -> Floats:
    """Affine from index ``(plane, row, col)`` to patient mm (LPS).

    Parameters
    ----------
    spacing : mm per (plane, row, col) step; two numbers are (row, col) of a single plane of 1 mm.
    origin : ``(x, y, z)`` in mm of the centre of pixel ``(0, 0, 0)``.
    direction : (3, 3); column ``k`` is the unit vector in patient space along array axis ``k``. By default planes go to
        superior, rows to posterior, columns to the left: an upright axial stack.

    Examples
    --------
    >>> affine_from((5, 0.5, 0.5)) @ [1, 0, 2, 1]
    array([1., 0., 5., 1.])
    """
    steps = np.asarray([1.0, *spacing] if len(spacing) == 2 else spacing, dtype=np.float64)
    axes = np.eye(3)[:, ::-1] if direction is None else as_matrix(direction, 3)
    if steps.shape != (3,) or not np.isfinite(steps).all() or (steps <= 0).any():
        raise InputError(f"spacing must be 2 or 3 positive numbers in mm; got {tuple(spacing)}")
    start = np.asarray(origin, dtype=np.float64)
    if start.shape != (3,) or not np.isfinite(start).all():
        raise InputError(f"origin must be (x, y, z) in mm; got {origin!r}")
    affine = np.eye(4)
    affine[:3, :3] = axes * steps
    affine[:3, 3] = start
    return affine


def spacing_of(affine: ArrayLike) -> tuple[float, float, float]:
    """Distance in mm between neighbouring pixels along (plane, row, col).

    >>> spacing_of(affine_from((5, 0.5, 0.7)))
    (5.0, 0.5, 0.7)
    """
    m = as_affine(affine)
    plane, row, col = (float(x) for x in np.linalg.norm(m[:3, :3], axis=0))
    return plane, row, col


def index_to_mm(index: ArrayLike, affine: ArrayLike) -> Floats:
    """Patient position of pixel centres.

    Parameters
    ----------
    index : (n, 3) as (plane, row, col), or (n, 2) as (row, col) in plane 0; fractions lie between centres.
    affine : 4×4 from index to mm (LPS).

    Returns
    -------
    float64 (n, 3) as (x, y, z) in mm.

    Examples
    --------
    >>> index_to_mm([[2, 4]], affine_from((0.5, 0.5), origin=(10, 0, 0)))
    array([[12.,  1.,  0.]])
    """
    m = as_affine(affine)
    return np.asarray(_points3(index) @ m[:3, :3].T + m[:3, 3])


def mm_to_index(points: ArrayLike, affine: ArrayLike) -> Floats:
    """Index (plane, row, col) of patient positions; the inverse of `index_to_mm`, (n, 3) to (n, 3).

    Raises
    ------
    InputError
        If the affine is singular: then index and mm are not one to one.
    """
    m = as_affine(affine)
    array = np.asarray(points, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 3:
        raise InputError(f"points must have shape (n, 3), (x, y, z) in mm; got shape {array.shape}")
    if abs(np.linalg.det(m[:3, :3])) <= 1e-12 * np.prod(spacing_of(m)):
        raise InputError("the affine is singular: two of its axes point the same way or have no length")
    return np.asarray(np.linalg.solve(m[:3, :3], (array - m[:3, 3]).T).T, dtype=np.float64)


def boxes_to_mm(boxes: ArrayLike, affine: ArrayLike) -> Floats:
    """Axis-aligned boxes in patient mm that hold all corners of the given boxes.

    Parameters
    ----------
    boxes : (n, 4) or (n, 6), coordinates. A 2-D box is one plane thick: plane coordinates 0 to 1.
    affine : 4×4 from index to mm (LPS).

    Returns
    -------
    float64 (n, 6) as (x0, y0, z0, x1, y1, z1) in mm.

    Examples
    --------
    One pixel of 2 mm at the origin reaches 1 mm to each side of its centre.

    >>> boxes_to_mm([[0, 0, 1, 1]], affine_from((2, 2)))
    array([[-1. , -1. , -0.5,  1. ,  1. ,  0.5]])
    """
    array = as_boxes(boxes)
    if array.shape[1] == 4:
        zero, one = np.zeros(len(array)), np.ones(len(array))
        array = np.stack([zero, array[:, 0], array[:, 1], one, array[:, 2], array[:, 3]], axis=1)
    shift = np.eye(4)
    shift[:3, 3] = -0.5  # coordinate to index
    return transform(array, as_affine(affine) @ shift)


def _points3(index: ArrayLike) -> Floats:
    array = np.asarray(index, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] not in (2, 3):
        raise InputError(f"an index must have shape (n, 2) or (n, 3); got shape {array.shape}")
    return np.concatenate([np.zeros((len(array), 1)), array], axis=1) if array.shape[1] == 2 else array
