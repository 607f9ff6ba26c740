"""CLAHE: equalization in the neighbourhood of each pixel, with a limit to how far contrast may rise."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.enhancement.arrays import Picture, filtered, value_range
from medloc_lib.errors import InputError

BINS = 256


def clahe(image: ArrayLike, *, clip: float = 2.0, tiles: int | Sequence[int] = 8) -> Picture:
    """Contrast-limited adaptive histogram equalization.

    The picture is cut into tiles. In each the histogram (256 bins over the range of the whole picture) is cut off at
    `clip` times its mean; what was cut is spread evenly over all bins; its running sum is the tile's map from grey to
    grey, straight between the bins' edges. A pixel's value is interpolated linearly between the maps of the nearest
    tiles, by its distance to their centers.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    clip : from 1; about the largest factor by which contrast is raised anywhere. At 1 next to nothing changes, from
        some tens on the limit is hardly ever met.
    tiles : how many, along each axis or along all. More tiles look at smaller neighbourhoods.

    Returns
    -------
    float32, same shape, units and range. A picture of one value comes back as it is; NaN counts as the nearest value
    does and stays NaN.

    Raises
    ------
    InputError
        If the image is no picture, `clip` is under 1, or there are fewer than one tile or more than pixels.

    References
    ----------
    S. Pizer et al., "Adaptive histogram equalization and its variations", Computer Vision, Graphics, and Image
    Processing 39 (1987); K. Zuiderveld, "Contrast limited adaptive histogram equalization", Graphics Gems IV (1994).

    Examples
    --------
    >>> ramp = np.arange(64.0).reshape(8, 8)
    >>> bool(np.allclose(clahe(ramp, clip=1, tiles=1), ramp, atol=0.5))
    True
    """
    if not clip >= 1:
        raise InputError(f"clip must be 1 or more; got {clip}")
    return filtered(image, lambda picture: _clahe(picture, clip, _grid(tiles, picture.shape)))


def _grid(tiles: int | Sequence[int], shape: tuple[int, ...]) -> tuple[int, ...]:
    """Tiles along each axis."""
    each = (tiles,) * len(shape) if isinstance(tiles, int | np.integer) else tuple(tiles)
    if len(each) != len(shape) or not all(t >= 1 for t in each):
        raise InputError(f"tiles must be a number from 1, or one for each of the {len(shape)} axes; got {tiles}")
    return tuple(min(t, n) for t, n in zip(each, shape, strict=True))


def _clahe(picture: Picture, clip: float, tiles: tuple[int, ...]) -> Picture:
    low, high = value_range(picture)
    if low == high:
        return picture.copy()
    volume = picture.reshape((-1, *picture.shape[-2:]))  # a picture is a volume of one plane
    grid = (1,) * (3 - len(tiles)) + tiles
    place = volume - np.float32(low)  # of each pixel along the histogram, 0 to BINS
    place *= np.float32(BINS / (high - low))
    maps = _maps(place, grid, clip)
    result = np.empty_like(volume)
    first, weight = _nearest(len(volume), grid[0])
    for k, plane in enumerate(place):
        under, over = maps[first[k]], maps[min(first[k] + 1, grid[0] - 1)]
        result[k] = _mapped(plane, under + (over - under) * weight[k])
    result *= np.float32(high - low)
    result += np.float32(low)
    return np.clip(result, np.float32(low), np.float32(high), out=result).reshape(picture.shape)


def _maps(place: Picture, grid: tuple[int, ...], clip: float) -> Picture:
    """The map of each tile at the edges of the bins, from 0 to 1: (*grid, BINS + 1)."""
    cells = np.minimum(place.astype(np.int32), BINS - 1)
    for axis, (n, t) in enumerate(zip(place.shape, grid, strict=True)):
        tile = np.arange(n, dtype=np.int32) * t // n
        cells += (tile * (int(np.prod(grid[axis + 1 :])) * BINS)).reshape([-1 if k == axis else 1 for k in range(3)])
    counts = np.bincount(cells.ravel(), minlength=int(np.prod(grid)) * BINS).reshape(*grid, BINS)
    share = counts / counts.sum(axis=-1, keepdims=True)
    limited = np.minimum(share, clip / BINS)
    limited += (1 - limited.sum(axis=-1, keepdims=True)) / BINS
    maps = np.zeros((*grid, BINS + 1), dtype=np.float32)
    np.cumsum(limited, axis=-1, out=maps[..., 1:])
    return maps


def _nearest(n: int, tiles: int) -> tuple[NDArray[np.intp], Picture]:
    """For each of n pixels in a row: the tile whose center is before it, and how far it is on the way to the next."""
    edges = np.ceil(np.arange(tiles + 1) * n / tiles)  # the first pixel of each tile
    position = np.interp(np.arange(n), (edges[:-1] + edges[1:] - 1) / 2, np.arange(tiles))
    first = np.minimum(position.astype(np.intp), max(tiles - 2, 0))
    return first, (position - first).astype(np.float32)


def _mapped(place: Picture, maps: Picture) -> Picture:
    """One plane through the maps of its tiles, (tile rows, tile cols, BINS + 1).

    The maps are the rows of a table; OpenCV looks up between two columns of it, at a row and column for each pixel.
    """
    (row, down), (col, right) = (_nearest(n, t) for n, t in zip(place.shape, maps.shape, strict=False))
    table = maps.reshape(-1, BINS + 1)
    at = (row[:, None] * maps.shape[1] + col).astype(np.float32)

    def tile(steps: int) -> Picture:
        rows = table[min(steps, len(table) - 1) :]
        found = cv2.remap(rows, place, at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(found, dtype=np.float32)

    across = maps.shape[1]
    upper = _between(tile(0), tile(1), right)
    return _between(upper, _between(tile(across), tile(across + 1), right), down[:, None])


def _between(one: Picture, other: Picture, weight: Picture) -> Picture:
    """Part of the way from one to the other, in place."""
    other -= one
    other *= weight
    one += other
    return one
