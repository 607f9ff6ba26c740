"""Normal structures that are bright and fool a threshold: caps and rims of the ventricles, choroid plexus, vessels,
widened spaces around vessels, and fluid that flows while it is imaged. None of them is a lesion, and none has a box.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from medloc_lib.data.lesions.anatomy import CSF, DEEP, GREY, WHITE, Head, Slab
from medloc_lib.data.lesions.lesions import FLUID, Overlay, Placed
from medloc_lib.data.lesions.signal import Tissue
from medloc_lib.data.lesions.streams import Floats, Key, Lattice, ramp, stream
from medloc_lib.data.lesions.template import Template

CAP = Tissue(0.82, 950.0, 125.0, uptake=0.28)
PLEXUS = Tissue(0.88, 1150.0, 140.0, uptake=0.5, ktrans=0.2, ve=0.3, vp=0.08)
SLOW_BLOOD = Tissue(0.8, 900.0, 190.0, uptake=0.25, vp=0.7)
FAST_BLOOD = Tissue(0.06, 1441.0, 80.0, uptake=0.25, vp=0.7)
FLOWING = Tissue(1.0, 1900.0, 1500.0, 0.1, uptake=0.05)

_HORNS = np.array([(4.0, -32.0, 17.0), (4.0, -32.0, -17.0), (10.0, 58.0, 26.0), (10.0, 58.0, -26.0)], dtype=np.float32)
_PLEXUS = np.array([(8.0, 46.0, 23.0), (8.0, 46.0, -23.0), (18.0, 20.0, 11.0), (18.0, 20.0, -11.0)], dtype=np.float32)
_FLOW = np.array([(-2.0, 2.0, 0.0), (-14.0, 20.0, 0.0), (2.0, 40.0, 0.0), (8.0, -6.0, 0.0)], dtype=np.float32)
"""Points of the template (z, y, x) in mm: tips of the ventricles, choroid plexus, and where fluid flows fast."""


@dataclass(frozen=True)
class Tube(Placed):
    """A short piece of vessel: a segment of a line, with a radius in mm and what fills it."""

    along: Floats
    radius: float
    filling: Tissue
    where: tuple[int, ...]

    def overlay(self, slab: Slab) -> Overlay | None:
        """Its share of each pixel of the slab."""
        window = self.window(slab)
        if window is None:
            return None
        d = self.offset(slab, window)
        half = self.reach - self.radius - 1
        t = np.clip(self.along[0] * d[0] + self.along[1] * d[1] + self.along[2] * d[2], -half, half)
        square = sum((axis - v * t) ** 2 for axis, v in zip(d, self.along, strict=True))
        host = sum(slab.parts[k][:, *window] for k in self.where)
        soft = slab.width / 2
        # Thinner than a pixel, it fills a share of it.
        fill = min(1.0, self.radius / soft) * ramp(self.radius - np.sqrt(square), -soft, soft)
        return Overlay(window, np.asarray((fill * host).mean(axis=0)), self.filling)


@dataclass(frozen=True)
class Mimics:
    """The normal bright structures of one head. The numbers are strengths, 0 to 1; `flow` varies over space.

    `heights` (tubes, 2) are z and reach of each tube, so that those of a slice are found fast.
    """

    tubes: tuple[Tube, ...]
    heights: Floats
    cap: float
    rim: float
    plexus: float
    flow: float
    eddies: Lattice

    def draw(self, slab: Slab) -> list[Overlay]:
        """What a slab holds of them, in the order they cover each other."""
        everywhere = (slice(0, slab.at.shape[2]), slice(0, slab.at.shape[3]))
        middle = slab.at.mean(axis=1)
        outside = np.maximum(slab.ventricle, 0)
        parts = slab.parts
        overlays = []
        if slab.ventricle.min() < 12:
            cap = self.cap * _near(middle, _HORNS, 7.0) * ramp(6.5 - outside + slab.rough, 0, 5)
            cap += self.rim * ramp(2.0 - outside + 0.5 * slab.rough, 0, 1.6)
            overlays.append(
                Overlay(everywhere, (np.clip(cap, 0, 1) * (parts[WHITE] + 0.3 * parts[DEEP])).mean(axis=0), CAP)
            )
        if slab.ventricle.min() < 0:
            plexus = ramp(_near(middle, _PLEXUS, 6.0) + 0.22 * slab.fine, 0.35, 0.6) * ramp(-slab.ventricle, 0, 1)
            overlays.append(Overlay(everywhere, (self.plexus * plexus).mean(axis=0), PLEXUS))
        z, y, x = slab.axes
        stir = np.clip(0.5 + 0.5 * self.eddies.at(z.mean(keepdims=True), y, x)[0, 0], 0, 1) * _near(middle, _FLOW, 13.0)
        overlays.append(Overlay(everywhere, np.clip(self.flow * stir, 0, 1) * parts[CSF].mean(axis=0), FLOWING))
        above, below = z.max() - self.heights[:, 0], self.heights[:, 0] - z.min()
        for i in np.flatnonzero(np.maximum(above, below) <= self.heights[:, 1] + np.ptp(z)):
            overlay = self.tubes[i].overlay(slab)
            if overlay is not None:
                overlays.append(overlay)
        return overlays


def sample_mimics(key: Key, head: Head, atlas: Template, age: float) -> Mimics:
    """Draw the normal bright structures of one head; the older, the more of them."""
    rng = stream(*key, "mimics")
    points, (tone, _, ventricle, hull) = atlas.draw(rng, 6000, ((-16.0, 66.0), (-72.0, 100.0), (-70.0, 70.0)))
    z, y, side = points[:, 0], points[:, 1], np.abs(points[:, 2])
    sulci = np.flatnonzero((tone < 0.5) & (hull > -28) & (hull < 1.5) & (ventricle > 8))
    inner = np.flatnonzero((hull < -28) & (side > 12) & (side < 32) & (z < 8) & (y < 20))
    vessels = rng.choice(sulci, size=min(int(rng.integers(50, 100)), len(sulci)), replace=False)
    spaces = rng.choice(inner, size=min(int(rng.poisson(3 + max(age - 40, 0) / 8)), len(inner)), replace=False)
    centres = head.from_template(points[np.concatenate([vessels, spaces])])
    directions = rng.normal(0, 1, (len(centres), 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    sizes = rng.uniform((0.4, 2.0), (1.3, 10.0), (len(centres), 2))  # radius and half length, mm
    slow = rng.random(len(centres)) < rng.choice([0.15, 0.5])
    tubes = []
    for i, (centre, along, (radius, half)) in enumerate(
        zip(centres, directions.astype(np.float32), sizes, strict=True)
    ):
        vessel = i < len(vessels)
        filling = (SLOW_BLOOD if slow[i] else FAST_BLOOD) if vessel else FLUID
        host = (CSF,) if vessel else (WHITE, DEEP, GREY)
        width, length = (float(radius), float(half)) if vessel else (0.75 * float(radius), 0.4 * float(half))
        tubes.append(Tube(-1, centre, length + width + 1, (0.0, 0.0), 0.0, along, width, filling, host))
    old = min(max((age - 25) / 50, 0), 1)
    return Mimics(
        tubes=tuple(tubes),
        heights=np.array([(t.centre[0], t.radius + 1 + abs(t.along[0]) * t.reach) for t in tubes], dtype=np.float32),
        cap=float(rng.uniform(0.15, 0.35) + 0.45 * old * rng.random()),
        rim=float(rng.uniform(0.05, 0.3) + 0.35 * old * rng.random()),
        plexus=float(rng.uniform(0.4, 1.0)),
        flow=float(rng.beta(1.2, 2.0)),
        eddies=Lattice.sample(stream(*key, "eddies"), 12),
    )


def _near(at: Floats, points: Floats, width: float) -> Floats:
    """1 at any of the points, 0 far away: the largest of their bells. (rows, cols), found at every other of them."""
    coarse = at[:, ::2, ::2]
    least = np.full(coarse.shape[1:], np.inf, dtype=np.float32)
    for z, y, x in points:
        np.minimum(least, (coarse[0] - z) ** 2 + (coarse[1] - y) ** 2 + (coarse[2] - x) ** 2, out=least)
    bells = np.exp(least * np.float32(-0.5 / width**2))
    return np.asarray(cv2.resize(bells, (at.shape[2], at.shape[1]), interpolation=cv2.INTER_LINEAR), dtype=np.float32)
