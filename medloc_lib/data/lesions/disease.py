"""What is wrong with a patient: where lesions of each kind are, how many, how large, and what they are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from medloc_lib.data.lesions.anatomy import Head, Push
from medloc_lib.data.lesions.lesions import INFARCT, MASS, PLAQUE, Infarct, Lesion, Mass, Plaque
from medloc_lib.data.lesions.signal import Tissue
from medloc_lib.data.lesions.streams import Floats
from medloc_lib.data.lesions.template import Template

Rng = np.random.Generator

BRAIN = ((-14.0, 58.0), (-68.0, 78.0), (-62.0, 62.0))
"""Where lesions start: the box of the template, (z, y, x) in mm, that the slices are taken from."""


def sample_plaques(rng: Rng, head: Head, atlas: Template) -> list[Lesion]:
    """From one faint spot to dozens of plaques; in a heavy case also a sheath around the ventricles."""
    count = round(float(np.exp(rng.uniform(0, np.log(50)))))
    heavy = count > 12
    points, (_, white, ventricle, hull) = atlas.draw(rng, 4000, BRAIN)
    near = np.exp(-np.maximum(ventricle, 0) / 6) * (ventricle > 1)
    weight = (white > 0.8) * (near + 0.05 * (hull > -14) + 0.02)
    points = points[rng.choice(len(points), size=count, replace=False, p=weight / weight.sum())]
    # Plaques lie along the small veins, which run straight away from the ventricles.
    away = slopes(atlas, points, "ventricle") + rng.normal(0, 0.25, (count, 3))
    lesions: list[Lesion] = []
    for centre, direction in zip(head.from_template(points), away, strict=True):
        short = min(max(float(rng.lognormal(np.log(2.1 if heavy else 2.4), 0.4)), 1.3), 7.0)
        long = short * float(rng.uniform(1, 2.1))
        frame = _frame(direction, (long, short, short * float(rng.uniform(0.8, 1.1))))
        lesions.append(
            Plaque(
                kind=PLAQUE,
                centre=centre,
                reach=long + 4,
                span=_span(centre, frame, 0.55),
                volume=4.2e-3 * long * short**2,
                frame=frame,
                size=short,
                edge=float(rng.uniform(0.6, 2.5)),
                bumps=(0.18 * short, 0.10 * short),
                tissue=_plaque_tissue(rng),
                strength=float(rng.uniform(0.38, 1.0)),
                hole=float(rng.uniform(0.3, 0.9)) * float(rng.random() < 0.3),
            )
        )
    if heavy and rng.random() < 0.75:
        lesions.append(_sheath(rng, head))
    return lesions


def _plaque_tissue(rng: Rng) -> Tissue:
    return Tissue(
        pd=rng.uniform(0.8, 0.9),
        t1=rng.uniform(900, 1250),
        t2=rng.uniform(105, 170),
        uptake=rng.uniform(0.18, 0.34),
        ktrans=float(rng.choice([0.0, 0.0, 0.03, 0.08])),
    )


def _sheath(rng: Rng, head: Head) -> Plaque:
    """Plaques that have run together around both ventricles: everything within some mm of them."""
    middle = head.from_template(np.array([[12.0, 10.0, 0.0]], dtype=np.float32))[0]
    band = float(rng.uniform(3, 6.5))
    return Plaque(
        kind=PLAQUE,
        centre=middle,
        reach=75.0,
        span=(float(middle[0]) - 8, float(middle[0]) + 18),
        volume=8.0 * band,
        frame=np.diag(np.full(3, 1 / 400, dtype=np.float32)),
        size=400.0,
        edge=2.0,
        bumps=(0.0, 0.0),
        tissue=_plaque_tissue(rng),
        strength=float(rng.uniform(0.6, 1.0)),
        hole=0.0,
        band=band,
    )


def sample_masses(rng: Rng, head: Head, atlas: Template, quiet: bool) -> tuple[list[Lesion], tuple[Push, ...]]:
    """One growth or several small ones, and how they push the brain aside.

    A `quiet` one is alone, has a sharp edge, takes up little, swells little, and its middle is dark in FLAIR but
    bright in T2.
    """
    several = not quiet and rng.random() < 0.45
    count = int(rng.integers(2, 7)) if several else 1
    points, (_, white, ventricle, hull) = atlas.draw(rng, 4000, BRAIN)
    good = np.flatnonzero((hull < -7) & (white > 0.25) & (ventricle > 2) & (not several or white < 0.9))
    chosen = rng.choice(good, size=count, replace=False)
    rim, middle, wet = _mass_tissues(rng, quiet)
    inward = -slopes(atlas, points[chosen], "hull")
    lesions: list[Lesion] = []
    pushes = []
    for centre, below, direction in zip(head.from_template(points[chosen]), -hull[chosen], inward, strict=True):
        size = min(max(float(rng.lognormal(np.log(3.2 if several else 9.5), 0.42)), 1.8), 9.0 if several else 20.0)
        size = min(size, 0.75 * float(below) + 3)
        spread = 0.0 if rng.random() < 0.2 else float(rng.uniform(0.2, 0.5 if quiet else 1.6)) * (size + 4)
        radii = tuple(size * float(np.exp(rng.normal(0, 0.15))) for _ in range(3))
        frame = _frame(rng.normal(0, 1, 3), radii)
        decayed = size > 4.5 and rng.random() < 0.75
        lesions.append(
            Mass(
                kind=MASS,
                centre=centre,
                reach=max(radii) * 1.4 + 1.6 * spread + 4,
                span=_span(centre, frame, 0.8, 0.5 * spread),
                volume=4.2e-3 * (size + 0.4 * spread) ** 3,
                frame=frame,
                size=size,
                edge=float(rng.uniform(0.5, 1.2) if quiet else rng.uniform(0.8, 4.0)),
                bumps=(0.10 * size, 0.05 * size) if quiet else (0.17 * size, 0.09 * size),
                rim=rim,
                middle=middle,
                wet=wet,
                oedema=spread,
                core=0.78 if quiet else float(rng.uniform(0.35, 0.8)) * decayed,
                strength=float(rng.uniform(0.7, 1.0)),
            )
        )
        if size > 3:
            pushes.append(Push(centre, size * 1.1, 0.32 * size, direction))
    return lesions, tuple(pushes)


def _mass_tissues(rng: Rng, quiet: bool) -> tuple[Tissue, Tissue, Tissue]:
    """The rim, the middle and the oedema of a mass."""
    hot = bool(rng.random() < (0.15 if quiet else 0.8))
    rim = Tissue(
        pd=0.88,
        t1=rng.uniform(1000, 1350),
        t2=rng.uniform(100, 145),
        uptake=rng.uniform(1.5, 3.2) if hot else rng.uniform(0.25, 0.6),
        ktrans=0.02 if quiet else rng.uniform(0.08, 0.3),
        ve=rng.uniform(0.2, 0.5),
        vp=0.05,
    )
    dead = Tissue(0.96, rng.uniform(1900, 3200), rng.uniform(200, 400), uptake=0.1, ktrans=0.015)
    middle = Tissue(0.95, 2600.0, 300.0, uptake=0.3, ktrans=0.01) if quiet else dead
    wet = Tissue(0.88, rng.uniform(1050, 1400), rng.uniform(125, 200), uptake=rng.uniform(0.2, 0.35))
    return rim, middle, wet


def sample_infarct(rng: Rng, head: Head, atlas: Template) -> list[Lesion]:
    """One wedge, fresh or old, from a few mm of cortex to most of a territory; sometimes a second, small one."""
    points, (tone, _, _, hull) = atlas.draw(rng, 4000, BRAIN)
    surface = np.flatnonzero((hull > -5) & (hull < -1) & (tone > 0.55))
    points = points[rng.choice(surface, size=2 if rng.random() < 0.2 else 1, replace=False)]
    old = bool(rng.random() < 0.5)
    lesions: list[Lesion] = []
    for centre, axis in zip(head.from_template(points), -slopes(atlas, points, "hull"), strict=True):
        wide = min(max(float(rng.lognormal(np.log(4.5 if lesions else 13), 0.6)), 2.5), 34.0)
        narrow, deep = wide * float(rng.uniform(0.55, 1.0)), wide * float(rng.uniform(0.9, 1.8)) + 4
        across = np.cross(axis, rng.normal(0, 1, 3))
        middle = float(centre[0]) + 0.25 * deep * float(axis[0])
        half = 0.6 * narrow * float(np.sqrt(max(1 - axis[0] ** 2, 0))) + 0.2 * deep * abs(float(axis[0]))
        lesions.append(
            Infarct(
                kind=INFARCT,
                centre=centre,
                reach=max(wide * 1.3, deep) + 5,
                span=(middle - half, middle + half),
                volume=1e-3 * wide * narrow * deep,
                axis=axis,
                across=(across / np.linalg.norm(across)).astype(np.float32),
                breadth=(wide, narrow),
                deep=deep,
                edge=float(rng.uniform(0.8, 4.0)),
                bumps=(0.12 * narrow, 0.6),
                tissue=Tissue(
                    pd=rng.uniform(0.84, 0.92),
                    t1=rng.uniform(1050, 1400),
                    t2=rng.uniform(112, 180),
                    uptake=rng.uniform(0.1, 0.45),
                    ktrans=0.0 if old else rng.uniform(0, 0.06),
                ),
                strength=float(rng.uniform(0.55, 1.0)),
                cavity=float(rng.uniform(0.5, 0.95)) * (old and wide > 5),
            )
        )
    return lesions


def slopes(atlas: Template, points: Floats, which: str) -> Floats:
    """Unit vectors (z, y, x) along which a map of the template grows, at each point: (n, 3)."""
    step = 3 * np.concatenate([np.eye(3), -np.eye(3)])
    around = (points[:, None] + step).astype(np.float32).reshape(-1, 3)
    z, y, x = (around[:, k].reshape(1, 1, -1) for k in range(3))
    values = atlas.at(z, y, x)[atlas.fields.index(which)].reshape(len(points), 2, 3)
    slope = values[:, 0] - values[:, 1]
    return np.asarray(slope / np.maximum(np.linalg.norm(slope, axis=1, keepdims=True), 1e-6), dtype=np.float32)


def _span(centre: Floats, frame: Floats, part: float, more: float = 0.0) -> tuple[float, float]:
    """z between which a plane cuts an ellipsoid within `part` of its half height, and `more` mm."""
    half = part * float(np.sqrt((np.linalg.inv(frame)[0] ** 2).sum())) + more
    return float(centre[0]) - half, float(centre[0]) + half


def _frame(direction: NDArray[np.float64], radii: tuple[float, ...]) -> Floats:
    """Rows: unit axes divided by their radii; the first points along `direction`."""
    first = direction / np.linalg.norm(direction)
    second = np.cross(first, np.eye(3)[int(np.argmin(np.abs(first)))])
    second /= np.linalg.norm(second)
    axes = np.stack([first, second, np.cross(first, second)])
    return np.asarray(axes / np.array(radii)[:, None], dtype=np.float32)
