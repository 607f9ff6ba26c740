"""Many regions of one picture as flat arrays, so that a measure is taken of all of them at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError
from medloc_lib.geometry import as_boxes

Array = NDArray[Any]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions, pixel by pixel: pixel `i` belongs to region ``owner[i]`` and has the index ``(rows[i], cols[i])``.

    Parameters
    ----------
    owner, rows, cols : int (pixels,), region after region, in each in array order. Regions may overlap.
    boxes : int (n, 4), bounding boxes.
    counts : int (n,), pixels of each region, at least 1.
    shape : of the picture.
    """

    owner: Ints
    rows: Ints
    cols: Ints
    boxes: Ints
    counts: Ints
    shape: tuple[int, int]

    def __len__(self) -> int:
        return len(self.counts)

    @cached_property
    def starts(self) -> Ints:
        """Where the pixels of each region begin, int (n,)."""
        return np.asarray(np.cumsum(self.counts) - self.counts)

    def values(self, picture: Array) -> Array:
        """The picture at each pixel: (..., pixels) for (..., rows, cols)."""
        return np.asarray(picture[..., self.rows, self.cols])

    def sums(self, values: ArrayLike) -> Floats:
        """Sum over each region of one value per pixel: (..., n) for (..., pixels)."""
        array = np.asarray(values, dtype=np.float64)
        if len(self) == 0:
            return np.zeros((*array.shape[:-1], 0))
        return np.asarray(np.add.reduceat(array, self.starts, axis=-1))

    def means(self, values: ArrayLike) -> Floats:
        """Mean over each region, as `sums`."""
        return np.asarray(self.sums(values) / self.counts)


def from_masks(boxes: ArrayLike, masks: Sequence[Array], shape: tuple[int, int]) -> Regions:
    """Regions from boxes and their masks.

    Parameters
    ----------
    boxes : (n, 4), whole coordinates inside the picture.
    masks : bool, one per box and of its size, with a pixel at least.
    shape : of the picture.

    Raises
    ------
    InputError
        If a mask has not the size of its box, is empty, or its box reaches out of the picture.

    Examples
    --------
    >>> regions = from_masks([[0, 0, 1, 2], [1, 1, 3, 2]], [np.ones((1, 2), bool), np.ones((2, 1), bool)], (3, 3))
    >>> regions.counts, regions.means(regions.values(np.arange(9).reshape(3, 3)))
    (array([2, 2]), array([0.5, 5.5]))
    """
    edges = as_boxes(boxes, ndim=2).astype(np.int64)
    rows, cols = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
    for i, (box, mask) in enumerate(zip(edges, masks, strict=True)):
        if mask.shape != tuple(box[2:] - box[:2]) or not mask.any() or (box[:2] < 0).any() or (box[2:] > shape).any():
            raise InputError(
                f"region {i} needs a mask with a pixel in it, of its box's size, inside {shape}; "
                f"got shape {mask.shape}, {int(mask.sum())} pixels, box {box.tolist()}"
            )
        row, col = np.nonzero(mask)
        rows.append(row + box[0])
        cols.append(col + box[1])
    counts = np.asarray([len(part) for part in rows[1:]], dtype=np.int64)
    owner = np.repeat(np.arange(len(counts)), counts)
    return Regions(owner, np.concatenate(rows), np.concatenate(cols), edges, counts, shape)
