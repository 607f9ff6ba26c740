"""Every method again in float64, written from its definition with no thought of speed.

The tests compare `medloc_lib.enhancement` with these, and so does `benchmarks/enhancement.py`, which compares other
libraries with them too.
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy import ndimage
from skimage import filters


def shares(image):
    """Values as shares of the range."""
    x = np.asarray(image, dtype=np.float64)
    return (x - x.min()) / (x.max() - x.min()), x.min(), x.max() - x.min()


def window(image, *, center, width):
    return np.clip((np.float64(image) - center) / width + 0.5, 0, 1)


def stretch(image, *, low, high):
    x = np.float64(image)
    return x.min() + (x.max() - x.min()) * np.clip((x - low) / (high - low), 0, 1)


def stretch_percentiles(image, *, low=1, high=99):
    return stretch(image, low=np.percentile(np.float64(image), low), high=np.percentile(np.float64(image), high))


def gamma(image, *, exponent):
    x, low, span = shares(image)
    return low + span * x**exponent


def logarithm(image, *, strength=10.0):
    x, low, span = shares(image)
    return low + span * np.log(1 + strength * x) / np.log(1 + strength)


def sigmoid(image, *, center=None, gain=10.0):
    x, low, span = shares(image)
    c = 0.5 if center is None else (center - low) / span
    return low + span / (1 + np.exp(-gain * (x - c)))


def hard_threshold(image, *, level):
    x = np.float64(image)
    return np.where(x > level, x, x.min())


def soft_threshold(image, *, level):
    x = np.float64(image)
    return x.min() + np.maximum(x - max(level, x.min()), 0)


def band_threshold(image, *, low, high):
    x = np.float64(image)
    return np.where((x >= low) & (x <= high), x, x.min())


def hysteresis_threshold(image, *, low, high):
    """Grown from the strong pixels, step by step, as far as the weak ones go."""
    x = np.float64(image)
    kept, weak = x > high, x > low
    return np.where(ndimage.binary_propagation(kept, np.ones((3,) * x.ndim), mask=weak), x, x.min())


def otsu(image):
    """Every split of the sorted values, and the variance between its two sides."""
    x = np.sort(np.float64(image).ravel())
    k = np.arange(1, len(x))
    sums = np.cumsum(x)
    under, over = sums[:-1] / k, (sums[-1] - sums[:-1]) / (len(x) - k)
    between = np.where(x[1:] > x[:-1], k * (len(x) - k) * (under - over) ** 2, -1)
    return x[between.argmax()], x[between.argmax() + 1]


def multi_otsu(image, *, classes=3):
    """From scikit-image's levels in 256 steps on: each is moved halfway between the means beside it."""
    x = np.float64(image).ravel()
    levels, before = filters.threshold_multiotsu(x, classes), None
    while not np.array_equal(levels, before):
        part = np.digitize(x, levels)
        means = np.array([x[part == k].mean() for k in range(classes)])
        levels, before = (means[:-1] + means[1:]) / 2, levels
    return levels


def triangle(image):
    """One bin beyond the one farthest from the line between the peak and the end of the tail, of 256 values."""
    x, low, span = shares(image)
    counts = np.bincount(np.floor(x * 255 + 0.5).astype(int).ravel(), minlength=256).astype(float)
    flipped = counts.argmax() <= 127  # the tail is the longer side; here it is made the left one
    counts = counts[::-1] if flipped else counts
    peak = 255 - counts[::-1].argmax() if flipped else counts.argmax()
    k = np.arange(peak + 1)
    code = (counts[peak] * k - peak * counts[: peak + 1]).argmax() - 1
    return low + span * ((255 - code if flipped else code) + 0.5) / 255


def rise(values, x):
    """Share of the values that are not above x, from 0 at the lowest value to 1 at the highest."""
    ordered = np.sort(values.ravel())
    share = np.searchsorted(ordered, x, side="right") / len(ordered)
    ground = np.searchsorted(ordered, ordered[0], side="right") / len(ordered)
    return np.clip((share - ground) / (1 - ground), 0, 1)


def equalize(image, *, mask=None):
    x = np.float64(image)
    return x.min() + (x.max() - x.min()) * rise(x if mask is None else x[mask], x)


