"""A contrast series as sequences: for each voxel that lights up, its brightness over time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medloc_lib.errors import InputError
from medloc_lib.sample import Sample

BLUR = 0.7
"""Voxels, the deviation of the Gaussian that lowers the noise of each frame."""


@dataclass(frozen=True)
class Curves:
    """Voxels that light up.

    Parameters
    ----------
    index : int (n, ndim), where they are.
    values : float32 (n, frames, 2), brightness and what was added since the first frame, both relative to the median
        brightness of the first frame's foreground.
    lesion : bool (n,), whether the voxel is in a lesion; None where nobody looked.
    """

    index: NDArray[np.int64]
    values: NDArray[np.float32]
    lesion: NDArray[np.bool_] | None

    def __len__(self) -> int:
        return len(self.index)


def curves(sample: Sample, *, arrival: float = 30.0, least: float = 0.12) -> Curves:
    """The time courses of the voxels that light up after the contrast agent has come.

    Parameters
    ----------
    sample : a series: its channels are frames, their seconds in ``meta["seconds"]``.
    arrival : the second at which the agent arrives; two frames at least must be earlier.
    least : what must be added in one frame, relative to the first frame's brightness; and at least five times the
        noise, the robust standard deviation of what the frames before the arrival differ by.

    Raises
    ------
    InputError
        If it is no such series.

    Examples
    --------
    >>> frames = np.random.default_rng(0).normal(100, 1, (5, 20, 20))
    >>> frames[3:, 5:9, 5:9] += 60
    >>> made = curves(Sample(frames, meta={"seconds": (0, 20, 40, 60, 80)}))
    >>> bool((np.abs(made.index - 6.5) < 4).all()), made.values.shape[1:]
    (True, (5, 2))
    """
    seconds = np.asarray(sample.meta.get("seconds", ()), dtype=np.float64)
    early = np.flatnonzero(seconds < arrival)
    if seconds.shape != (len(sample.image),) or not 2 <= len(early) < len(seconds):
        raise InputError(
            "needs a series with the second of each frame in meta['seconds'], two of them before the arrival and one "
            f"after; got {seconds.tolist()} for {len(sample.image)} channels"
        )
    frames = np.asarray(sample.image, dtype=np.float32)
    inside = frames[0] > frames[0].mean()
    if not inside.any():
        raise InputError(f"series {sample.id!r} is constant in its first frame")
    frames = np.stack([ndimage.gaussian_filter(frame, BLUR) for frame in frames]) / np.median(frames[0][inside])
    added = frames - frames[early].mean(axis=0)
    before = (frames[early[1]] - frames[early[0]])[inside]
    noise = 1.4826 * float(np.median(np.abs(before - np.median(before)))) / np.sqrt(2)
    lit = inside & (added[early[-1] + 1 :].max(axis=0) > max(least, 5 * noise))
    values = np.stack([frames[:, lit].T, added[:, lit].T], axis=2)
    lesion = None if sample.mask is None else sample.mask[lit] > 0
    return Curves(np.argwhere(lit), np.asarray(values, dtype=np.float32), lesion)
