"""What a tissue gives in each kind of picture: signal equations and tissue constants.

T1 of brain tissue grows with the field as a power law (W. Rooney et al., "Magnetic field and tissue dependencies of
human brain longitudinal 1H2O relaxation in vivo", MRM 57, 2007: 0.71 ms · ν^0.382 for white and 1.16 ms · ν^0.376 for
grey matter with ν in Hz, 4.3 s for CSF at any field). T2 changes little with the field. T2 and proton density of
brain are those of BrainWeb (R. Kwan et al., "MRI simulation-based evaluation of image-processing and classification
methods", IEEE TMI 18, 1999). Muscle and blood are from G. Stanisz et al., MRM 54 (2005); fat and marrow from
C. de Bazelaire et al., Radiology 230 (2004), but fat has a longer T2 here, for it stays bright in fast spin echo
(R. Henkelman et al., "Why fat is bright in RARE and fast spin-echo imaging", JMRI 2, 1992). Lesions have a wide range
in life (BrainWeb gives 752 and 237 ms for a plaque); `lesions.py` draws around the values that are given there.

Uptake is that of FDG relative to grey matter: about a quarter to a third of it in white matter, as in the Hoffman
phantom (E. Hoffman et al., "3-D phantom to simulate cerebral blood flow and metabolic images for PET", IEEE TNS 37,
1990). Contrast uptake follows P. Tofts et al., JMRI 10 (1999), with the plasma curve of H. Weinmann et al. (1984).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RELAXIVITY = 4.5
"""1 / (s · mM): how much a millimole of gadolinium a litre shortens T1."""


@dataclass(frozen=True)
class Tissue:
    """Constants of one tissue.

    Parameters
    ----------
    pd : proton density relative to water.
    t1, t2 : relaxation times in ms, T1 at 1.5 T.
    power : T1 grows with the field to this power.
    uptake : FDG relative to grey matter.
    ktrans, ve, vp : contrast leakage in 1/min, leakage space and plasma volume as fractions.
    """

    pd: float
    t1: float
    t2: float
    power: float = 0.38
    uptake: float = 0.0
    ktrans: float = 0.0
    ve: float = 0.2
    vp: float = 0.0

    def t1_at(self, tesla: float) -> float:
        """T1 in ms at a field.

        >>> round(WHITE.t1_at(3.0))
        886
        """
        return float(self.t1 * (tesla / 1.5) ** self.power)


AIR = Tissue(0.0, 1000.0, 1.0)
CSF = Tissue(1.0, 4330.0, 2000.0, 0.0, 0.04)
GREY = Tissue(0.86, 998.0, 83.0, 0.376, 1.0, vp=0.03)
WHITE = Tissue(0.77, 680.0, 70.0, 0.382, 0.30, vp=0.015)
DEEP = Tissue(0.84, 920.0, 76.0, 0.376, 1.05, vp=0.03)
BONE = Tissue(0.15, 300.0, 0.5, 0.1, 0.08)
MARROW = Tissue(0.75, 549.0, 49.0, 0.095, 0.20, ktrans=0.02, vp=0.01)
FAT = Tissue(0.8, 343.0, 105.0, 0.157, 0.06)
MUSCLE = Tissue(0.8, 1008.0, 44.0, 0.486, 0.28, ktrans=0.03, vp=0.02)
SKIN = Tissue(0.75, 850.0, 40.0, 0.3, 0.22, ktrans=0.05, vp=0.03)
BLOOD = Tissue(0.25, 1441.0, 60.0, 0.423, 0.25, vp=0.6)
"""Flowing blood: it leaves the slice between pulse and echo, so little of its signal is left."""

NAMES = (
    "air",
    "CSF",
    "grey matter",
    "white matter",
    "deep grey matter",
    "bone",
    "marrow",
    "fat",
    "muscle",
    "skin",
    "blood",
)
TISSUES = (AIR, CSF, GREY, WHITE, DEEP, BONE, MARROW, FAT, MUSCLE, SKIN, BLOOD)
"""What the values 0, 1, 2 … of the layer "tissue" stand for."""


def spin_echo(tissue: Tissue, *, tesla: float, tr: float, te: float) -> float:
    """Signal of a spin echo: PD · (1 − exp(−TR/T1)) · exp(−TE/T2). Times in ms.

    >>> round(spin_echo(CSF, tesla=1.5, tr=500, te=12), 2)
    0.11
    """
    return float(tissue.pd * (1 - np.exp(-tr / tissue.t1_at(tesla))) * np.exp(-te / tissue.t2))


def inversion_recovery(tissue: Tissue, *, tesla: float, tr: float, te: float, ti: float) -> float:
    """Signal of an inversion recovery: |PD · (1 − 2 exp(−TI/T1) + exp(−TR/T1)) · exp(−TE/T2)|. Times in ms.

    FLAIR takes the TI at which CSF passes zero.

    >>> ti = nulling_time(CSF, tesla=1.5, tr=9000)
    >>> round(inversion_recovery(CSF, tesla=1.5, tr=9000, te=100, ti=ti), 6)
    0.0
    """
    t1 = tissue.t1_at(tesla)
    return float(abs(tissue.pd * (1 - 2 * np.exp(-ti / t1) + np.exp(-tr / t1))) * np.exp(-te / tissue.t2))


def nulling_time(tissue: Tissue, *, tesla: float, tr: float) -> float:
    """The inversion time in ms at which a tissue gives no signal: T1 · (ln 2 − ln(1 + exp(−TR/T1)))."""
    t1 = tissue.t1_at(tesla)
    return float(t1 * (np.log(2) - np.log1p(np.exp(-tr / t1))))


def gradient_echo(
    tissue: Tissue, seconds: NDArray[np.float64], *, tesla: float, tr: float, flip: float, arrival: float
) -> NDArray[np.float64]:
    """Signal of a spoiled gradient echo while contrast agent washes in.

    PD · sin α · (1 − E) / (1 − cos α · E) with E = exp(−TR · R1), and R1 = 1/T1 + relaxivity · concentration.

    Parameters
    ----------
    seconds : (n,), when each picture was taken.
    tr : ms. flip : degrees. arrival : the second at which the agent reaches the brain.

    Returns
    -------
    float64 (n,).
    """
    rate = 1000 / tissue.t1_at(tesla) + RELAXIVITY * concentration(tissue, seconds - arrival)
    decay, angle = np.exp(-tr / 1000 * rate), np.deg2rad(flip)
    return np.asarray(tissue.pd * np.sin(angle) * (1 - decay) / (1 - np.cos(angle) * decay))


def concentration(tissue: Tissue, seconds: NDArray[np.float64]) -> NDArray[np.float64]:
    """Contrast agent in a tissue, mM, after a dose of 0.1 mmol/kg: vp · C + Ktrans · C ∗ exp(−Ktrans/ve · t).

    The plasma curve is C(t) = 0.1 · (3.99 exp(−0.144 t) + 4.78 exp(−0.0111 t)) with t in minutes, and the convolution
    is in closed form.
    """
    t = np.maximum(seconds, 0) / 60
    wash = tissue.ktrans / tissue.ve
    plasma, leaked = np.zeros_like(t), np.zeros_like(t)
    for amount, rate in ((0.399, 0.144), (0.478, 0.0111)):
        plasma += amount * np.exp(-rate * t)
        leaked += (
            amount * (np.exp(-rate * t) - np.exp(-wash * t)) / (wash - rate)
            if wash != rate
            else amount * t * np.exp(-rate * t)
        )
    rise = 1 - np.exp(-t / 0.12)  # the bolus needs some seconds to pass
    return np.asarray((tissue.vp * plasma + tissue.ktrans * leaked) * rise)
