"""What blurs, shades and coarsens a picture, undone as far as it goes: bias field, blur, low resolution.

NaN is filled with the nearest value before and stays NaN after.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from medloc_lib.enhancement.arrays import (
    Picture,
    as_picture,
    filled,
    filtered,
    gaussian,
    positive,
    rows_of,
    value_range,
)
from medloc_lib.enhancement.thresholds import otsu
from medloc_lib.errors import InputError


def bias_field(image: ArrayLike, *, mask: ArrayLike | None = None, shrink: int = 4) -> Picture:
    """The smooth unevenness of an MR picture, by N4: what the picture has to be divided by.

    N4 sharpens the histogram of the logarithm and fits a B-spline to what that takes away, coarse to fine. It is run on
    every `shrink`-th pixel, and the spline that it finds is evaluated on all.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    mask : bool, same shape; where to look, such as the head. Default: what is over Otsu's level. Pixels that are not
        positive have no logarithm and are never looked at.
    shrink : step along each axis, but never so large that fewer than 16 pixels are left along it.

    Returns
    -------
    float32, same shape, no units, positive, its mean over the mask is 1. All 1 where the picture has one value, nothing
    to look at, or fewer than 4 pixels along an axis.

    Raises
    ------
    InputError
        If the image is no picture, the mask does not fit it, or `shrink` is under 1.

    References
    ----------
    N. Tustison et al., "N4ITK: improved N3 bias correction", IEEE Trans. Medical Imaging 29 (2010); SimpleITK's.

    Examples
    --------
    >>> rows = np.linspace(0.8, 1.2, 64)[:, None]
    >>> tissue = np.where(np.indices((64, 64)).sum(axis=0) // 8 % 2, 100.0, 200.0)
    >>> field = bias_field(tissue * rows, mask=np.ones((64, 64)))
    >>> bool(np.corrcoef(field[:, 32], rows[:, 0])[0, 1] > 0.9)
    True
    """
    if shrink != int(shrink) or shrink < 1:
        raise InputError(f"shrink must be a whole number from 1; got {shrink}")
    chosen = None if mask is None else np.asarray(mask, dtype=bool)
    if chosen is not None and chosen.shape != np.shape(image):
        raise InputError(f"mask must have the picture's shape {np.shape(image)}; got {chosen.shape}")

    def work(picture: Picture) -> Picture:
        inside = picture > (otsu(picture) if chosen is None else 0)
        inside &= picture > 0
        if chosen is not None:
            inside &= chosen
        low, high = value_range(picture)
        if low == high or not inside.any() or min(picture.shape) < 4:
            return np.ones_like(picture)
        return _n4(picture, inside.astype(np.uint8), int(shrink))

    return filtered(image, work)


def correct_bias(image: ArrayLike, *, mask: ArrayLike | None = None, shrink: int = 4) -> Picture:
    """The picture without its smooth unevenness: divided by `bias_field`, which tells of the parameters.

    Returns
    -------
    float32, same shape and units. The mean over the mask stays about what it is; the range does not.

    Examples
    --------
    >>> correct_bias(np.full((8, 8), 5))[0, 0]
    np.float32(5.0)
    """
    return as_picture(image) / bias_field(image, mask=mask, shrink=shrink)


def unsharp(image: ArrayLike, *, sigma: float = 1.5, amount: float = 1.0) -> Picture:
    """Unsharp masking: image + amount · (image - blurred image). What is finer than sigma gets stronger, noise too.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    sigma : of the Gaussian blur, in pixels.
    amount : above 0.

    Returns
    -------
    float32, same shape and units; what would leave the range is cut off.

    Raises
    ------
    InputError
        If the image is no picture, or a parameter is not positive.

    References
    ----------
    R. Gonzalez and R. Woods, "Digital Image Processing" (4th ed., 2018), section 3.6, "Unsharp masking and highboost
    filtering".

    Examples
    --------
    >>> edge = np.repeat([0.0, 0, 0, 2, 8, 10, 10, 10], 4).reshape(1, -1)
    >>> sharp = unsharp(edge)
    >>> bool((np.abs(np.diff(sharp)).max() > np.abs(np.diff(edge)).max())), sharp.min(), sharp.max()
    (True, np.float32(0.0), np.float32(10.0))
    """
    positive(sigma, "sigma"), positive(amount, "amount")
    return filtered(image, lambda picture: _within(_unsharp(picture, sigma, amount), picture))


def laplacian_sharpen(image: ArrayLike, *, amount: float = 1.0) -> Picture:
    """Sharpening by the Laplacian: image - amount · (sum of the second differences along all axes).

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    amount : above 0.

    Returns
    -------
    float32, same shape and units; what would leave the range is cut off.

    Raises
    ------
    InputError
        If the image is no picture, or the amount is not positive.

    References
    ----------
    R. Gonzalez and R. Woods, "Digital Image Processing" (4th ed., 2018), section 3.6, "The Laplacian".

    Examples
    --------
    >>> laplacian_sharpen([[0, 0, 2, 8, 10, 10]], amount=0.5)
    array([[ 0.,  0.,  0., 10., 10., 10.]], dtype=float32)
    """
    positive(amount, "amount")
    return filtered(image, lambda picture: _within(_laplacian_sharpen(picture, amount), picture))


def difference_of_gaussians(image: ArrayLike, *, sigma: float = 1.0, ratio: float = 1.6) -> Picture:
    """Difference of Gaussians: blurred by sigma, less blurred by ratio · sigma. It keeps what is about sigma large.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    sigma : in pixels.
    ratio : above 1. At 1.6 it is nearly the Laplacian of a Gaussian.

    Returns
    -------
    float32, same shape and units; a signed response around 0, not the picture's range. 0 for a picture of one value.

    Raises
    ------
    InputError
        If the image is no picture, sigma is not positive, or the ratio not above 1.

    References
    ----------
    D. Marr and E. Hildreth, "Theory of edge detection", Proc. Royal Society B 207 (1980).

    Examples
    --------
    >>> spot = np.zeros((15, 15))
    >>> spot[7, 7] = 100
    >>> response = difference_of_gaussians(spot)
    >>> response[7, 7] > 9, response[7, 10] < 0
    (np.True_, np.True_)
    """
    positive(sigma, "sigma")
    if not (math.isfinite(ratio) and ratio > 1):
        raise InputError(f"ratio must be above 1; got {ratio}")

    def work(picture: Picture) -> Picture:
        centered = picture - picture.flat[0]  # what all pixels share costs digits, and would not cancel quite
        fine = gaussian(centered, sigma)
        fine -= gaussian(centered, ratio * sigma)
        return fine

    return filtered(image, work)


def resample(image: ArrayLike, shape: Sequence[int], *, method: str = "spline") -> Picture:
    """A picture of another number of pixels over the same field of view.

    Pixels are areas: the outer edges of the first and the last one stay where they are. Where an axis gets fewer
    pixels, the picture is first blurred by a Gaussian of (old / new - 1) / 2 pixels, so that fine detail does not
    return as a false pattern.

    Parameters
    ----------
    image : (rows, cols) or (planes, rows, cols).
    shape : number of pixels along each axis of the result.
    method : "spline" (cubic B-spline) or "lanczos" (windowed sinc over 8 pixels).

    Returns
    -------
    float32, the new shape, same units. Both methods overshoot at edges; what would leave the range is cut off. NaN is
    where the nearest old pixel is NaN.

    Raises
    ------
    InputError
        If the image is no picture, the shape does not fit it, or there is no such method.

    References
    ----------
    M. Unser, "Splines: a perfect fit for signal and image processing", IEEE Signal Processing Magazine 16 (1999);
    C. Duchon, "Lanczos filtering in one and two dimensions", J. Applied Meteorology 18 (1979); SciPy's spline, through
    scikit-image, and OpenCV's Lanczos.

    Examples
    --------
    >>> resample(np.arange(16.0).reshape(4, 4), (8, 8)).shape
    (8, 8)
    """
    picture = as_picture(image)
    if len(shape) != picture.ndim or not all(int(n) == n and n >= 1 for n in shape):
        raise InputError(f"shape must be {picture.ndim} whole numbers from 1; got {tuple(shape)}")
    if method not in ("spline", "lanczos"):
        raise InputError(f'method must be "spline" or "lanczos"; got {method!r}')
    size = tuple(int(n) for n in shape)
    whole, holes = filled(picture)
    result = _within(_resample(whole, size, method), whole)
    if holes is not None:
        nearest = [((np.arange(m) + 0.5) * n / m).astype(np.intp) for n, m in zip(picture.shape, size, strict=True)]
        result[holes[np.ix_(*nearest)]] = np.nan
    return result


def _within(result: ArrayLike, picture: Picture) -> Picture:
    """Cut off what leaves the picture's range, in place."""
    found = np.asarray(result, dtype=np.float32)
    return np.clip(found, picture.min(), picture.max(), out=found)


def _unsharp(picture: Picture, sigma: float, amount: float) -> Picture:
    blurred = rows_of(gaussian(picture, sigma))
    sharp = cv2.addWeighted(rows_of(picture), 1 + amount, blurred, -amount, 0)
    return np.asarray(sharp, dtype=np.float32).reshape(picture.shape)


def _laplacian_sharpen(picture: Picture, amount: float) -> Picture:
    if picture.ndim == 2:
        kernel = np.array([[0, -amount, 0], [-amount, 1 + 4 * amount, -amount], [0, -amount, 0]], dtype=np.float32)
        return np.asarray(cv2.filter2D(picture, -1, kernel, borderType=cv2.BORDER_REPLICATE), dtype=np.float32)
    from scipy import ndimage

    second: Picture = ndimage.laplace(picture, mode="nearest")
    return picture - np.float32(amount) * second


def _resample(picture: Picture, size: tuple[int, ...], method: str) -> Picture:
    from scipy import ndimage

    sigma = [max(n / m - 1, 0) / 2 for n, m in zip(picture.shape, size, strict=True)]
    smooth = ndimage.gaussian_filter(picture, sigma, mode="reflect") if any(sigma) else picture
    if method == "spline":
        factor = [m / n for n, m in zip(picture.shape, size, strict=True)]
        return np.asarray(ndimage.zoom(smooth, factor, order=3, mode="grid-mirror", grid_mode=True))
    if picture.ndim == 2:
        return _lanczos(smooth, *size)
    planes = np.stack([_lanczos(plane, *size[1:]) for plane in smooth])
    return _lanczos(planes.reshape(len(planes), -1), size[0], size[1] * size[2]).reshape(size)


def _lanczos(picture: Picture, rows: int, cols: int) -> Picture:
    return np.asarray(cv2.resize(picture, (cols, rows), interpolation=cv2.INTER_LANCZOS4), dtype=np.float32)


def _n4(picture: Picture, inside: NDArray[np.uint8], shrink: int) -> Picture:
    from SimpleITK import GetArrayFromImage, GetImageFromArray, N4BiasFieldCorrectionImageFilter, Shrink

    whole, mask = GetImageFromArray(picture), GetImageFromArray(inside)
    steps = [max(1, min(shrink, n // 16)) for n in reversed(picture.shape)]
    corrector = N4BiasFieldCorrectionImageFilter()
    corrector.Execute(Shrink(whole, steps), Shrink(mask, steps))
    field = np.exp(GetArrayFromImage(corrector.GetLogBiasFieldAsImage(whole)))
    field /= field[inside > 0].mean()
    return np.asarray(field, dtype=np.float32)
