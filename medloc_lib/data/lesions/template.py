"""The anatomy that all subjects are deformed from: the MNI152 template, packed for fast look-up.

The template (V. Fonov et al., "Unbiased average age-appropriate atlases for pediatric studies", NeuroImage 54, 2011;
shipped inside nilearn) is an average of real brains at 1 mm. It holds the brain only. Four maps are made of it once,
and kept in the cache as one file that every process maps into memory:

tone
    T1 brightness, sharpened, because an average of many brains has blurred sulci.
white
    probability of white matter.
ventricle
    mm to the lateral ventricles, negative inside.
hull
    mm to a smooth surface around the brain, negative inside.
"""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medloc_lib.data.lesions.streams import Floats
from medloc_lib.errors import DatasetError

_LOWEST = np.array([0.0, 0.0, -30.0, -70.0], dtype=np.float32)
_RANGE = np.array([1.2, 1.0, 110.0, 120.0], dtype=np.float32)  # what 65535 stands for, over the lowest
_COLUMNS = 14  # planes lie side by side in one large picture, this many in a row of it
_VERSION = "template-1"


@dataclass(frozen=True)
class Template:
    """Maps of the template brain, looked up at LPS mm.

    Parameters
    ----------
    atlas : uint16 (rows, cols, 4), the planes of the four maps side by side.
    shape : planes, rows, columns of the template.
    origin : (z, y, x) in mm of its first voxel.
    """

    atlas: NDArray[np.uint16]
    shape: tuple[int, int, int]
    origin: tuple[float, float, float]
    fields: tuple[str, ...] = ("tone", "white", "ventricle", "hull")

    def at(self, z: Floats, y: Floats, x: Floats) -> Floats:
        """The four maps at points in mm, each of the same shape (planes, rows, cols): float32 (4, *shape)."""
        _, rows, cols = self.shape
        shape = z.shape
        index: list[Floats] = []
        beyond = np.zeros(1, dtype=np.float32)
        for p, o, n in zip((z, y, x), self.origin, self.shape, strict=True):
            at = (p - np.float32(o)).reshape(-1, shape[-1])
            if at.min() < 0 or at.max() > n - 1.001:
                inside = np.clip(at, 0, np.float32(n - 1.001))
                beyond = beyond + np.abs(at - inside)
                at = inside
            index.append(at)
        below = np.floor(index[0])
        part = index[0] - below
        found = np.zeros((4, *below.shape), dtype=np.float32)
        for plane, weight in ((below, 1 - part), (below + 1, part)):
            tile = np.floor(plane / _COLUMNS)
            v = index[1] + tile * rows
            u = index[2] + (plane - tile * _COLUMNS) * cols
            for total, values in zip(found, cv2.split(cv2.remap(self.atlas, u, v, cv2.INTER_LINEAR)), strict=True):
                total += weight * values
        for total, low, span in zip(found, _LOWEST, _RANGE, strict=True):
            total *= span / 65535
            total += low
        found[3] += beyond  # outside the template, the distance to the brain goes on growing
        return found.reshape(4, *shape)

    def draw(self, rng: np.random.Generator, n: int, box: tuple[tuple[float, float], ...]) -> tuple[Floats, Floats]:
        """`n` random points in a box of (z, y, x) ranges, and the maps there: (n, 3) and (4, n)."""
        points = np.stack([rng.uniform(a, b, n) for a, b in box], axis=1).astype(np.float32)
        z, y, x = (points[:, k].reshape(1, 1, n) for k in range(3))
        return points, self.at(z, y, x).reshape(4, n)


def region(z: float, y: float, x: float, ventricle: float = 99.0) -> str:
    """Name of the part of the brain at a point of the template (LPS mm), by simple rules on its coordinates.

    >>> region(30, -40, 20), region(5, 85, 10), region(-15, 5, -55)
    ('frontal lobe', 'occipital lobe', 'temporal lobe')
    """
    front, side = -y, abs(x)
    if front < -38 and z < -4 - 0.35 * side:
        return "cerebellum"
    if side < 14 and z < -8 and -42 < front < -10:
        return "brainstem"
    if side < 22 and -32 < front < -2 and 0 <= z < 17:
        return "thalamus"
    if side < 31 and -12 < front < 20 and -10 < z < 16:
        return "basal ganglia"
    if ventricle < 7:
        return "periventricular white matter"
    if 30 <= side < 42 and -20 < front < 22 and -10 < z < 16:
        return "insula"
    if front < -72 or (front < -58 and z < 22):
        return "occipital lobe"
    if side > 26 and z < -8 + (20 - front) * 28 / 65 and -60 < front < 22:
        return "temporal lobe"
    return "frontal lobe" if front > -8 - (z - 20) * 0.35 else "parietal lobe"


