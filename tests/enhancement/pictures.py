"""Pictures for the tests, and the calls that all functions of `medloc_lib.enhancement` are tried with."""

from __future__ import annotations

from functools import partial

import numpy as np
from scipy import ndimage

from medloc_lib import enhancement as en


def smooth(shape, seed=0):
    """Structures a few pixels large with noise of 20, about 0 to 1,000."""
    rng = np.random.default_rng(seed)
    blobs = ndimage.gaussian_filter(rng.normal(size=shape), 3)
    return (500 + 120 * blobs / blobs.std() + rng.normal(0, 20, shape)).astype(np.float32)


FLAT = smooth((90, 110))
VOLUME = smooth((14, 40, 44))

MAPS = {
    "window": partial(en.window, center=500, width=300),
    "stretch": partial(en.stretch, low=400, high=600),
    "stretch_percentiles": en.stretch_percentiles,
    "gamma": partial(en.gamma, exponent=0.6),
    "logarithm": en.logarithm,
    "sigmoid": en.sigmoid,
    "hard_threshold": partial(en.hard_threshold, level=500),
    "soft_threshold": partial(en.soft_threshold, level=500),
    "band_threshold": partial(en.band_threshold, low=400, high=600),
    "hysteresis_threshold": partial(en.hysteresis_threshold, low=500, high=600),
    "equalize": en.equalize,
    "equalize_bihistogram": en.equalize_bihistogram,
    "match": partial(en.match, reference=FLAT),
}
"""A value goes to a value, wherever it stands; hysteresis looks around, but no pixel's value counts for another's."""

FILTERS = {
    "clahe": partial(en.clahe, tiles=4),
    "median": en.median,
    "median, side 7": partial(en.median, size=7),
    "bilateral": partial(en.bilateral, contrast=60),
    "non_local_means": partial(en.non_local_means, noise=20, patch=3, reach=2),
    "total_variation": partial(en.total_variation, weight=10),
    "correct_bias": partial(en.correct_bias, shrink=2),
    "bias_field": partial(en.bias_field, shrink=2),
    "unsharp": en.unsharp,
    "laplacian_sharpen": en.laplacian_sharpen,
    "difference_of_gaussians": en.difference_of_gaussians,
    "frangi": en.frangi,
    "resample, spline": lambda image: en.resample(image, np.shape(image)),
    "resample, lanczos": lambda image: en.resample(image, np.shape(image), method="lanczos"),
}
"""A pixel's surroundings count."""

LEVELS = {"otsu": en.otsu, "multi_otsu": en.multi_otsu, "triangle": en.triangle, "li": en.li}

ALL = {**MAPS, **FILTERS}
OWN_RANGE = {"window", "match", "correct_bias", "bias_field", "difference_of_gaussians", "frangi"}
"""Those that leave the picture's range; each docstring says for what."""
RESPONSES = {"bias_field": 1.0, "difference_of_gaussians": 0.0, "frangi": 0.0}
"""What they give for a picture of one value; `window` and `match` follow from their parameters, others give it back."""
