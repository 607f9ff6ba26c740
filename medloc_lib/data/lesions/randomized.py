"""Scanners from wider ranges than any site's, for training a network that is to meet scanners it never saw."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from medloc_lib.data.lesions.scanner import Scanner
from medloc_lib.data.lesions.signal import CSF, nulling_time


def random_scanner(
    rng: np.random.Generator, base: Scanner, *, contrast: bool = True, acquisition: bool = True
) -> Scanner:
    """A machine like `base` with a random protocol, random hardware, or both (domain randomization).

    The ranges are chosen to be wide, not likely: the real scanner should be one more draw among them.

    Parameters
    ----------
    rng : draws; the same numbers are drawn whatever is asked for, so that the two parts can be compared.
    base : what is not randomized stays as it is there.
    contrast : field strength and echo, repetition and inversion times; T1-weighting by spin echo or by inversion.
    acquisition : thickness, matrix, noise, unevenness, ghost, and the point spread and counts of the PET.

    References
    ----------
    B. Billot et al., "SynthSeg: segmentation of brain MRI scans of any contrast and resolution without retraining",
    Medical Image Analysis 86 (2023). J. Tobin et al., "Domain randomization for transferring deep neural networks from
    simulation to the real world", IROS 2017.

    Examples
    --------
    >>> from medloc_lib.data.lesions import machine
    >>> base = machine("train", "A", 0)
    >>> made = random_scanner(np.random.default_rng(0), base, acquisition=False)
    >>> made.t2 == base.t2, made.noise == base.noise
    (False, True)
    """
    tesla = float(rng.choice([1.5, 3.0]))
    spin = (rng.uniform(300, 900), rng.uniform(8, 20), 0.0)
    inverted = (rng.uniform(1500, 2500), rng.uniform(5, 15), rng.uniform(600, 1100))
    t1 = spin if rng.random() < 0.5 else inverted
    t2 = (rng.uniform(2500, 7000), rng.uniform(60, 130), 0.0)
    long = rng.uniform(6500, 12000)
    flair = (long, rng.uniform(75, 145), nulling_time(CSF, tesla=tesla, tr=long) * rng.uniform(0.9, 1.05))
    level = 0.045 * np.exp(rng.normal(0, 0.5))
    thickness = float(rng.uniform(1, 7))
    matrix = (rng.uniform(0.6, 1.0), rng.uniform(0.75, 1.0))
    noise = tuple(float(level * k) for k in rng.uniform(0.7, 1.4, 3))
    bias, shine, ghost = rng.uniform(0, 0.2), rng.normal(0.05, 0.15), rng.beta(1, 4) * 0.06
    pet_blur, pet_counts = rng.uniform(4.6, 7.5), rng.uniform(50, 350)
    made = replace(base, name=f"{base.name}-random{int(rng.integers(2**31))}")
    if contrast:
        made = replace(made, tesla=tesla, t1=t1, t2=t2, flair=flair)
    if acquisition:
        made = replace(
            made,
            thickness=thickness,
            matrix=matrix,
            noise=(noise[0], noise[1], noise[2]),
            bias=float(bias),
            shine=float(shine),
            ghost=float(ghost),
            pet_blur=float(pet_blur),
            pet_counts=float(pet_counts),
        )
    return made
