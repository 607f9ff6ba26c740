"""NIfTI files as upright arrays in patient millimetres.

A NIfTI file maps the index (i, j, k) to RAS millimetres. Here it becomes (planes, rows, cols) and LPS, upright, by
swapping and turning axes around, never by resampling: planes are the file's slices (its third axis) and grow to left,
posterior or superior; rows grow to posterior or, in coronal and sagittal slices, to inferior; columns to left or
posterior. The affine goes along, so that every voxel keeps its place in the patient. A file of one slice is 2-D.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import nibabel as nib
import numpy as np
import psutil

from medloc_lib.data.images import one_line
from medloc_lib.errors import ReadError
from medloc_lib.geometry import spacing_of
from medloc_lib.sample import Array

MM = {1: 1000.0, 3: 0.001}
"""Millimetres per unit, for the header's codes of metre and micrometre; anything else is millimetres."""
GZIP_LIMIT = 1040
"""Deflate packs at most 1032 bytes into one; a header that promises more than its file can hold is not believed."""


class Layout(NamedTuple):
    """How a file's axes become ours: `order` and `turn` per new axis, and where that lies; affine None if not said."""

    shape: tuple[int, ...]
    spacing: tuple[float, ...]
    affine: Array | None
    order: list[int]
    turn: list[bool]


def same_place(first: Path, second: Path) -> bool:
    """Whether two files of one shape lie within half a voxel of each other; True where one of them says nothing."""
    a, b = layout_of(first), layout_of(second)
    if a.affine is None or b.affine is None:
        return True
    shape = (1,) * (3 - len(a.shape)) + a.shape
    corners = np.array([[*np.unravel_index(n, (2, 2, 2)), 1] for n in range(8)], dtype=float)
    corners[:, :3] *= np.array(shape) - 1
    return bool(np.linalg.norm(corners @ (a.affine - b.affine).T, axis=1).max() < min(spacing_of(a.affine)) / 2)


def layout_of(path: Path) -> Layout:
    """Shape, spacing and affine from the header alone.

    Raises
    ------
    ReadError
        If the file is missing, no NIfTI, of another number of axes, or has a singular affine.
    """
    file = _nifti(path)
    sizes = tuple(int(n) for n in file.shape)
    if not 2 <= len(sizes) <= 5 or 0 in sizes or (len(sizes) == 5 and sizes[3] != 1):
        raise ReadError(path, f"needed 2 or 3 axes, and perhaps channels; its shape is {sizes}")
    sizes3 = (*sizes, 1)[:3]
    header = file.header
    known = int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0
    to_lps = np.diag([-1.0, -1.0, 1.0, 1.0]) @ np.asarray(file.affine, dtype=np.float64)
    to_lps[:3] *= MM.get(int(header["xyzt_units"]) & 7, 1.0)
    # Per file axis, the patient axis (0 left, 1 posterior, 2 superior) that it follows, and whether it runs against it.
    follows = nib.io_orientation(to_lps) if np.isfinite(to_lps).all() else None  # type: ignore[no-untyped-call]
    if follows is None or np.isnan(follows).any() or abs(np.linalg.det(to_lps[:3, :3])) < 1e-12:
        raise ReadError(path, "its affine is singular or not finite; set a valid sform or qform")
    patient, against = follows[:, 0].astype(int), follows[:, 1] < 0
    row, col = (0, 1) if patient[0] > patient[1] else (1, 0)
    order = [2, row, col]
    turn = [bool(against[2]), bool(against[row]) != (patient[row] == 2), bool(against[col])]
    move = np.zeros((4, 4))
    move[3, 3] = 1.0
    for new, (old, turned) in enumerate(zip(order, turn, strict=True)):
        move[old, new] = -1.0 if turned else 1.0
        move[old, 3] = sizes3[old] - 1 if turned else 0.0
    affine = to_lps @ move
    skip = 1 if sizes3[2] == 1 else 0
    shape = tuple(sizes3[old] for old in order)[skip:]
    return Layout(shape, spacing_of(affine)[skip:], affine if known else None, order, turn)


def voxels(path: Path, layout: Layout) -> Array:
    """Array (channels, *spatial) in our order; the file's own integers, or float32 where it is scaled or float.

    Raises
    ------
    ReadError
        If the file is cut short, damaged, larger than the memory that is free, or holds NaN.
    """
    file = _nifti(path)
    stored = file.get_data_dtype()
    packed = path.name.lower().endswith(".gz")
    promised = math.prod(int(n) for n in file.shape) * stored.itemsize
    held = path.stat().st_size * GZIP_LIMIT if packed else path.stat().st_size - int(file.dataobj.offset)
    if promised > held:
        raise ReadError(path, f"is cut short: its header promises {promised} bytes of voxels")
    if stored.kind not in "iuf":
        raise ReadError(path, f"needed numbers per voxel; it stores {stored}")
    scaled = stored.kind == "f" or file.dataobj.slope != 1 or file.dataobj.inter != 0
    needed = promised // stored.itemsize * max(stored.itemsize, 4 if scaled else 1)
    if needed > psutil.virtual_memory().available * 4 // 5:
        raise ReadError(path, f"takes {needed >> 20} MiB when unpacked, more memory than is free")
    try:
        data = file.get_fdata(dtype=np.float32, caching="unchanged") if scaled else np.asarray(file.dataobj)
    except Exception as error:  # whatever the gzip and array layers raise on a damaged file
        raise ReadError(path, f"its voxels cannot be read: {one_line(error)}") from error
    data = data.reshape((*(*data.shape, 1)[:3], -1))
    data = data.transpose(3, *layout.order)
    data = data[(slice(None), *(slice(None, None, -1) if turned else slice(None) for turned in layout.turn))]
    if len(layout.shape) == 2:
        data = data[:, 0]
    if data.dtype.kind == "f" and not np.isfinite(data).all():
        raise ReadError(path, f"{int((~np.isfinite(data)).sum())} voxels are NaN or infinite; fill them first")
    return np.ascontiguousarray(data.astype(data.dtype.newbyteorder("="), copy=False))


def _nifti(path: Path) -> Any:
    if not path.is_file():
        raise ReadError(path, "there is no such file")
    try:
        return nib.Nifti1Image.from_filename(str(path))
    except Exception as error:  # nibabel raises a dozen kinds on a damaged header
        raise ReadError(path, f"is no readable NIfTI file: {one_line(error)}") from error