@lru_cache(maxsize=1)
def template(folder: Path) -> Template:
    """The packed template; made in the cache folder on first use (some ten seconds), then mapped from there.

    Raises
    ------
    DatasetError
        If the file is there and damaged.
    """
    file = folder / f"{_VERSION}.npy"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        draft = folder / f".{_VERSION}-{uuid.uuid4().hex}.npy"
        try:
            np.save(draft, _pack())
            os.replace(draft, file)  # noqa: PTH105 - atomic, also where the target exists
        finally:
            draft.unlink(missing_ok=True)
    try:
        atlas = np.load(file, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise DatasetError(f"{file} is damaged ({error}); delete this file, and it is made anew") from error
    return Template(atlas, (189, 233, 197), (-72.0, -98.0, -98.0))


def _pack() -> NDArray[np.uint16]:
    from nilearn import datasets  # slow to import, and needed only here

    t1 = datasets.load_mni152_template(resolution=1)
    white = datasets.load_mni152_wm_template(resolution=1)
    # RAS (x, y, z) to LPS (z, y, x): turn x and y round.
    t1, white = (
        np.asarray(image.dataobj).transpose(2, 1, 0)[:, ::-1, ::-1].astype(np.float32) for image in (t1, white)
    )
    brain = t1 > 0
    hull = _hull(brain)
    filled = np.where(brain, t1, np.float32(0.35))
    tone = filled + (filled - ndimage.gaussian_filter(filled, 1.6))
    planes, rows, cols = t1.shape
    tiles = -(-planes // _COLUMNS)
    atlas = np.zeros((tiles * _COLUMNS, rows, cols, 4), dtype=np.uint16)
    for k, values in enumerate((tone, white, _ventricle(t1, hull), hull)):
        atlas[:planes, ..., k] = np.round(np.clip((values - _LOWEST[k]) / _RANGE[k], 0, 1) * 65535)
    atlas[planes:] = atlas[planes - 1]
    atlas = atlas.reshape(tiles, _COLUMNS, rows, cols, 4).transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(atlas.reshape(tiles * rows, _COLUMNS * cols, 4))


def _signed_distance(inside: NDArray[np.bool_]) -> Floats:
    outer, inner = ndimage.distance_transform_edt(~inside), ndimage.distance_transform_edt(inside)
    return np.asarray(outer - inner, dtype=np.float32)


def _hull(brain: NDArray[np.bool_]) -> Floats:
    """Distance to the brain's outline, sulci closed by a ball of 14 mm; found at half resolution, for it is smooth."""
    half = brain[::2, ::2, ::2]
    pad = 16
    # The template is cut off below: go on as it is there, or the outline would close under the cut.
    space = np.pad(np.pad(half, ((pad, 0), (0, 0), (0, 0)), mode="edge"), ((0, pad), (pad, pad), (pad, pad)))
    grown = ndimage.distance_transform_edt(~space) <= 7
    closed = ndimage.distance_transform_edt(grown) > 7
    smooth: Floats = ndimage.gaussian_filter(_signed_distance(closed) * 2, 1.5)
    distance = smooth[pad:-pad, pad:-pad, pad:-pad]
    for axis, n in enumerate(brain.shape):
        distance = _doubled(distance, axis, n)
    return distance


def _doubled(values: Floats, axis: int, n: int) -> Floats:
    """Twice as many values along an axis, the new ones halfway between the old; the first n of them."""
    here = np.moveaxis(values, axis, 0)
    halfway = (here + np.concatenate([here[1:], here[-1:]])) / 2
    both = np.stack([here, halfway], axis=1).reshape(-1, *here.shape[1:])[:n]
    return np.asarray(np.moveaxis(both, 0, axis), dtype=np.float32)


def _ventricle(t1: Floats, hull: Floats) -> Floats:
    """Distance to the lateral ventricles: the dark parts inside that hang together with their two bodies."""
    planes, rows, cols = t1.shape
    z, y, x = np.ogrid[-72 : planes - 72, -98 : rows - 98, -98 : cols - 98]
    cistern = (abs(x) < 14) & (y > 20) & (z < 14)
    dark = (t1 < 0.52) & (hull < -18) & (z > -6) & (z < 34) & (abs(x) > 2) & ~cistern & ~((abs(x) < 6) & (z > 22))
    box = (slice(52, 132), slice(18, 208), slice(28, 169))  # all that is dark lies inside, and 20 mm more
    components, n = ndimage.label(dark[box])
    sizes = np.bincount(components.ravel(), minlength=n + 1)
    sizes[0] = 0
    inside = np.isin(components, np.argsort(sizes)[-2:])
    distance = np.full(t1.shape, 60, dtype=np.float32)
    distance[box] = ndimage.gaussian_filter(_signed_distance(inside), 0.7)
    return distance
