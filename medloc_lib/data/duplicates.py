"""Pictures that are nearly the same, such as two frames of one film: on both sides of a split they flatter the score.

Two ways to compare, from quick to careful. `perceptual_hash` makes of a picture 64 bits that stay when it is made
brighter or smaller; two pictures are as far apart as bits differ. `similarity` compares small versions, each pixel
against its surroundings, at every shift; `near_duplicates` gives the pairs over a bound. All of it is for 2-D pictures.

References
----------
C. Zauner, "Implementation and benchmarking of perceptual image hash functions", thesis, FH Hagenberg (2010). B. Barz
and J. Denzler, "Do we train on test data? Purging CIFAR of near-duplicates", J. Imaging 6 (2020).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.fft import dctn, irfft2, rfft2

from medloc_lib.errors import InputError
from medloc_lib.sample import Sample

Floats = NDArray[np.float32]

SIDE = 64
"""Rows and columns of the small version of a picture."""

AROUND = 4.0
"""Standard deviation of the Gaussian over a pixel's surroundings, in pixels of the small version."""

FLAT = 0.05
"""What is added to the spread of the surroundings, as a share of the picture's own: what is black counts nothing."""

SHIFT = 0.25
"""Largest shift that is tried, as a share of the side."""

LEAST = 0.6
"""Similarity from which two pictures are near-duplicates; case study 21 shows why."""


class Pair(NamedTuple):
    """Two pictures that are nearly the same: their numbers in the first and in the second set, and how similar."""

    first: int
    second: int
    similarity: float


def perceptual_hash(picture: NDArray[Any]) -> NDArray[np.bool_]:
    """The hash of a picture by its discrete cosine transform (Zauner, section 3.2.1): 64 bits.

    The picture is brought to 32×32; of its transform the 8×8 lowest frequencies are kept, without those that are
    constant along an axis; a bit says whether one is over their median. A change of brightness or contrast changes no
    bit. Unrelated pictures differ in about 32 bits.

    Parameters
    ----------
    picture : (rows, cols) or (channels, rows, cols), of which the mean over channels is taken.

    Examples
    --------
    >>> picture = np.random.default_rng(0).normal(size=(40, 50)).cumsum(0).cumsum(1)
    >>> bits = perceptual_hash(picture)
    >>> bits.shape, int((bits != perceptual_hash(3 * picture + 20)).sum())
    ((64,), 0)
    """
    waves = dctn(_small(picture, 32), norm="ortho")[1:9, 1:9]
    return np.asarray(waves > np.median(waves)).ravel()


def thumbnail(picture: NDArray[Any]) -> Floats:
    """A picture at 64×64, each pixel in standard deviations of its surroundings from their mean.

    What is bright as a whole (near the probe, say) and what is dark then count the same, and a change of brightness or
    contrast changes nothing.

    Parameters
    ----------
    picture : (rows, cols) or (channels, rows, cols), of which the mean over channels is taken.
    """
    small = _small(picture, SIDE)
    mean = ndimage.gaussian_filter(small, AROUND)
    spread = np.sqrt(ndimage.gaussian_filter((small - mean) ** 2, AROUND))
    least = FLAT * small.std() + 1e-6 * np.abs(small).max() + 1e-12
    return np.asarray((small - mean) / (spread + least), dtype=np.float32)


def best_correlation(first: Floats, second: Floats, *, shift: int) -> Floats:
    """Highest normalized correlation of each thumbnail with each other one, over all shifts up to `shift` pixels.

    At a shift only the pixels count on which both lie: the sum of their products over the root of the product of their
    sums of squares. All shifts are had at once, by the Fourier transform.

    Parameters
    ----------
    first, second : (n, side, side) and (m, side, side), about zero.
    shift : in pixels, along both axes, to either side; up to half the side.

    Returns
    -------
    (n, m), from -1 to 1.

    Examples
    --------
    >>> a = np.random.default_rng(0).normal(size=(1, 20, 20)).astype(np.float32)
    >>> moved = np.roll(a, 3, axis=2)
    >>> best_correlation(a, moved, shift=0).round(1), best_correlation(a, moved, shift=3).round(4)
    (array([[0.]], dtype=float32), array([[1.]], dtype=float32))
    """
    side = first.shape[1]
    if not 0 <= shift <= side // 2:
        raise InputError(f"shift must be from 0 to half the side, {side // 2}; got {shift}")
    padded = (side + shift, side + shift)
    near = np.r_[0 : shift + 1, side : side + shift]  # shifts to the right, then, from behind, to the left

    def product(a: Any, b: Any) -> Floats:
        """Sums of products at all shifts, from transforms."""
        return np.asarray(irfft2(np.conj(a) * b, padded)[..., near, :][..., near])

    whole = rfft2(np.ones((side, side), dtype=np.float32), padded)
    left, right = rfft2(first, padded), rfft2(second, padded)
    power = product(rfft2(first**2, padded), whole), product(whole, rfft2(second**2, padded))
    best = np.empty((len(first), len(second)), dtype=np.float32)
    for i, transform in enumerate(left):
        norm = np.sqrt(np.maximum(power[0][i] * power[1], 1e-6))
        best[i] = (product(transform, right) / norm).max(axis=(1, 2))
    return best


def similarity(first: Sequence[Sample], second: Sequence[Sample]) -> Floats:
    """How similar each picture of one set is to each of another, (n, m): `best_correlation` of their thumbnails.

    Shifts of up to a quarter of the side are tried. 1 is the same picture; unrelated ones seldom come over 0.5. What is
    turned, mirrored, or magnified by more than about a twentieth is not found.

    Raises
    ------
    InputError
        If a sample is not 2-D, or there are none.
    """
    made = []
    for samples in (first, second):
        if len(samples) == 0:
            raise InputError("both sets need at least one picture to compare")
        made.append(np.stack([thumbnail(sample.image) for sample in samples]))
    return best_correlation(*made, shift=round(SHIFT * SIDE))


def near_duplicates(similar: NDArray[Any], *, least: float = LEAST) -> list[Pair]:
    """Pairs at least so similar, the most similar first.

    Parameters
    ----------
    similar : (n, m), as `similarity` gives it.
    least : from which similarity on two pictures are nearly the same.

    Examples
    --------
    >>> near_duplicates(np.array([[0.2, 0.9], [0.7, 0.1]]))
    [Pair(first=0, second=1, similarity=0.9), Pair(first=1, second=0, similarity=0.7)]
    """
    pairs = [Pair(int(i), int(j), float(similar[i, j])) for i, j in np.argwhere(similar >= least)]
    return sorted(pairs, key=lambda pair: -pair.similarity)


def _small(picture: NDArray[Any], side: int) -> NDArray[np.float64]:
    """The mean over channels, averaged down (or drawn out) to a square."""
    grey = np.asarray(picture, dtype=np.float64)
    grey = grey.mean(axis=0) if grey.ndim == 3 else grey
    if grey.ndim != 2 or 0 in grey.shape:
        raise InputError(f"a picture is (rows, cols) or (channels, rows, cols); got shape {np.shape(picture)}")
    return np.asarray(cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA))
