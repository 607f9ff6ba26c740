"""By boundary: an object ends where the brightness changes.

Edges that are closed and filled, a flood from markers that meets at the crests, and contours that move until they lie
on an edge. Every function gives an int32 label map; 0 is background, and what is NaN or infinite.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import ndimage

from medloc_lib.errors import InputError
from medloc_lib.segmentation.checks import (
    Bools,
    Floats,
    Labels,
    as_markers,
    as_picture,
    check_number,
    grown,
    relabeled,
    shrunk,
)


def gradient(image: ArrayLike, *, sigma: float = 1.0) -> Floats:
    """How steeply the brightness changes: the length of its gradient, per pixel, after a Gaussian.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols), any numbers. NaN takes its nearest neighbour's value.
    sigma : of the Gaussian in pixels, over 0. What is much smaller than this makes no edge.

    Returns
    -------
    float64 of the same shape, 0 or more, in units of the image per pixel; 0 where the image is constant.

    References
    ----------
    D. Marr and E. Hildreth, "Theory of edge detection", Proc. R. Soc. Lond. B 207 (1980).

    Examples
    --------
    >>> step = np.repeat([[0.0, 0, 0, 1, 1, 1]], 3, axis=0)
    >>> gradient(step)[1].round(2)
    array([0.01, 0.12, 0.36, 0.36, 0.12, 0.01])
    """
    picture, _ = as_picture(image)
    if not sigma > 0:
        raise InputError(f"sigma must be over 0 pixels; got {sigma!r}")
    return np.asarray(ndimage.gaussian_gradient_magnitude(picture, sigma, mode="nearest"))


def fill_edges(
    image: ArrayLike, *, detector: Literal["canny", "gradient"] = "canny", sigma: float = 1.5, gap: int = 2
) -> Labels:
    """Regions that edges enclose: edges are found, their gaps closed, and what lies inside is filled.

    Parameters
    ----------
    image : (rows, cols); for "gradient" also (planes, rows, cols).
    detector : "canny", thin edges with hysteresis between two thresholds; or "gradient", all pixels whose gradient is
        over Otsu's threshold: broad edges, so that regions come out larger by about half of their breadth.
    sigma : of the Gaussian in pixels.
    gap : pixels. Edges are grown by so much and shrunk again, which closes gaps of up to twice that, and in the end
        everything thinner is swept away: single edges, that enclose nothing.

    Returns
    -------
    int32 label map: each region a number from 1, in the order of its first pixel. An image without edges has none.

    References
    ----------
    J. Canny, "A computational approach to edge detection", IEEE PAMI 8 (1986). N. Otsu, IEEE SMC 9 (1979).

    Examples
    --------
    >>> image = np.zeros((32, 32))
    >>> image[8:24, 8:20] = 1
    >>> labels = fill_edges(image)
    >>> labels.max(), labels[16, 12], labels[2, 2]
    (np.int32(1), np.int32(1), np.int32(0))
    """
    picture, known = as_picture(image, ndim=(2,) if detector == "canny" else (2, 3))
    check_number(gap, "gap", 0, whole=True)
    if detector == "canny":
        from skimage.feature import canny

        # Thresholds as shares of the pixels mean the same on every scanner; those of a flat image would be noise.
        edges = canny(picture, sigma, low_threshold=0.8, high_threshold=0.9, use_quantiles=True)
        edges &= gradient(picture, sigma=sigma) > 1e-9 * np.ptp(picture)
    elif detector == "gradient":
        from skimage.filters import threshold_otsu

        steep = gradient(picture, sigma=sigma)
        edges = steep > threshold_otsu(steep) if np.ptp(steep) > 0 else np.zeros(picture.shape, dtype=bool)
    else:
        raise InputError(f'detector must be "canny" or "gradient"; got {detector!r}')
    closed = shrunk(grown(edges, gap), gap)
    solid = ndimage.binary_fill_holes(closed)
    solid = grown(shrunk(solid, gap + 1), gap + 1)
    return relabeled(ndimage.label(solid & known, structure=np.ones((3,) * picture.ndim))[0], known)


def watershed(image: ArrayLike, markers: ArrayLike | None = None, *, sigma: float = 1.0) -> Labels:
    """Flood the gradient from markers; where two floods meet, on a crest, is a boundary.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    markers : label map, 1, 2 … where somebody has marked an object (or the background), 0 elsewhere. None: every
        valley of the gradient is one, which cuts the image into many small regions.
    sigma : of the gradient's Gaussian in pixels.

    Returns
    -------
    int32 label map: every pixel has the label of the marker that reached it first.

    References
    ----------
    F. Meyer and S. Beucher, "Morphological segmentation", J. Vis. Commun. Image Represent. 1 (1990).

    Examples
    --------
    >>> image = np.repeat([[0.0, 0, 0, 0, 5, 5, 5, 5]], 4, axis=0)
    >>> markers = np.zeros(image.shape, int)
    >>> markers[1, 0], markers[2, 7] = 1, 2
    >>> watershed(image, markers)[0]
    array([1, 1, 1, 1, 2, 2, 2, 2], dtype=int32)
    """
    from skimage.segmentation import watershed as flood

    picture, known = as_picture(image)
    seeds = None if markers is None else as_markers(markers, picture.shape)
    return relabeled(flood(gradient(picture, sigma=sigma), seeds, mask=known), known)


def snake(
    image: ArrayLike, start: ArrayLike, *, sigma: float = 3.0, tension: float = 0.0005, stiffness: float = 0.1
) -> Labels:
    """A closed elastic line that is pulled to edges, from the outline of `start`.

    Of a snake's energies, `tension` draws its points together, `stiffness` keeps it from bending, and the edges attract
    it. It finds edges that it is close to, within a few `sigma`, keeps one outline, and smooths corners.

    Parameters
    ----------
    image : (rows, cols). Not 3-D: a snake is a line.
    start : mask of the same shape; the outline of its largest part is where the line begins.
    sigma : of the Gaussian in pixels.
    tension, stiffness : 0 or more.

    Returns
    -------
    int32 label map: 1 inside the line. On a constant image the line stays where it began.

    References
    ----------
    M. Kass, A. Witkin and D. Terzopoulos, "Snakes: active contour models", IJCV 1 (1988).

    Examples
    --------
    >>> rows, cols = np.mgrid[:64, :64]
    >>> ball, start = np.hypot(rows - 32, cols - 32) < 16, np.hypot(rows - 32, cols - 32) < 20
    >>> found = snake(ball.astype(float), start) == 1
    >>> bool(2 * (found & ball).sum() / (found.sum() + ball.sum()) > 0.95)
    True
    """
    picture, known = as_picture(image, ndim=(2,))
    check_number(tension, "tension", 0)
    check_number(stiffness, "stiffness", 0)
    begin = _largest(as_markers(start, picture.shape) > 0)
    line = _outline(begin)
    if np.ptp(picture) == 0:
        return relabeled(begin, known)
    smooth = _scaled(ndimage.gaussian_filter(picture, sigma))
    from skimage.draw import polygon2mask
    from skimage.segmentation import active_contour

    line = active_contour(smooth, line, alpha=tension, beta=stiffness, gamma=0.001)
    return relabeled(polygon2mask(picture.shape, line), known)


def geodesic_contour(
    image: ArrayLike,
    start: ArrayLike,
    *,
    sigma: float = 2.0,
    balloon: int = 1,
    smoothing: int = 1,
    threshold: float = 0.5,
    iterations: int = 60,
) -> Labels:
    """A contour that grows from `start` through even parts and stops at edges; it may split and merge.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    start : mask of the same shape, inside the object (or around it, with a negative balloon).
    sigma : of the Gaussian in pixels.
    balloon : 1 grows, -1 shrinks, 0 only follows the edges.
    smoothing : times that the contour is smoothed in each step.
    threshold : between 0 and 1. The contour is stopped where 1 / sqrt(1 + 200 · gradient) of the image, scaled to 0
        to 1, is lower.
    iterations : steps of about a pixel, rounded up to an even number.

    Returns
    -------
    int32 label map: 1 inside.

    References
    ----------
    V. Caselles, R. Kimmel and G. Sapiro, "Geodesic active contours", IJCV 22 (1997); by morphology: P. Márquez-Neila,
    L. Baumela and L. Alvarez, IEEE PAMI 36 (2014).

    Examples
    --------
    >>> rows, cols = np.mgrid[:48, :48]
    >>> ball, start = np.hypot(rows - 24, cols - 24) < 12, np.hypot(rows - 24, cols - 24) < 4
    >>> found = geodesic_contour(ball.astype(float), start) == 1
    >>> bool(2 * (found & ball).sum() / (found.sum() + ball.sum()) > 0.95)
    True
    """
    from skimage.segmentation import inverse_gaussian_gradient, morphological_geodesic_active_contour

    picture, known = as_picture(image)
    check_number(iterations, "iterations", 0, whole=True)
    begin = as_markers(start, picture.shape) > 0
    speed = inverse_gaussian_gradient(_scaled(picture), alpha=200.0, sigma=sigma)
    thin = [(1, 1) if n == 1 else (0, 0) for n in picture.shape]  # the library takes slopes along every axis
    inside = morphological_geodesic_active_contour(
        np.pad(speed, thin, mode="edge"),
        _even(iterations),
        np.pad(begin, thin, mode="edge").astype(np.int8),
        smoothing=smoothing,
        threshold=threshold,
        balloon=balloon,
    )
    whole = tuple(slice(low, n + low) for n, (low, _) in zip(picture.shape, thin, strict=True))
    return relabeled(inside[whole] > 0, known)


def chan_vese(image: ArrayLike, start: ArrayLike | None = None, *, smoothing: int = 1, iterations: int = 60) -> Labels:
    """Two parts that are as even as can be, with a short border between them; no edge is needed.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    start : mask to begin with; None: what is over Otsu's threshold.
    smoothing : times that the border is smoothed in each step: the more, the shorter it is.
    iterations : steps, rounded up to an even number.

    Returns
    -------
    int32 label map: 1 in the brighter part. A constant image has no brighter part.

    References
    ----------
    T. Chan and L. Vese, "Active contours without edges", IEEE TIP 10 (2001); by morphology: P. Márquez-Neila,
    L. Baumela and L. Alvarez, IEEE PAMI 36 (2014).

    Examples
    --------
    >>> image = np.zeros((20, 20))
    >>> image[5:15, 6:14] = 1
    >>> np.array_equal(chan_vese(image, smoothing=0), image)
    True

    The shorter border costs the four corners of the square:

    >>> int(image.sum() - chan_vese(image).sum())
    4
    """
    from skimage.filters import threshold_otsu
    from skimage.segmentation import morphological_chan_vese

    picture, known = as_picture(image)
    check_number(iterations, "iterations", 0, whole=True)
    if np.ptp(picture) == 0:
        return np.zeros(picture.shape, dtype=np.int32)
    begin = picture > threshold_otsu(picture) if start is None else as_markers(start, picture.shape) > 0
    steps = _even(iterations)
    inside = morphological_chan_vese(_scaled(picture), steps, begin.astype(np.int8), smoothing=smoothing) > 0
    if inside.any() and not inside.all() and picture[inside].mean() < picture[~inside].mean():
        inside = ~inside
    return relabeled(inside, known)


def random_walker(image: ArrayLike, markers: ArrayLike, *, beta: float = 50.0) -> Labels:
    """Each pixel belongs to the marker that a walker from there, who shuns steep steps, most likely meets first.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols). It solves one linear system: some seconds in a large picture.
    markers : label map, 1, 2 … where somebody has marked an object (or the background), 0 elsewhere.
    beta : how much the walker shuns a step in brightness: its weight is exp(-beta · (step / σ)² / 10), with σ the
        standard deviation of the image.

    Returns
    -------
    int32 label map.

    References
    ----------
    L. Grady, "Random walks for image segmentation", IEEE PAMI 28 (2006).

    Examples
    --------
    >>> image = np.repeat([[0.0, 0, 0, 0, 5, 5, 5, 5]], 4, axis=0)
    >>> markers = np.zeros(image.shape, int)
    >>> markers[1, 0], markers[2, 7] = 1, 2
    >>> random_walker(image, markers)[0]
    array([1, 1, 1, 1, 2, 2, 2, 2], dtype=int32)
    """
    from skimage.segmentation import random_walker as walk

    picture, known = as_picture(image)
    seeds = as_markers(markers, picture.shape)
    check_number(beta, "beta", 0)
    kinds = np.unique(seeds[seeds > 0])
    if len(kinds) == 1 or (seeds > 0).all():  # nothing to decide
        return relabeled(np.where(seeds > 0, seeds, kinds[0]), known)
    values = picture / picture.std() if np.ptp(picture) > 0 else picture
    if np.ptp(picture) == 0:  # every step is alike; the library divides by the deviation
        values, beta = np.indices(picture.shape).sum(axis=0).astype(np.float64), 0.0
    found = walk(values, np.searchsorted(kinds, seeds) + (seeds > 0), beta=beta, mode="bf")
    return relabeled(np.concatenate([[0], kinds])[found], known)


def _even(iterations: int) -> int:
    """The library smooths by two operators in turn and remembers whose turn it is: an odd number of steps would make
    the next call another one."""
    return iterations + iterations % 2


def _scaled(picture: Floats) -> Floats:
    """From 0 to 1, so that parameters mean the same whatever the scanner's unit."""
    span = np.ptp(picture)
    return (picture - picture.min()) / span if span > 0 else np.zeros_like(picture)


def _largest(mask: Bools) -> Bools:
    parts, _ = ndimage.label(mask, structure=np.ones((3,) * mask.ndim))
    return np.asarray(parts == np.argmax(np.bincount(parts.ravel())[1:]) + 1)


def _outline(mask: Bools) -> Floats:
    """A closed line around a mask, (100, 2) indices at equal steps."""
    from skimage.measure import find_contours

    line = max(find_contours(np.pad(mask, 1).astype(np.float64), 0.5), key=len) - 1
    length = np.append(0, np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1)))
    at = np.linspace(0, length[-1], 100, endpoint=False)
    return np.stack([np.interp(at, length, line[:, k]) for k in range(2)], axis=1)
