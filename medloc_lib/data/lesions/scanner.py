"""Scanners: two sites with machines of their own, and what a machine does to the signal on its way to a picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import cv2
import numpy as np
from scipy import ndimage

from medloc_lib.data.lesions.signal import (
    CSF,
    WHITE,
    Tissue,
    gradient_echo,
    inversion_recovery,
    nulling_time,
    spin_echo,
)
from medloc_lib.data.lesions.streams import Floats, Key, Lattice, stream

CHANNELS = ("T1", "T2", "FLAIR", "PET")
SECONDS = (0.0, 20.0, 40.0, 60.0, 80.0, 100.0, 130.0, 160.0, 200.0, 240.0, 300.0, 360.0)
"""When the pictures of a contrast series are taken; the agent arrives at 30 s."""


@dataclass(frozen=True)
class Scanner:
    """One machine and its protocol. Times in ms, lengths in mm.

    Parameters
    ----------
    name : such as "train-A2". site : "A" (1.5 T, spin-echo T1, thick slices) or "B" (3 T, inversion-recovery T1,
        thinner slices).
    t1, t2, flair : (TR, TE, TI); TI is 0 for a spin echo.
    thickness : of a slice. spacing : of the pixels. matrix : share of the picture's rows and columns that is measured.
    window : how softly the measured band ends; 0 rings at edges.
    noise : standard deviation in each of T1, T2 and FLAIR, relative to the white matter of that picture.
    bias, shine : strength of the uneven brightness, random and in the middle. ghost : strength of the motion ghost.
    pet_blur : point spread, full width at half maximum. pet_counts : counts in a grey pixel of 3 mm.
    gain : brightness of white matter in each picture, in the scanner's own units.
    """

    name: str
    site: str
    tesla: float
    t1: tuple[float, float, float]
    t2: tuple[float, float, float]
    flair: tuple[float, float, float]
    thickness: float
    spacing: float
    matrix: tuple[float, float]
    window: float
    noise: tuple[float, float, float]
    bias: float
    shine: float
    ghost: float
    pet_blur: float
    pet_counts: float
    gain: tuple[float, float, float]

    def signal(self, tissue: Tissue) -> Floats:
        """What the tissue gives in T1, T2, FLAIR (white matter is 1) and PET (grey matter is 1): float32 (4,)."""
        return _signal(self, tissue)

    def wash_in(self, tissue: Tissue) -> Floats:
        """What the tissue gives in a T1-weighted gradient echo at each of `SECONDS`, while contrast agent washes in:
        float32 (n,).
        """
        return _wash_in(self, tissue)


def sample_scanner(rng: np.random.Generator, site: str, name: str = "") -> Scanner:
    """Draw a machine of site "A" or "B"."""
    a = site == "A"
    tesla = 1.5 if a else 3.0
    tr = rng.uniform(7500, 9500) if a else rng.uniform(8500, 11000)
    ti = nulling_time(CSF, tesla=tesla, tr=tr) * rng.uniform(0.95, 1.01)
    level = np.exp(rng.normal(0, 0.3)) * (0.055 if a else 0.04)
    return Scanner(
        name=name,
        site=site,
        tesla=tesla,
        t1=(rng.uniform(400, 560), rng.uniform(9, 14), 0.0)
        if a
        else (rng.uniform(1800, 2200), rng.uniform(8, 12), rng.uniform(780, 900)),
        t2=(rng.uniform(3500, 4800), rng.uniform(85, 105), 0.0)
        if a
        else (rng.uniform(4000, 6000), rng.uniform(78, 98), 0.0),
        flair=(tr, rng.uniform(88, 115) if a else rng.uniform(85, 120), ti),
        thickness=float(rng.choice([3.0, 4.0, 5.0, 6.0] if a else [1.0, 2.0, 3.0, 4.0])),
        spacing=float(rng.choice([1.375, 1.40625, 1.4375])),
        matrix=(rng.uniform(0.68, 0.9), rng.uniform(0.85, 1.0))
        if a
        else (rng.uniform(0.8, 1.0), rng.uniform(0.9, 1.0)),
        window=float(rng.uniform(0.1, 0.5)),
        noise=(level * rng.uniform(0.7, 1.1), level * rng.uniform(0.8, 1.3), level * rng.uniform(0.9, 1.4)),
        bias=float(rng.uniform(0.03, 0.09) if a else rng.uniform(0.06, 0.14)),
        shine=float(rng.normal(-0.05, 0.05) if a else rng.normal(0.15, 0.08)),
        ghost=float(rng.beta(1, 4) * 0.04),
        pet_blur=float(rng.uniform(5.8, 7.0) if a else rng.uniform(4.8, 6.0)),
        pet_counts=float(rng.uniform(60, 160) if a else rng.uniform(120, 320)),
        gain=(rng.uniform(250, 700), rng.uniform(150, 400), rng.uniform(150, 500)),
    )


def acquire(clean: Floats, scanner: Scanner, key: Key, axes: tuple[Floats, Floats, Floats]) -> tuple[Floats, Floats]:
    """Measure magnetic resonance pictures of a signal.

    The signal is limited to the measured band of k-space and seen unevenly by the coil; complex noise is added to what
    is measured, and the magnitude of what comes back is the picture: its noise is Rician (H. Gudbjartsson and S. Patz,
    MRM 34, 1995).

    Parameters
    ----------
    clean : float32 (channels, planes, rows, cols), as `Scanner.signal` gives it.
    axes : z, y and x of the grid in mm.

    Returns
    -------
    The pictures in scanner units, and the same without noise, ghost or unevenness. float32, same shape.
    """
    channels, planes, rows, cols = clean.shape
    kinds = range(3) if channels == 3 else [0] * channels  # a series is T1-weighted throughout
    (row_band, row_fill), (col_band, col_fill) = (
        _band(n, part, scanner.window) for n, part in zip((rows, cols), scanner.matrix, strict=True)
    )
    field = Lattice.sample(stream(*key, "bias"), 70, 1).at(*axes)[0]
    centre = sum(
        (axis.reshape([-1 if i == k else 1 for i in range(3)]) / size) ** 2
        for k, (axis, size) in enumerate(zip(axes, (90, 85, 70), strict=True))
    )
    coil = np.exp(scanner.bias * field + scanner.shine * (np.exp(-centre) - 0.5)).astype(np.float32)
    coil /= coil.mean()
    rng = stream(*key, "noise")
    shift = int(rng.integers(rows // 4, rows // 2))
    images, ideals = np.empty_like(clean), np.empty_like(clean)
    for c, kind in enumerate(kinds):
        gain = np.float32(scanner.gain[kind])
        for p in range(planes):
            ideal = row_band @ clean[c, p] @ col_band.T
            ideals[c, p] = gain * np.abs(ideal)
            if scanner.ghost:
                ideal = ideal + np.float32(scanner.ghost) * np.roll(ideal, shift, axis=0)
            noise = rng.standard_normal((2, row_fill.shape[1], col_fill.shape[1]), dtype=np.float32)
            noise *= np.float32(scanner.noise[kind])
            real, imaginary = row_fill @ noise @ col_fill.T
            real += coil[p] * ideal
            images[c, p] = gain * np.hypot(real, imaginary)
    return images, ideals


def tomograph(uptake: Floats, scanner: Scanner, key: Key, spacing: tuple[float, float, float]) -> tuple[Floats, Floats]:
    """Positron emission pictures of an uptake: point spread, Poisson counts, and the filter of the reconstruction.

    Parameters
    ----------
    uptake : float32 (planes, rows, cols) relative to grey matter; one plane is a slice that is already blurred along z.
    spacing : mm along each axis.

    Returns
    -------
    The picture in Bq/ml (20,000 in grey matter), and the same without noise. float32, same shape.
    """
    after = 4.0  # mm, the filter after reconstruction; with the detectors' own spread it makes up the point spread
    before = np.sqrt(scanner.pet_blur**2 - after**2)
    sharp = _blur(uptake, before, spacing)
    voxel = float(np.prod(spacing)) ** (1 / 3) if len(uptake) > 1 else spacing[1]
    counts = np.float32(scanner.pet_counts * (voxel / 3) ** 2)
    rng = stream(*key, "counts")
    noisy = rng.poisson(np.maximum(sharp, 0.02) * counts).astype(np.float32) / counts
    picture, ideal = _blur(noisy, after, spacing), _blur(sharp, after, spacing)
    return picture * np.float32(20000), ideal * np.float32(20000)


def _blur(volume: Floats, width: float, spacing: tuple[float, float, float]) -> Floats:
    """Gaussian of a full width at half maximum in mm; a single plane is blurred in plane."""
    sigma = [width / 2.3548 / s for s in spacing]
    blurred: Floats
    if len(volume) == 1:
        blurred = cv2.GaussianBlur(volume[0], (0, 0), sigma[2], sigmaY=sigma[1], borderType=cv2.BORDER_REPLICATE)[None]
    else:
        blurred = ndimage.gaussian_filter(volume, sigma, mode="nearest")
    return blurred


@lru_cache(maxsize=4096)
def _signal(scanner: Scanner, tissue: Tissue) -> Floats:
    sequences = (scanner.t1, scanner.t2, scanner.flair)
    echoes = [_echo(tissue, scanner.tesla, times) / _echo(WHITE, scanner.tesla, times) for times in sequences]
    return np.array([*echoes, tissue.uptake], dtype=np.float32)


@lru_cache(maxsize=4096)
def _wash_in(scanner: Scanner, tissue: Tissue) -> Floats:
    when = np.array(SECONDS)
    here, white = (
        gradient_echo(t, when, tesla=scanner.tesla, tr=6.0, flip=15.0, arrival=30.0) for t in (tissue, WHITE)
    )
    return np.asarray(here / white[0], dtype=np.float32)


def _echo(tissue: Tissue, tesla: float, times: tuple[float, float, float]) -> float:
    tr, te, ti = times
    if ti == 0:
        return spin_echo(tissue, tesla=tesla, tr=tr, te=te)
    return inversion_recovery(tissue, tesla=tesla, tr=tr, te=te, ti=ti)


@lru_cache(maxsize=64)
def _band(n: int, part: float, soft: float) -> tuple[Floats, Floats]:
    """Matrices for n pixels of which `part` of the frequencies are measured, with a band that ends softly over its
    part `soft`.

    The first, (n, n), keeps of a picture what lies in the band; the second, (n, m), fills up m measured samples to n
    pixels.
    """
    m = min(2 * round(n * part / 2) + 1, n - 1 + n % 2)  # odd, so that for each frequency its negative is there too
    k = np.arange(m // 2 + 1)
    weight = (0.5 + 0.5 * np.cos(np.pi * np.clip((k / (m / 2) - 1 + soft) / soft, 0, 1))) * np.where(k == 0, 1, 2)
    dense, coarse = (2 * np.pi * np.outer((np.arange(size) + 0.5) / size, k) for size in (n, m))
    cosine, sine = np.cos(dense), np.sin(dense)
    band = ((cosine * weight) @ cosine.T + (sine * weight) @ sine.T) / n
    fill = ((cosine * weight) @ np.cos(coarse).T + (sine * weight) @ np.sin(coarse).T) / m
    return band.astype(np.float32), fill.astype(np.float32)
