"""Segmentation: a label for every pixel, by three ideas.

By boundary
    An object ends where the brightness changes: `fill_edges`, `watershed`, `snake`, `geodesic_contour`, `chan_vese`,
    `random_walker`, and the `gradient` they look at.
By texture
    Regions differ in how the brightness changes from pixel to pixel: the feature maps `cooccurrence`,
    `binary_patterns`, `gabor` and `local_entropy`, which are then clustered.
By features
    Pixels that are alike belong together: `multi_otsu`, `kmeans`, `mixture`, `superpixels`, `grow`, and the
    `PixelClassifier` that learns from strokes.

Rules for all of them: a label map is int32 of the picture's spatial shape. 0 is background, what lies outside the mask,
and pixels that are NaN or infinite, which take no part; clusters count from 1, in order of brightness. Integer images
are computed with as float64, and nothing that comes in is changed. A constant image has no edges, and one cluster; one
pixel is a constant image. Markers (seeds, strokes) are label maps too, 0 where nothing is marked.

>>> import numpy as np
>>> image = np.array([[0, 0, 0, 5, 5, 5]])
>>> multi_otsu(image, classes=2)
array([[1, 1, 1, 2, 2, 2]], dtype=int32)
"""

from __future__ import annotations

from medloc_lib.segmentation.boundary import (
    chan_vese,
    fill_edges,
    geodesic_contour,
    gradient,
    random_walker,
    snake,
    watershed,
)
from medloc_lib.segmentation.feature import grow, kmeans, multi_otsu, superpixels
from medloc_lib.segmentation.mixture import Mixture, mixture, mixture_model
from medloc_lib.segmentation.recipes import brain, white_cells
from medloc_lib.segmentation.strokes import PixelClassifier, pixel_features
from medloc_lib.segmentation.texture import binary_patterns, cooccurrence, gabor, local_entropy

__all__ = [
    "Mixture",
    "PixelClassifier",
    "binary_patterns",
    "brain",
    "chan_vese",
    "cooccurrence",
    "fill_edges",
    "gabor",
    "geodesic_contour",
    "gradient",
    "grow",
    "kmeans",
    "local_entropy",
    "mixture",
    "mixture_model",
    "multi_otsu",
    "pixel_features",
    "random_walker",
    "snake",
    "superpixels",
    "watershed",
    "white_cells",
]
