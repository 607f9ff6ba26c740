"""By texture: regions of the same brightness differ in how the brightness changes from pixel to pixel.

Each function gives feature maps, float64 (maps, rows, cols): channels, made to be clustered by `kmeans` or
`mixture`, or learned from by `PixelClassifier`. All work on (rows, cols), not in 3-D: planes are usually further apart
than pixels, so a texture across them would be another one. Give a volume plane by plane. A pixel that is NaN or
infinite takes the value of its nearest neighbour, but in `cooccurrence`, where it is in no pair.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike

from medloc_lib.errors import InputError
from medloc_lib.segmentation.checks import Floats, as_picture, check_number
from medloc_lib.segmentation.cooccurrence import PROPERTIES, cooccurrence, quantized

__all__ = ["PROPERTIES", "binary_patterns", "cooccurrence", "gabor", "local_entropy", "quantized"]


def binary_patterns(image: ArrayLike, *, radius: int = 1, window: int = 9) -> Floats:
    """Local binary patterns: how often each kind of corner, edge and spot occurs around a pixel.

    Eight neighbours on a circle are compared with the pixel: 1 where they are as bright or brighter. A pattern with at
    most two changes around the circle is uniform, and is named by its number of ones, 0 (a bright spot) to 8 (a dark
    or a flat one); all others are number 9. The maps are the shares of the ten kinds in the window, and do not change
    with the brightness or the contrast of the image.

    Parameters
    ----------
    image : (rows, cols).
    radius : of the circle in pixels, from 1.
    window : side in pixels, odd, over which patterns are counted; at the border the image is mirrored.

    Returns
    -------
    float64 (10, rows, cols), which add up to 1 in every pixel. A constant image is all of kind 8.

    References
    ----------
    T. Ojala, M. Pietikäinen and T. Mäenpää, "Multiresolution gray-scale and rotation invariant texture classification
    with local binary patterns", IEEE PAMI 24 (2002).

    Examples
    --------
    >>> binary_patterns(np.ones((5, 5)), window=3)[:, 2, 2]
    array([0., 0., 0., 0., 0., 0., 0., 0., 1., 0.])
    """
    from skimage.feature import local_binary_pattern

    picture, _ = as_picture(image, ndim=(2,))
    check_number(radius, "radius", 1, whole=True)
    _check_window(window)
    # Whole numbers: between neighbours that are meant to be equal, the last bit of a fraction would decide.
    span = np.ptp(picture)
    whole = np.rint((picture - picture.min()) * (65535 / span if span > 0 else 0)).astype(np.uint16)
    border = np.pad(whole, radius, mode="edge")
    inner = (slice(radius, -radius),) * 2
    kind = local_binary_pattern(border, 8, radius, method="uniform")[inner]
    shares = [cv2.blur((kind == k).astype(np.float64), (window, window)) for k in range(10)]
    return np.asarray(np.clip(np.stack(shares), 0, 1))


def gabor(image: ArrayLike, *, wavelengths: Sequence[float] = (4, 8, 16), angles: int = 4) -> Floats:
    """A bank of Gabor filters: how strongly waves of each length and direction are present around a pixel.

    A filter is a wave under a Gaussian of half its length; its answer is the modulus of the even and the odd one, so
    that it does not matter where in the wave a pixel lies. The mean is taken out first: a flat image answers 0.

    Parameters
    ----------
    image : (rows, cols); mirrored at the border.
    wavelengths : in pixels, 2 or more.
    angles : number of directions, evenly spread over half a turn; the first is that in which columns change.

    Returns
    -------
    float64 (wavelengths · angles, rows, cols), in units of the image; the directions of the first wavelength first.

    References
    ----------
    A. Jain and F. Farrokhnia, "Unsupervised texture segmentation using Gabor filters", Pattern Recognition 24 (1991).

    Examples
    --------
    >>> stripes = np.tile(np.sin(2 * np.pi * np.arange(64) / 8), (64, 1))
    >>> gabor(stripes, wavelengths=[8], angles=2)[:, 32, 32].round(2)
    array([0.5, 0. ])
    """
    picture, _ = as_picture(image, ndim=(2,))
    check_number(angles, "angles", 1, whole=True)
    if len(wavelengths) == 0 or min(wavelengths) < 2:
        raise InputError(f"wavelengths must be 2 pixels or more; got {tuple(wavelengths)}")
    maps = []
    for length in wavelengths:
        for k in range(angles):
            even, odd = _gabor_pair(float(length), np.pi * k / angles)
            parts = [cv2.filter2D(picture, cv2.CV_64F, kernel, borderType=cv2.BORDER_REFLECT) for kernel in (even, odd)]
            maps.append(np.hypot(*parts))
    return np.stack(maps)


def local_entropy(
    image: ArrayLike, *, window: int = 9, levels: int = 16, limits: tuple[float, float] | None = None
) -> Floats:
    """How mixed the grey levels around a pixel are: the entropy of their histogram in the window, in bits.

    Parameters
    ----------
    image : (rows, cols).
    window : side in pixels, odd; at the border of the image the window is cut.
    levels, limits : as in `cooccurrence`.

    Returns
    -------
    float64 (1, rows, cols), 0 where all levels are equal, at most log2(levels). What is NaN is not counted.

    References
    ----------
    C. Shannon, "A mathematical theory of communication", Bell Syst. Tech. J. 27 (1948).

    Examples
    --------
    >>> local_entropy(np.indices((5, 6)).sum(axis=0) % 2, window=3, levels=2)[0, 2, 2].round(3)
    np.float64(0.991)
    """
    codes = quantized(image, levels, limits=limits)
    _check_window(window)
    total, logs = np.zeros(codes.shape), np.zeros(codes.shape)
    for code in np.unique(codes[codes >= 0]):
        here = (codes == code).astype(np.float64)
        times = cv2.boxFilter(here, -1, (window, window), normalize=False, borderType=cv2.BORDER_CONSTANT)
        total += times
        logs += times * np.log2(np.maximum(times, 1))
    some = np.maximum(total, 1)
    return np.asarray(np.maximum(np.log2(some) - logs / some, 0)[None])


def _check_window(window: int) -> None:
    check_number(window, "window", 1, whole=True)
    if window % 2 == 0:
        raise InputError(f"window must be odd, so that it has a middle; got {window}")


def _gabor_pair(length: float, angle: float) -> tuple[Floats, Floats]:
    """Even and odd filter. The Gaussian's weights add up to 1, so a wave of amplitude 1 and this length answers 1/2."""
    sigma = length / 2
    half = int(np.ceil(3 * sigma))
    rows, cols = np.mgrid[-half : half + 1, -half : half + 1]
    along = cols * np.cos(angle) + rows * np.sin(angle)
    envelope = np.exp(-(rows**2 + cols**2) / (2 * sigma**2))
    envelope /= envelope.sum()
    even = envelope * np.cos(2 * np.pi * along / length)
    even -= envelope * even.sum()
    return even, envelope * np.sin(2 * np.pi * along / length)
