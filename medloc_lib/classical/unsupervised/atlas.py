"""A self-organizing map beside the slices whose pixels it orders: what lies at which unit, and where it comes from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from medloc_lib.classical.scene import prepare
from medloc_lib.classical.unsupervised.anomaly import cut
from medloc_lib.classical.unsupervised.som import SomLocalizer, pixel_vectors, u_matrix
from medloc_lib.errors import InputError
from medloc_lib.sample import Sample

U_MATRIX, PIXELS, LESIONS = "U-matrix", "pixels", "in lesions"
SHOWN = 9
"""Patches a unit has at most, each of another slice."""
HALF = 7
"""Pixels from the middle of a patch to its edge."""

Numbers = NDArray[np.float64]


class Place(NamedTuple):
    """Where a patch comes from: the slice's position, and the index of the pixel in its middle."""

    image: int
    row: int
    col: int


class SomAtlas:
    """Every pixel inside the skulls of some slices at its best-matching unit.

    Parameters
    ----------
    localizer : fitted.
    samples : slices with the same channels.

    Attributes
    ----------
    side : of the map. planes : names of what `plane` gives.
    counts : int (units,), pixels at each unit, row by row. units : for each sample int (rows, cols), -1 outside.

    Raises
    ------
    InputError
        If the localizer is not fitted, there is no sample, its channels are others, or it is a volume.
    """

    def __init__(self, localizer: SomLocalizer, samples: Sequence[Sample]) -> None:
        if not hasattr(localizer, "weights_") or not samples:
            raise InputError("needs a SomLocalizer that is fitted, and slices to look at")
        self.localizer, self.samples = localizer, list(samples)
        self.side = len(localizer.weights_)
        total = self.side**2
        self.counts = np.zeros(total, dtype=np.int64)
        looked, inside_lesions = np.zeros(total), np.zeros(total)
        self.units: list[NDArray[np.int64]] = []
        self._pictures: list[NDArray[np.float32]] = []
        found: list[list[tuple[float, Place]]] = [[] for _ in range(total)]
        for k, sample in enumerate(self.samples):
            localizer.check(sample)
            scene = prepare(sample)
            at = np.argwhere(scene.inside)
            unit, distance = localizer.best(pixel_vectors(scene)[scene.inside])
            here = np.bincount(unit, minlength=total)
            self.counts += here
            if sample.mask is not None:
                looked += here
                inside_lesions += np.bincount(unit, weights=(sample.mask > 0)[scene.inside], minlength=total)
            order = np.lexsort((distance, unit))
            for first in order[np.unique(unit[order], return_index=True)[1]]:
                found[unit[first]].append((float(distance[first]), Place(k, int(at[first, 0]), int(at[first, 1]))))
            units = np.full(scene.inside.shape, -1, dtype=np.int64)
            units[scene.inside] = unit
            self.units.append(units)
            self._pictures.append(cut(scene)[scene.main])
        self._places = [[place for _, place in sorted(some)[:SHOWN]] for some in found]
        self._lesions = inside_lesions / np.maximum(looked, 1) if looked.any() else None
        known = (LESIONS,) if self._lesions is not None else ()
        self.planes: tuple[str, ...] = (U_MATRIX, *localizer.channels_, PIXELS, *known)

    def plane(self, name: str) -> Numbers:
        """One number for each unit: float64 (side, side).

        "U-matrix": mean distance to the units around; a channel: the units' own value, in deviations (a component
        plane); "pixels": the decimal logarithm of how many lie there; "in lesions": the share of them in a lesion.

        Raises
        ------
        InputError
            If there is no such plane.
        """
        if name not in self.planes:
            raise InputError(f"there is no plane {name!r}; there are {', '.join(self.planes)}")
        if name == U_MATRIX:
            return u_matrix(self.localizer.weights_ / self.localizer.scale_)
        if name == PIXELS:
            return np.asarray(np.log10(np.maximum(self.counts, 1)).reshape(self.side, self.side))
        if name == LESIONS and self._lesions is not None:
            return np.asarray(self._lesions.reshape(self.side, self.side))
        return np.asarray(self.localizer.weights_[..., self.localizer.channels_.index(name)])

    def places(self, unit: int) -> list[Place]:
        """The pixels that fit a unit best, one a slice, the best first, `SHOWN` at most.

        Raises
        ------
        InputError
            If there is no such unit.
        """
        if not 0 <= unit < self.side**2:
            raise InputError(f"unit must be 0 to {self.side**2 - 1}; got {unit}")
        return list(self._places[unit])

    def patch(self, place: Place) -> NDArray[np.float32]:
        """The surround of a place in the main channel, in deviations: float32 (15, 15), 0 beyond the picture."""
        padded = np.pad(self._pictures[place.image], HALF)
        return padded[place.row : place.row + 2 * HALF + 1, place.col : place.col + 2 * HALF + 1]

    def mosaic(self, unit: int) -> NDArray[np.float32]:
        """The patches of a unit, three in a row, with a line of the lowest value between: float32 (47, 47)."""
        side = 2 * HALF + 1
        tiles = [np.pad(self.patch(place), ((0, 1), (0, 1)), constant_values=-5.0) for place in self.places(unit)]
        tiles += [np.full((side + 1, side + 1), -5.0, dtype=np.float32)] * (SHOWN - len(tiles))
        rows = [np.concatenate(tiles[k : k + 3], axis=1) for k in range(0, SHOWN, 3)]
        return np.asarray(np.concatenate(rows)[:-1, :-1], dtype=np.float32)
