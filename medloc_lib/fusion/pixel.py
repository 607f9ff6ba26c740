"""Fusion at pixel level: several pictures of the same place become one, pixel by pixel.

Every rule takes ``(channels, *spatial)``, any number of channels in 2-D or 3-D, and gives ``(*spatial)``. float32 comes
back as float32, everything else (integers and bool too) as float64. NaN and infinity are refused; a picture of one
pixel or without contrast is a picture like any other.

The channels must lie on the same grid (see `register`) and, for every rule but `product` and `geometric_mean`, which do
not mind a factor, on the same scale (see `common_scale`).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError

Floats = NDArray[np.floating[Any]]


def common_scale(image: ArrayLike, *, percentiles: tuple[float, float] = (1.0, 99.0)) -> Floats:
    """Bring every channel to 0 … 1, so that channels of different units can be added and multiplied.

    (x - low) / (high - low), cut off at 0 and 1, where low and high are percentiles of that channel. A channel without
    contrast (such as one that is missing, and so 0 throughout) is 0.

    Parameters
    ----------
    image : (channels, *spatial).
    percentiles : of low and high.

    Raises
    ------
    InputError
        If the image is malformed, or the percentiles do not rise.

    Examples
    --------
    >>> t1, pet = [[0, 50, 100]], [[0, 1000, 4000]]
    >>> common_scale([t1, pet], percentiles=(0, 100))
    array([[[0.  , 0.5 , 1.  ]],
           [[0.  , 0.25, 1.  ]]])
    """
    channels = as_channels(image)
    if not 0 <= percentiles[0] < percentiles[1] <= 100:
        raise InputError(f"percentiles must rise between 0 and 100; got {percentiles}")
    scaled = np.zeros_like(channels)
    for k, channel in enumerate(channels):
        low, high = np.percentile(channel, percentiles)
        if high > low:
            scaled[k] = np.clip((channel - low) / (high - low), 0, 1)
    return scaled


def weighted(image: ArrayLike, weights: ArrayLike) -> Floats:
    """Weighted mean of the channels: Σ w_c x_c / Σ |w_c|. A negative weight counts a channel against the others.

    Parameters
    ----------
    image : (channels, *spatial).
    weights : (channels,), not all of them 0. Only their ratios matter.

    Raises
    ------
    InputError
        If the image is malformed, or the weights are not as many finite numbers, or all 0.

    Examples
    --------
    >>> weighted([[[4.0, 8.0]], [[2.0, 2.0]]], [1, -1])
    array([[1., 3.]])
    """
    channels = as_channels(image)
    w = as_weights(weights, len(channels))
    w = (w / np.abs(w).max()) / np.abs(w / np.abs(w).max()).sum()  # the first division: no overflow in the sum
    fused: Floats = np.zeros_like(channels[0])
    for weight, channel in zip(w.astype(channels.dtype), channels, strict=True):  # quicker here than a matrix product
        fused += weight * channel
    return fused


def average(image: ArrayLike) -> Floats:
    """Mean of the channels: `weighted` with equal weights. What one channel alone shows is thinned by the others.

    >>> average([[[0.0, 1.0]], [[1.0, 1.0]]])
    array([[0.5, 1. ]])
    """
    channels = as_channels(image)
    return np.asarray(channels.mean(axis=0))


def product(image: ArrayLike) -> Floats:
    """Product of the channels, for values from 0: high only where all are high. One zero hides what the others show.

    Raises
    ------
    InputError
        If the image is malformed or holds a negative value, whose product means nothing.

    Examples
    --------
    >>> product([[[0.0, 0.5]], [[1.0, 0.5]]])
    array([[0.  , 0.25]])
    """
    return np.asarray(np.prod(_not_negative(image), axis=0))


def geometric_mean(image: ArrayLike) -> Floats:
    """The n-th root of the product of n channels: `product` on the scale of a single channel, with the same order.

    Raises
    ------
    InputError
        As for `product`.

    Examples
    --------
    >>> geometric_mean([[[0.0, 0.5]], [[1.0, 0.5]]])
    array([[0. , 0.5]])
    """
    channels = _not_negative(image)
    return np.asarray(np.prod(channels ** (1 / len(channels)), axis=0))


def maximum(image: ArrayLike) -> Floats:
    """The highest of the channels: what is bright in any is bright (a logical *or*).

    >>> maximum([[[0.0, 0.5]], [[1.0, 0.2]]])
    array([[1. , 0.5]])
    """
    return np.asarray(as_channels(image).max(axis=0))


def minimum(image: ArrayLike) -> Floats:
    """The lowest of the channels: only what is bright in all is bright (a logical *and*).

    >>> minimum([[[0.0, 0.5]], [[1.0, 0.2]]])
    array([[0. , 0.2]])
    """
    return np.asarray(as_channels(image).min(axis=0))


def pca_weights(image: ArrayLike) -> NDArray[np.float64]:
    """Weights by principal component analysis: the direction in which the channels, taken together, vary most.

    They are the first eigenvector of the channels' covariance over all pixels, divided by the sum of its magnitudes; of
    the two signs the one whose sum is positive. Channels without any contrast are weighted equally.

    Returns
    -------
    float64 (channels,), magnitudes that sum to 1. A channel that varies against the others has a negative weight.

    References
    ----------
    K. Pearson, "On lines and planes of closest fit to systems of points in space", Philosophical Magazine 2 (1901); for
    fusion: V. Naidu and J. Raol, "Pixel-level image fusion using wavelets and principal component analysis", Defence
    Science Journal 58 (2008), section 2.1.

    Examples
    --------
    The second channel varies three times as much, in step with the first.

    >>> pca_weights([[[0.0, 1.0, 2.0]], [[0.0, 3.0, 6.0]]])
    array([0.25, 0.75])
    """
    channels = as_channels(image)
    flat = channels.reshape(len(channels), -1).astype(np.float64)
    covariance = np.atleast_2d(np.cov(flat, bias=True))
    if not covariance.any():
        return np.full(len(channels), 1 / len(channels))
    first = np.linalg.eigh(covariance)[1][:, -1]
    leading = first.sum() if abs(first.sum()) > 1e-9 else first[np.abs(first).argmax()]
    return np.asarray(first * np.sign(leading) / np.abs(first).sum())


def pca(image: ArrayLike) -> Floats:
    """The first principal component of the channels: `weighted` with `pca_weights`.

    >>> pca([[[0.0, 1.0, 2.0]], [[0.0, 3.0, 6.0]]])
    array([[0. , 2.5, 5. ]])
    """
    return weighted(image, pca_weights(image))


def as_channels(image: ArrayLike) -> Floats:
    """Channels as float32 if they came as that, else as float64, checked.

    Raises
    ------
    InputError
        If it is no (channels, rows, cols) or (channels, planes, rows, cols) of finite numbers, or an axis is empty.
    """
    try:
        array = np.asarray(image)
    except ValueError as error:  # channels of different shapes
        raise InputError(f"channels must lie on one grid, all of one shape: {error}; see fusion.register") from error
    if array.ndim not in (3, 4) or 0 in array.shape or array.dtype.kind not in "biuf":
        raise InputError(
            "needed an image (channels, rows, cols) or (channels, planes, rows, cols) of numbers; "
            f"got {array.dtype} of shape {array.shape}"
        )
    channels = array if array.dtype in (np.float32, np.float64) else array.astype(np.float64)
    if not np.isfinite(channels).all():
        bad = int((~np.isfinite(channels)).sum())
        raise InputError(f"the image must be finite; {bad} of {channels.size} values are NaN or infinite: fill them in")
    return channels


def as_weights(weights: ArrayLike, channels: int) -> NDArray[np.float64]:
    """One finite weight per channel, not all 0; raises `InputError` otherwise."""
    w = np.asarray(weights, dtype=np.float64)
    if w.shape != (channels,) or not np.isfinite(w).all() or not w.any():
        raise InputError(f"weights must be {channels} finite numbers, not all 0; got {w.tolist()}")
    return w


def _not_negative(image: ArrayLike) -> Floats:
    channels = as_channels(image)
    if channels.min() < 0:
        raise InputError(f"a product needs values from 0; the lowest is {channels.min():g}: take common_scale first")
    return channels
