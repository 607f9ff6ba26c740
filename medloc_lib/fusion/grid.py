"""A picture's grid in SimpleITK's terms: where each pixel is, in the millimetres in which a transform is sought.

For a volume these are patient mm (LPS). For a single slice they are mm in its own plane, x along its rows and y down
its columns, from the centre of its first pixel: there a slice can turn and shift without leaving the plane.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import SimpleITK as sitk  # noqa: N813 - the name by which it is known
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError
from medloc_lib.geometry import affine_from, as_affine

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Grid:
    """The grid of a picture.

    Parameters
    ----------
    shape : (rows, cols) or (planes, rows, cols).
    affine : 4×4, index (plane, row, col) to patient mm.
    frame : (4, 4), patient mm to the mm in which the transform is sought; its third axis is 0 in a slice's plane.
    """

    shape: tuple[int, ...]
    affine: Floats
    frame: Floats

    @property
    def axes(self) -> Floats:
        """(ndim, ndim): column k is the step in mm of the frame along array axis k."""
        n = len(self.shape)
        return np.asarray((self.frame @ self.affine)[:n, 3 - n : 3])

    @property
    def spacing(self) -> Floats:
        """mm along each array axis."""
        return np.asarray(np.linalg.norm(self.axes, axis=0))

    @property
    def center(self) -> Floats:
        """The middle of the picture, (x, y) or (x, y, z) in mm of the frame."""
        n = len(self.shape)
        middle = self.axes @ ((np.array(self.shape) - 1) / 2)
        return np.asarray((self.frame @ self.affine)[:n, 3] + middle)

    def image(self, picture: NDArray[Any]) -> sitk.Image:
        """The picture as SimpleITK's image, float32."""
        n = len(self.shape)
        made = sitk.GetImageFromArray(np.ascontiguousarray(picture, dtype=np.float32))
        made.SetSpacing(self.spacing[::-1].tolist())
        made.SetOrigin((self.frame @ self.affine)[:n, 3].tolist())
        made.SetDirection((self.axes / self.spacing)[:, ::-1].ravel().tolist())
        return made


def grids(fixed: tuple[int, ...], moving: tuple[int, ...], affine: Any, moving_affine: Any) -> tuple[Grid, Grid]:
    """The grids of two pictures in one frame; `affine` and `moving_affine` as in `register`.

    Raises
    ------
    InputError
        If an affine is none or its axes are not at right angles, or two slices do not lie in parallel planes.
    """
    first = as_affine(affine_from((1.0, 1.0, 1.0)) if affine is None else affine)
    second = first if moving_affine is None else as_affine(moving_affine)
    unit = _unit(first)
    _unit(second)
    frame = np.eye(4)
    if len(fixed) == 2:
        frame[:3, :3] = unit[:, ::-1].T
        frame[:3, 3] = -frame[:3, :3] @ first[:3, 3]
        apart = np.abs((frame @ second)[2, 1:3]).max()
        if apart > 1e-3 * np.linalg.norm(second[:3, 1:3], axis=0).min():
            raise InputError("two slices can only be registered in parallel planes; these are tilted: use volumes")
    return Grid(fixed, first, frame), Grid(moving, second, frame)


def _unit(affine: ArrayLike) -> Floats:
    """The directions of the axes (plane, row, col), (3, 3), at right angles."""
    axes = np.asarray(affine, dtype=np.float64)[:3, :3]
    length = np.linalg.norm(axes, axis=0)
    if (length == 0).any() or np.abs((axes / length).T @ (axes / length) - np.eye(3)).max() > 1e-3:
        raise InputError("registration needs axes at right angles; this affine is sheared or singular: resample first")
    return np.asarray(axes / length)
