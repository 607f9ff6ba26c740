"""Enhancement: pictures in which something is easier to see, and numbers that say how much easier.

Contrast
    `window`, `stretch`, `stretch_percentiles`, `gamma`, `logarithm`, `sigmoid`.
Thresholds
    `hard_threshold`, `soft_threshold`, `band_threshold`, `hysteresis_threshold` lift a range of values over the rest;
    `otsu`, `multi_otsu`, `triangle`, `li` find levels.
Histogram
    `equalize`, `equalize_bihistogram`, `match`, `clahe`.
Noise
    `median`, `bilateral`, `non_local_means`, `total_variation`.
Bias, blur, resolution, tubes
    `bias_field`, `correct_bias`; `unsharp`, `laplacian_sharpen`, `difference_of_gaussians`; `resample`; `frangi`.
Measures
    `cnr`, `snr`, `air_noise`, `entropy`; against a clean picture `psnr`, `ssim`.

Every function takes one picture, (rows, cols) or (planes, rows, cols), leaves it as it is, and gives a new float32
array, in the same units and range unless its docstring says otherwise. Four rules hold throughout:

- Whole numbers, bool and float64 are computed as float32: 24 bits, more than a scanner measures.
- NaN means *not measured*: it counts nowhere and stays NaN. Infinity is an `InputError`, and so is a picture of NaN
  alone.
- A picture of one value, or of one pixel, has nothing to enhance: it comes back as it is, and a response (of an edge, a
  tube) is 0.
- A colour picture goes through channel by channel: three axes are a volume.

>>> import numpy as np
>>> stretch(np.array([[10, 20, 30]], dtype=np.uint8), low=10, high=20)
array([[10., 30., 30.]], dtype=float32)
"""

from __future__ import annotations

from medloc_lib.enhancement.clahe import clahe
from medloc_lib.enhancement.contrast import gamma, logarithm, sigmoid, stretch, stretch_percentiles, window
from medloc_lib.enhancement.histogram import equalize, equalize_bihistogram, match
from medloc_lib.enhancement.measures import air_noise, cnr, entropy, psnr, snr, ssim
from medloc_lib.enhancement.noise import bilateral, median, non_local_means
from medloc_lib.enhancement.restoration import (
    bias_field,
    correct_bias,
    difference_of_gaussians,
    laplacian_sharpen,
    resample,
    unsharp,
)
from medloc_lib.enhancement.thresholds import (
    band_threshold,
    hard_threshold,
    hysteresis_threshold,
    li,
    multi_otsu,
    otsu,
    soft_threshold,
    triangle,
)
from medloc_lib.enhancement.variation import total_variation
from medloc_lib.enhancement.vessels import frangi

__all__ = [
    "air_noise",
    "band_threshold",
    "bias_field",
    "bilateral",
    "clahe",
    "cnr",
    "correct_bias",
    "difference_of_gaussians",
    "entropy",
    "equalize",
    "equalize_bihistogram",
    "frangi",
    "gamma",
    "hard_threshold",
    "hysteresis_threshold",
    "laplacian_sharpen",
    "li",
    "logarithm",
    "match",
    "median",
    "multi_otsu",
    "non_local_means",
    "otsu",
    "psnr",
    "resample",
    "sigmoid",
    "snr",
    "soft_threshold",
    "ssim",
    "stretch",
    "stretch_percentiles",
    "total_variation",
    "triangle",
    "unsharp",
    "window",
]
