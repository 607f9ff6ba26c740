"""Fusion scale by scale: of every edge, coarse or fine, the strongest rendering among the channels is kept.

Both rules take a picture apart into details at several scales and a coarse rest, pick at each place and scale the
detail of the largest magnitude, take the mean of the rests, and put the picture together again.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pywt
from numpy.typing import ArrayLike, NDArray

from medloc_lib.errors import InputError
from medloc_lib.fusion.pixel import Floats, as_channels

LEVELS = 4
"""Scales by default: details of about 1, 2, 4 and 8 pixels."""


def laplacian_pyramid(image: ArrayLike, *, levels: int = LEVELS) -> Floats:
    """Fusion by Laplacian pyramids.

    A level is halved in size along every axis by the kernel (1, 4, 6, 4, 1) / 16; what the halved one, enlarged again,
    does not predict are the details of that level.

    Parameters
    ----------
    image : (channels, *spatial).
    levels : how many scales; fewer where an axis is so short that it cannot be halved as often. 0 gives the mean.

    Returns
    -------
    (*spatial). Channels that are all alike come back unchanged. Values may reach a little over the channels' own range.

    Raises
    ------
    InputError
        If the image is malformed or `levels` is negative.

    References
    ----------
    P. Burt and E. Adelson, "The Laplacian pyramid as a compact image code", IEEE Trans. Communications 31 (1983);
    fusion with it: P. Burt and R. Kolczynski, "Enhanced image capture through fusion", ICCV 1993.

    Examples
    --------
    An edge that only one channel has is kept whole where both agree on the rest.

    >>> flat, edge = np.zeros((8, 8)), np.zeros((8, 8))
    >>> edge[:, 4:] = 1.0
    >>> fused = laplacian_pyramid([flat, edge], levels=3)
    >>> bool((fused[:, 4] - fused[:, 3]).min() > 0.9)
    True
    """
    channels = as_channels(image)
    depth = _depth(levels, int(np.log2(min(channels.shape[1:]))))
    details = []
    rest = channels
    for _ in range(depth):
        smaller = rest
        for axis in range(1, rest.ndim):
            smaller = _halve(smaller, axis)
        details.append(_strongest(rest - _enlarge(smaller, rest.shape)))
        rest = smaller
    fused = rest.mean(axis=0)
    for detail in reversed(details):
        fused = _enlarge(fused[None], (1, *detail.shape))[0] + detail
    return np.asarray(fused, dtype=channels.dtype)


def wavelet(image: ArrayLike, *, name: str = "db2", levels: int = LEVELS) -> Floats:
    """Fusion by discrete wavelet transforms.

    Parameters
    ----------
    image : (channels, *spatial).
    name : of a discrete wavelet that PyWavelets knows, such as "haar", "db2" or "bior2.2".
    levels : how many scales; fewer where the picture is too small for the wavelet. 0 gives the mean.

    Returns
    -------
    (*spatial). Channels that are all alike come back unchanged. Values may reach a little over the channels' own range.

    Raises
    ------
    InputError
        If the image is malformed, `levels` is negative, or there is no such wavelet.

    References
    ----------
    S. Mallat, "A theory for multiresolution signal decomposition: the wavelet representation", IEEE PAMI 11 (1989);
    fusion with it: H. Li, B. Manjunath and S. Mitra, "Multisensor image fusion using the wavelet transform", Graphical
    Models and Image Processing 57 (1995).

    Examples
    --------
    >>> picture = np.arange(64.0).reshape(8, 8)
    >>> bool(np.allclose(wavelet([picture, picture]), picture))
    True
    """
    channels = as_channels(image)
    shape = channels.shape[1:]
    if name not in pywt.wavelist(kind="discrete"):
        raise InputError(f"there is no discrete wavelet {name!r}; pywt.wavelist(kind='discrete') lists them")
    depth = _depth(levels, pywt.dwtn_max_level(shape, name))
    parts = [pywt.wavedecn(channel, name, mode="symmetric", level=depth) for channel in channels]
    rest = np.mean([part[0] for part in parts], axis=0)
    details = [
        {key: _strongest(np.stack([part[k][key] for part in parts])) for key in parts[0][k]}
        for k in range(1, depth + 1)
    ]
    whole = pywt.waverecn([rest, *details], name, mode="symmetric")
    return np.asarray(whole[tuple(map(slice, shape))], dtype=channels.dtype)


def _depth(wanted: int, possible: int) -> int:
    if wanted < 0:
        raise InputError(f"levels must be 0 or more; got {wanted}")
    return min(wanted, possible)


def _strongest(details: NDArray[Any]) -> NDArray[Any]:
    """Of (channels, …), at each place the value of the largest magnitude; of equals the first channel's."""
    index = np.abs(details).argmax(axis=0)
    return np.asarray(np.take_along_axis(details, index[None], axis=0)[0])


def _halve(stack: NDArray[Any], axis: int) -> NDArray[Any]:
    """Smooth along an axis by (1, 4, 6, 4, 1) / 16 and keep every second value; the border is mirrored."""
    width = [(0, 0)] * stack.ndim
    width[axis] = (2, 2)
    padded = np.moveaxis(np.pad(stack, width, mode="reflect"), axis, -1)
    n = stack.shape[axis]
    a, b, c, d, e = (padded[..., k : k + n : 2] for k in range(5))
    return np.moveaxis((a + e + 4 * (b + d) + 6 * c) / 16, -1, axis)


def _enlarge(stack: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Twice the size along every spatial axis, by the same kernel, cut to `shape`; the border is repeated."""
    for axis in range(1, stack.ndim):
        width = [(0, 0)] * stack.ndim
        width[axis] = (1, 1)
        padded = np.moveaxis(np.pad(stack, width, mode="edge"), axis, -1)
        before, here, after = padded[..., :-2], padded[..., 1:-1], padded[..., 2:]
        both = np.stack([(before + 6 * here + after) / 8, (here + after) / 2], axis=-1)
        stack = np.moveaxis(both.reshape(*here.shape[:-1], -1)[..., : shape[axis]], -1, axis)
    return stack
