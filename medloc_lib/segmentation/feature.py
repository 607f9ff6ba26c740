"""By features: pixels that are alike, in brightness, in several channels or in texture, belong together.

Thresholds, clusters, superpixels and regions that grow from a seed. Mixtures with a spatial prior are in `mixture`, and
the classifier that learns from strokes in `strokes`. Every function gives an int32 label map; 0 is what lies outside
the mask or has no value. Clusters count from 1, in order of brightness in the first channel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from medloc_lib.segmentation.checks import (
    Floats,
    Labels,
    as_channels,
    as_markers,
    as_mask,
    as_picture,
    check_number,
    relabeled,
)

BINS = 256
"""Steps of the histogram between which thresholds are looked for."""
ENOUGH = 20_000
"""Pixels from which clusters are found; all are then given to the nearest."""


def multi_otsu(image: ArrayLike, *, classes: int = 3, mask: ArrayLike | None = None) -> Labels:
    """Classes of brightness between which thresholds lie where they part the histogram best.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    classes : from 2 to 5. An image of fewer different values has as many classes as values.
    mask : where to look; None: everywhere.

    Returns
    -------
    int32 label map, 1 the darkest.

    References
    ----------
    P.-S. Liao, T.-S. Chen and P.-C. Chung, "A fast algorithm for multilevel thresholding", J. Inf. Sci. Eng. 17 (2001).

    Examples
    --------
    >>> multi_otsu([[1, 1, 5, 5, 9, 9, np.nan]])
    array([[1, 1, 2, 2, 3, 3, 0]], dtype=int32)
    """
    from skimage.filters import threshold_multiotsu

    picture, known = as_picture(image)
    inside = as_mask(mask, known)
    check_number(classes, "classes", 2, whole=True)
    different = np.unique(picture[inside])
    if len(different) <= classes:
        edges = (different[1:] + different[:-1]) / 2
    else:
        # The library names the middle of the last bin below, half of which belongs below too.
        half = np.ptp(different) / BINS / 2
        edges = threshold_multiotsu(picture[inside], classes, nbins=BINS) + half
    return relabeled(np.digitize(picture, edges) + 1, inside)


def kmeans(channels: ArrayLike, *, classes: int = 3, mask: ArrayLike | None = None, seed: int = 0) -> Labels:
    """Clusters of pixels around as many means, each channel measured in its own standard deviations.

    Parameters
    ----------
    channels : (channels, rows, cols) or (channels, planes, rows, cols), such as a sample's image or the maps of
        `medloc_lib.segmentation.texture`; (rows, cols) is one channel. One volume is ``volume[None]``.
    classes : from 1. Where fewer pixels differ there are fewer clusters.
    mask : where to look, of the spatial shape; None: everywhere.
    seed : of the first means.

    Returns
    -------
    int32 label map of the spatial shape, 1 the darkest in the first channel.

    References
    ----------
    S. Lloyd, "Least squares quantization in PCM", IEEE Trans. Inf. Theory 28 (1982). Good first means: D. Arthur and
    S. Vassilvitskii, "k-means++", SODA 2007.

    Examples
    --------
    >>> kmeans([[0, 1, 0, 9, 8, 9]], classes=2)
    array([[1, 1, 1, 2, 2, 2]], dtype=int32)
    """
    from sklearn.cluster import KMeans

    picture, known = as_channels(channels)
    inside = as_mask(mask, known)
    check_number(classes, "classes", 1, whole=True)
    values = picture[:, inside].T
    scale = values.std(axis=0)
    values = (values - values.mean(axis=0)) / np.where(scale > 0, scale, 1)
    rng = np.random.default_rng(seed)
    few = values if len(values) <= ENOUGH else values[rng.choice(len(values), ENOUGH, replace=False)]
    found = KMeans(min(classes, len(np.unique(few, axis=0))), n_init=3, random_state=seed).fit(few)
    rank = np.argsort(np.argsort(found.cluster_centers_[:, 0]))
    labels = np.zeros(inside.shape, dtype=np.int32)
    labels[inside] = rank[found.predict(values)] + 1
    return labels


def superpixels(
    channels: ArrayLike, *, regions: int = 200, compactness: float = 0.3, mask: ArrayLike | None = None
) -> Labels:
    """SLIC: about as many small, connected regions, alike in brightness and similar in size.

    Parameters
    ----------
    channels : as in `kmeans`.
    regions : about how many.
    compactness : how much nearness counts beside brightness, which is measured in standard deviations: over 0; the
        higher, the squarer.
    mask : where to look; None: everywhere.

    Returns
    -------
    int32 label map, 1, 2 … in no order.

    References
    ----------
    R. Achanta et al., "SLIC superpixels compared to state-of-the-art superpixel methods", IEEE PAMI 34 (2012).

    Examples
    --------
    >>> labels = superpixels(np.repeat([[0.0, 0, 0, 0, 5, 5, 5, 5]], 4, axis=0), regions=2)
    >>> len(set(labels[:, :4].ravel()) & set(labels[:, 4:].ravel()))
    0
    """
    from skimage.segmentation import slic

    picture, known = as_channels(channels)
    inside = as_mask(mask, known)
    check_number(regions, "regions", 1, whole=True)
    if inside.sum() == 1:
        return inside.astype(np.int32)
    scale = picture[:, inside].std(axis=1).reshape(-1, *(1,) * inside.ndim)
    middle = picture[:, inside].mean(axis=1).reshape(scale.shape)
    values = np.where(inside, (picture - middle) / np.where(scale > 0, scale, 1), 0)
    where = None if inside.all() else inside
    labels = slic(values, regions, compactness, channel_axis=0, mask=where, convert2lab=False, start_label=1)
    return relabeled(labels, inside)


def grow(image: ArrayLike, seeds: ArrayLike, *, tolerance: float) -> Labels:
    """Regions that grow from seeds through connected pixels of nearly the brightness of their seed.

    A pixel belongs to a label if it hangs together with one of its seeds through pixels that differ from the mean of
    the label's seeds by no more than `tolerance`. Where two labels claim a pixel, the nearer mean has it.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    seeds : label map, 1, 2 … where somebody has clicked, 0 elsewhere.
    tolerance : 0 or more, in units of the image.

    Returns
    -------
    int32 label map; the seeds keep their labels, 0 is what nobody reached.

    References
    ----------
    R. Adams and L. Bischof, "Seeded region growing", IEEE PAMI 16 (1994), of which this is the plainest form: its
    regions do not learn as they grow, so that the order of growing does not matter.

    Examples
    --------
    >>> grow([[1, 2, 9, 1, 8]], [[1, 0, 2, 0, 0]], tolerance=1)
    array([[1, 1, 2, 0, 0]], dtype=int32)
    """
    picture, known = as_picture(image)
    marks = as_markers(seeds, picture.shape)
    check_number(tolerance, "tolerance", 0)
    labels = np.zeros(picture.shape, dtype=np.int32)
    distance: Floats = np.full(picture.shape, np.inf)
    for kind in np.unique(marks[marks > 0]):
        mine = (marks == kind) & known
        if not mine.any():
            continue
        apart = np.abs(picture - picture[mine].mean())
        alike = ((apart <= tolerance) & known & (marks == 0)) | mine
        parts, _ = ndimage.label(alike)
        reached = np.isin(parts, np.unique(parts[mine]))
        nearer = reached & ((apart < distance) | mine)
        labels[nearer], distance[nearer] = kind, apart[nearer]
    labels = np.where(marks > 0, marks, labels)
    return relabeled(labels, known)
