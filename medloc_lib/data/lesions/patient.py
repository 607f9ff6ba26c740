"""Who is scanned: a head, its normal bright structures, and what is wrong with it."""

from __future__ import annotations

from dataclasses import dataclass, replace

from medloc_lib.data.lesions.anatomy import Head, sample_head
from medloc_lib.data.lesions.disease import sample_infarct, sample_masses, sample_plaques
from medloc_lib.data.lesions.lesions import CLASSES, Lesion
from medloc_lib.data.lesions.mimics import Mimics, sample_mimics
from medloc_lib.data.lesions.streams import Key, stream
from medloc_lib.data.lesions.template import Template

HEALTHY, MASS, PLAQUE, INFARCT = "healthy", *CLASSES
SHARES = {HEALTHY: 0.39, MASS: 0.17, PLAQUE: 0.24, INFARCT: 0.20}
"""How often each diagnosis is drawn."""
LOWEST, HIGHEST = -12.0, 58.0
"""The z in mm that slices are taken between: from the base of the frontal lobes to near the top."""
SLICES = 4
"""Slices a patient, in 2-D."""


@dataclass(frozen=True)
class Patient:
    """One subject. `heights` are the z of the slices; `quiet` is the subtype of the masses that no field of a sample
    names.
    """

    key: Key
    age: float
    male: bool
    diagnosis: str
    quiet: bool
    head: Head
    mimics: Mimics
    lesions: tuple[Lesion, ...]
    heights: tuple[float, ...]


def sample_patient(key: Key, atlas: Template, diagnosis: str | None = None) -> Patient:
    """Draw the subject of a key, such as ``(0, "train", 12)``; with a given diagnosis, or the one that is drawn."""
    rng = stream(*key, "patient")
    drawn = str(rng.choice(list(SHARES), p=list(SHARES.values())))
    kind = diagnosis or drawn
    quiet = bool(stream(*key, "course").random() < 0.4)
    ages = {HEALTHY: (50, 17), MASS: (44 if quiet else 61, 11), PLAQUE: (40, 12), INFARCT: (68, 11)}
    age = min(max(float(rng.normal(*ages[drawn])), 19.0), 90.0)
    male = bool(rng.random() < (0.3 if drawn == PLAQUE else 0.52))
    head = sample_head(key, age)
    lesions: list[Lesion] = []
    if kind == MASS:
        lesions, pushes = sample_masses(stream(*key, "mass"), head, atlas, quiet)
        head = replace(head, pushes=pushes)
    elif kind == PLAQUE:
        lesions = sample_plaques(stream(*key, "plaque"), head, atlas)
    also = diagnosis is None and rng.random() < 0.07
    if kind == INFARCT or (kind != HEALTHY and also):
        lesions = lesions + sample_infarct(stream(*key, "infarct"), head, atlas)
    return Patient(
        key=key,
        age=age,
        male=male,
        diagnosis=kind,
        quiet=quiet and kind == MASS,
        head=head,
        mimics=sample_mimics(key, head, atlas, age),
        lesions=tuple(lesions),
        heights=_heights(key, lesions),
    )


def _heights(key: Key, lesions: list[Lesion]) -> tuple[float, ...]:
    """z in mm of the slices: most of them through a lesion, where there is one, and none close to another."""
    rng = stream(*key, "slices")
    chosen: list[float] = []
    for _ in range(SLICES):
        through = bool(lesions) and rng.random() < 0.74
        for _ in range(20):
            z = float(rng.uniform(LOWEST, HIGHEST))
            if through:
                low, high = lesions[int(rng.integers(len(lesions)))].span
                z = min(max(float(rng.uniform(low, high)), LOWEST), HIGHEST)
            if all(abs(z - other) > 2.5 for other in chosen):
                break
        chosen.append(z)
    return tuple(chosen)