def equalize_bihistogram(image):
    x = np.float64(image)
    mean = x.mean()
    upper = np.sort(x[x > mean])
    over = mean + (x.max() - mean) * np.searchsorted(upper, x, side="right") / len(upper)
    return np.where(x > mean, over, x.min() + (mean - x.min()) * rise(x[x <= mean], x))


def clahe(image, *, clip=2.0, tiles=8):
    """Each tile's map on the whole picture, weighted by hats around the tiles' centers."""
    x, low, span = shares(image)
    each = (tiles,) * x.ndim if np.isscalar(tiles) else tiles
    grid = [min(t, n) for t, n in zip(each, x.shape, strict=True)]
    tile_of = [np.arange(n) * t // n for n, t in zip(x.shape, grid, strict=True)]
    hats = []
    for n, t, tile in zip(x.shape, grid, tile_of, strict=True):
        centers = [np.flatnonzero(tile == k).mean() for k in range(t)]
        hats.append([np.interp(np.arange(n), centers, np.eye(t)[k]) for k in range(t)])
    result = np.zeros_like(x)
    for place in product(*map(range, grid)):
        inside = x[np.ix_(*(tile == k for tile, k in zip(tile_of, place, strict=True)))]
        counts = np.histogram(inside, bins=256, range=(0, 1))[0] / inside.size
        limited = np.minimum(counts, clip / 256)
        limited += (1 - limited.sum()) / 256
        weight = np.ones(1)
        for axis, k in enumerate(place):
            weight = np.multiply.outer(weight, hats[axis][k])
        result += weight[0] * np.interp(x, np.linspace(0, 1, 257), np.concatenate([[0], np.cumsum(limited)]))
    return low + span * result


def median(image, *, size=3):
    return ndimage.median_filter(np.float64(image), size, mode="nearest")


def neighbours(x, reach, pad):
    """Offsets, and the mirrored picture moved by each."""
    wide = np.pad(x, reach, mode=pad)
    for offset in product(range(-reach, reach + 1), repeat=x.ndim):
        yield offset, wide[tuple(slice(reach + k, reach + k + n) for k, n in zip(offset, x.shape, strict=True))]


def bilateral(image, *, sigma=2.0, contrast):
    x = np.float64(image)
    radius = max(round(1.5 * sigma), 1)
    total, weights = 0.0, 0.0
    for offset, other in neighbours(x, radius, "symmetric"):
        distance = sum(k**2 for k in offset)
        if distance <= radius**2:
            weight = np.exp(-distance / (2 * sigma**2) - (other - x) ** 2 / (2 * contrast**2))
            total, weights = total + weight * other, weights + weight
    return total / weights


def non_local_means(image, *, noise, patch=5, reach=6):
    x = np.float64(image)
    half = patch // 2
    wide = np.pad(x, half, mode="symmetric")
    wider = np.pad(x, half + reach, mode="symmetric")
    total, weights = 0.0, 0.0
    for offset in product(range(-reach, reach + 1), repeat=x.ndim):
        at = tuple(slice(reach + k, reach + k + n) for k, n in zip(offset, wide.shape, strict=True))
        squares = (wider[at] - wide) ** 2
        patches = np.lib.stride_tricks.sliding_window_view(squares, (patch,) * x.ndim)
        distance = patches.mean(axis=tuple(range(x.ndim, 2 * x.ndim)))
        weight = np.exp(-np.maximum(distance - 2 * noise**2, 0) / (0.8 * noise) ** 2)
        center = tuple(slice(half, half + n) for n in x.shape)
        total, weights = total + weight * wider[at][center], weights + weight
    return total / weights


def total_variation(image, *, weight, steps=2000):
    """A. Chambolle and T. Pock's primal-dual algorithm (J. Math. Imaging Vision 40, 2011), their algorithm 2."""
    x, low, span = shares(image)
    level = weight / span
    u, ahead = x.copy(), x.copy()
    flow = np.zeros((x.ndim, *x.shape))
    tau = sigma = 1 / np.sqrt(4 * x.ndim)
    for _ in range(steps):
        for axis in range(x.ndim):
            flow[axis] += sigma * np.diff(ahead, axis=axis, append=np.take(ahead, [-1], axis=axis))
        flow /= np.maximum(1, np.sqrt((flow**2).sum(axis=0)) / level)
        out = sum(np.diff(flow[k], axis=k, prepend=0 * np.take(flow[k], [0], axis=k)) for k in range(x.ndim))
        before, u = u, (u + tau * out + tau * x) / (1 + tau)
        theta = 1 / np.sqrt(1 + 2 * tau)
        tau, sigma = tau * theta, sigma / theta
        ahead = u + theta * (u - before)
    return low + span * u


def unsharp(image, *, sigma=1.5, amount=1.0):
    x = np.float64(image)
    return np.clip(x + amount * (x - ndimage.gaussian_filter(x, sigma, mode="reflect", truncate=6)), x.min(), x.max())


def laplacian_sharpen(image, *, amount=1.0):
    x = np.float64(image)
    return np.clip(x - amount * ndimage.laplace(x, mode="nearest"), x.min(), x.max())


def difference_of_gaussians(image, *, sigma=1.0, ratio=1.6):
    x = np.float64(image)
    fine, coarse = (ndimage.gaussian_filter(x, s, mode="reflect", truncate=6) for s in (sigma, ratio * sigma))
    return fine - coarse


def lanczos_matrix(n, m):
    """(m, n): the windowed sinc over 8 pixels, its sum 1; beyond the border the last pixel is repeated."""
    matrix = np.zeros((m, n))
    for i in range(m):
        center = (i + 0.5) * n / m - 0.5
        taps = np.arange(np.floor(center) - 3, np.floor(center) + 5)
        weights = np.sinc(center - taps) * np.sinc((center - taps) / 4)
        np.add.at(matrix[i], np.clip(taps, 0, n - 1).astype(int), weights / weights.sum())
    return matrix


def resample(image, shape, *, method="spline"):
    x = np.float64(image)
    low, high = x.min(), x.max()
    x = ndimage.gaussian_filter(x, [max(n / m - 1, 0) / 2 for n, m in zip(x.shape, shape, strict=True)], mode="reflect")
    if method == "spline":
        x = ndimage.zoom(x, np.divide(shape, x.shape), order=3, mode="grid-mirror", grid_mode=True)
    else:
        for axis, m in enumerate(shape):
            x = np.moveaxis(np.tensordot(lanczos_matrix(x.shape[axis], m), x, (1, axis)), 0, axis)
    return np.clip(x, low, high)


def frangi(image, *, sigmas=(1.0, 2.0, 3.0), bright=True):
    x = np.float64(image) - np.mean(image)
    best = np.zeros_like(x)
    for sigma in sigmas:
        hessian = np.empty((*x.shape, x.ndim, x.ndim))
        for i, j in product(range(x.ndim), repeat=2):
            order = [(i == k) + (j == k) for k in range(x.ndim)]
            hessian[..., i, j] = sigma**2 * ndimage.gaussian_filter(x, sigma, order, mode="reflect", truncate=6)
        own = np.linalg.eigvalsh(hessian)
        own = np.take_along_axis(own, np.argsort(np.abs(own), axis=-1), axis=-1) * (-1 if bright else 1)
        strength = np.sqrt((own**2).sum(axis=-1))
        plate = 1.0
        with np.errstate(divide="ignore", invalid="ignore"):
            if x.ndim == 2:
                blob = own[..., 0] / own[..., 1]
                tube = own[..., 1] > 0
            else:
                plate = 1 - np.exp(-((own[..., 1] / own[..., 2]) ** 2) / 0.5)
                blob = own[..., 0] / np.sqrt(np.abs(own[..., 1] * own[..., 2]))
                tube = (own[..., 1] > 0) & (own[..., 2] > 0)
            value = plate * np.exp(-(blob**2) / 0.5) * (1 - np.exp(-(strength**2) / (2 * (strength.max() / 2) ** 2)))
        best = np.maximum(best, np.where(tube, value, 0))
    return best


def entropy(image):
    counts = np.histogram(np.float64(image), bins=256)[0]
    share = counts[counts > 0] / counts.sum()
    return -(share * np.log2(share)).sum()
