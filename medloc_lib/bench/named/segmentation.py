"""Lesson 04: every segmenter on FLAIR (or on all channels) inside the brain, its regions judged by how they stand out.

The brain is found in T2 (`segmentation.brain`). Parameters are the library's defaults or first guesses, looked at on
training and validation patients; none was searched.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medloc_lib import segmentation as sg
from medloc_lib.localizer import PixelLocalizer, SegmentedLocalizer
from medloc_lib.sample import Sample

Array = NDArray[Any]
CHANNELS = ("T2", "T1", "FLAIR", "PET")
BRIGHT, PLAIN = 2.5, 0.5
"""z over which a pixel is a seed of a lesion, and under which it is one of the rest, where a segmenter wants seeds."""


def brain(sample: Sample) -> Array:
    """Where the brain is, by the T2-weighted channel."""
    return sg.brain(sample["T2"], spacing=sample.spacing)


def seeds(z: Array) -> Array:
    """Markers made by code instead of a hand: 1 where z is plain, 2 where it is bright."""
    known = np.nan_to_num(z, nan=0.0)
    return np.select([known > BRIGHT, known < PLAIN], [2, 1], 0) * np.isfinite(z)


def from_seeds(z: Array, grow: Callable[[Array, Array], Array]) -> Array:
    """What `grow` makes of the seeds of lesions; nothing where there is none."""
    marks = seeds(z)
    return np.where(grow(z, marks) == 2, 1, 0) if (marks == 2).any() else np.zeros(z.shape, dtype=np.int32)


def from_start(z: Array, marks: Array, contour: Callable[[Array, Array], Array]) -> Array:
    """A contour that begins at the seeds of lesions."""
    return np.asarray(2 * contour(z, marks == 2))


def plain(z: Array) -> Array:
    """No segmentation: every pixel is judged by itself."""
    return np.where(np.isfinite(z), z, -np.inf)


def outlying(channels: Array) -> Array:
    """How bright FLAIR is where a pixel fits no tissue: z times the probability of that, smoothed a little."""
    from scipy import ndimage

    inside = np.isfinite(channels).all(axis=0)
    model = sg.mixture_model(channels, mask=inside, partial_volume=True, outliers=4.0, iterations=25)
    z = np.nan_to_num(channels[CHANNELS.index("FLAIR")])
    return np.asarray(ndimage.gaussian_filter(model.strange * z, 1.0))


def textured(z: Array, maps: Callable[[Array], Array], *, classes: int = 6) -> Array:
    """Clusters of texture and brightness."""
    return sg.kmeans(np.concatenate([z[None], maps(z)]), classes=classes)


ON_FLAIR: dict[str, Callable[[Array], Array]] = {
    "brain": plain,
    "edges": partial(sg.fill_edges, detector="canny", sigma=1.0, gap=1),
    "watershed": sg.watershed,
    "watershed_seeds": partial(from_seeds, grow=sg.watershed),
    "snake": partial(from_seeds, grow=partial(from_start, contour=sg.snake)),
    "geodesic": partial(from_seeds, grow=partial(from_start, contour=partial(sg.geodesic_contour, iterations=10))),
    "chan_vese": partial(sg.chan_vese, iterations=20),
    "random_walker": partial(from_seeds, grow=sg.random_walker),
    "cooccurrence": partial(textured, maps=sg.cooccurrence),
    "binary_patterns": partial(textured, maps=sg.binary_patterns),
    "gabor": partial(textured, maps=sg.gabor),
    "entropy": partial(textured, maps=sg.local_entropy),
    "otsu": partial(sg.multi_otsu, classes=4),
    "superpixels": partial(sg.superpixels, regions=300),
    "grow": partial(from_seeds, grow=partial(sg.grow, tolerance=2.0)),
}
ON_ALL: dict[str, Callable[[Array], Array]] = {
    "kmeans": partial(sg.kmeans, classes=5),
    "mixture": outlying,
}

ROWS: dict[str, Callable[[], Any]] = {
    **{f"segmented_{name}": partial(SegmentedLocalizer, f, within=brain) for name, f in ON_FLAIR.items()},
    **{f"segmented_{name}": partial(SegmentedLocalizer, f, None, CHANNELS, brain) for name, f in ON_ALL.items()},
    "segmented_pixels": partial(PixelLocalizer, CHANNELS, brain),
}
