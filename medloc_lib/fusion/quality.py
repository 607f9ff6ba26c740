"""How much of its sources a fused picture keeps: mutual information, edge preservation, structural similarity.

They compare pictures of one grid, 2-D or 3-D, and know nothing of lesions: a rule that keeps most of everything is not
the one that finds most. Integers are taken as numbers; NaN and infinity are refused.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from medloc_lib.errors import InputError
from medloc_lib.fusion.pixel import as_channels

Floats = NDArray[np.float64]

STRENGTH = (0.9994, -15.0, 0.5)
"""Γ, κ and σ of the loss of edge strength, from the paper."""
ORIENTATION = (0.9879, -22.0, 0.8)
"""The same of the loss of orientation."""
WINDOW = 11
"""Pixels that the window of `ssim` is wide."""


def mutual_information(first: ArrayLike, second: ArrayLike, *, bins: int = 32) -> float:
    """How much one picture tells of the other, in bits: Σ p(a, b) log2(p(a, b) / (p(a) p(b))).

    p are the shares of the pixels in the cells of a joint histogram, of equal steps from the lowest to the highest
    value of each picture. It does not ask that the same tissue be equally bright in both, only that it be *predictably*
    bright: so it can compare MR with PET, and registration climbs it. As a measure of fusion it is summed over sources.

    Parameters
    ----------
    first, second : of one shape, (rows, cols) or (planes, rows, cols).
    bins : steps along each side of the histogram.

    Returns
    -------
    From 0 (independent, or one of them constant) to log2(bins).

    Raises
    ------
    InputError
        If shapes differ, a value is not finite, or `bins` is less than 2.

    References
    ----------
    C. Shannon, "A mathematical theory of communication", Bell System Technical Journal 27 (1948); for registration:
    F. Maes et al., "Multimodality image registration by maximization of mutual information", IEEE TMI 16 (1997); for
    fusion: G. Qu, D. Zhang and P. Yan, "Information measure for performance of image fusion", Electronics Letters 38
    (2002).

    Examples
    --------
    >>> mutual_information([[0, 0, 1, 1]], [[5, 5, 2, 2]]), mutual_information([[0, 0, 1, 1]], [[0, 1, 0, 1]])
    (1.0, 0.0)
    """
    a, b = _pair(first, second)
    if bins < 2:
        raise InputError(f"bins must be 2 or more; got {bins}")
    joint = np.histogram2d(a.ravel(), b.ravel(), bins=bins)[0] / a.size
    independent = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    there = joint > 0
    return max(0.0, float((joint[there] * np.log2(joint[there] / independent[there])).sum()))


def edge_preservation(sources: ArrayLike, fused: ArrayLike) -> float:
    """Q^AB/F: how well the edges of the sources are kept in the fused picture, in strength and in direction.

    With g the strength of the Sobel gradient, G = the smaller of g_source and g_fused over the larger, and
    A = 1 - angle / 90° of the angle between the two edges, an edge is kept by
    Q = Γ_g / (1 + exp(κ_g (G - σ_g))) · Γ_a / (1 + exp(κ_a (A - σ_a))), and Q^AB/F is the mean of Q over all pixels of
    all sources, weighted by g of the source. Edges are lines: opposite directions are the same. Where the fused picture
    has no gradient, nothing is kept of the direction. In 3-D the angle is that between the gradients.

    Parameters
    ----------
    sources : (channels, *spatial); two in the paper, here any number.
    fused : (*spatial).

    Returns
    -------
    From nearly 0 to 0.975, which is what the paper's constants give for a copy; NaN if no source has an edge.

    Raises
    ------
    InputError
        If shapes do not fit or a value is not finite.

    References
    ----------
    C. Xydeas and V. Petrovic, "Objective image fusion performance measure", Electronics Letters 36 (2000), equations
    1 to 9 with L = 1.

    Examples
    --------
    >>> edge = np.repeat([[0.0, 0.0, 1.0, 1.0]], 4, axis=0)
    >>> round(edge_preservation([edge], edge), 3), round(edge_preservation([edge], edge / 2), 3)
    (0.975, 0.488)
    """
    channels, picture = _sources(sources, fused)
    total = weight = 0.0
    after = _gradient(picture)
    strength_after = np.sqrt((after**2).sum(axis=0))
    for channel in channels:
        before = _gradient(channel)
        strength = np.sqrt((before**2).sum(axis=0))
        larger, smaller = np.maximum(strength, strength_after), np.minimum(strength, strength_after)
        ratio = np.divide(smaller, larger, out=np.zeros_like(larger), where=larger > 0)
        both = strength * strength_after
        cosine = np.divide(np.abs((before * after).sum(axis=0)), both, out=np.zeros_like(both), where=both > 0)
        alike = 1 - np.arccos(np.minimum(cosine, 1)) / (np.pi / 2)
        total += float((strength * _kept(ratio, *STRENGTH) * _kept(alike, *ORIENTATION)).sum())
        weight += float(strength.sum())
    return total / weight if weight else float("nan")


def ssim(first: ArrayLike, second: ArrayLike, *, data_range: float | None = None) -> float:
    """Structural similarity: mean, contrast and pattern of small windows compared, 1 for the same picture.

    scikit-image's, with the paper's window: Gaussian, σ = 1.5 pixels, 11 pixels wide.

    Parameters
    ----------
    first, second : of one shape, each axis at least 11 pixels long.
    data_range : from the lowest to the highest possible value; default what the two pictures span together.

    Returns
    -------
    -1 to 1. Two pictures of one and the same constant are 1.

    Raises
    ------
    InputError
        If shapes differ, an axis is too short, a value is not finite, or the range is not positive.

    References
    ----------
    Z. Wang, A. Bovik, H. Sheikh and E. Simoncelli, "Image quality assessment: from error visibility to structural
    similarity", IEEE Trans. Image Processing 13 (2004).

    Examples
    --------
    >>> ssim(np.eye(16), np.eye(16))
    1.0
    """
    a, b = _pair(first, second)
    if min(a.shape) < WINDOW:
        raise InputError(f"ssim needs at least {WINDOW} pixels along each axis; got {a.shape}")
    span = max(a.max(), b.max()) - min(a.min(), b.min()) if data_range is None else float(data_range)
    if data_range is not None and not span > 0:
        raise InputError(f"data_range must be positive; got {data_range}")
    if span == 0:
        return 1.0
    from skimage.metrics import structural_similarity

    options: dict[str, Any] = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False}
    return float(structural_similarity(a, b, data_range=span, **options))


def _kept(x: Floats, gamma: float, kappa: float, sigma: float) -> Floats:
    return np.asarray(gamma / (1 + np.exp(kappa * (x - sigma))))


def _gradient(picture: Floats) -> Floats:
    """Sobel gradient, (ndim, *spatial)."""
    return np.stack([ndimage.sobel(picture, axis=axis, mode="nearest") for axis in range(picture.ndim)])


def _pair(first: ArrayLike, second: ArrayLike) -> tuple[Floats, Floats]:
    try:
        a, b = as_channels([np.asarray(first), np.asarray(second)]).astype(np.float64)
    except InputError as error:
        shapes = f"{np.shape(first)} and {np.shape(second)}"
        raise InputError(f"needed two finite pictures of one shape, 2-D or 3-D; got {shapes}: {error}") from error
    return a, b


def _sources(sources: ArrayLike, fused: ArrayLike) -> tuple[Floats, Floats]:
    channels = as_channels(sources).astype(np.float64)
    picture = as_channels(np.asarray(fused)[None])[0].astype(np.float64)
    if picture.shape != channels.shape[1:]:
        raise InputError(f"sources and fused must share a grid; got {channels.shape[1:]} and {picture.shape}")
    return channels, picture
