"""The three kinds of lesions: a mass with oedema, a demyelinating plaque, an infarct of the cortex.

Each is a shape in patient mm whose surface is disturbed by random blobs, filled with tissues of its own. `draw`
renders what a slab of anatomy holds of it; `disease.py` says where lesions are and how large.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import cv2
import numpy as np

from medloc_lib.data.lesions.anatomy import CSF, DEEP, GREY, WHITE, Push, Slab
from medloc_lib.data.lesions.signal import Tissue
from medloc_lib.data.lesions.streams import Floats, ramp

CLASSES = ("mass", "plaque", "infarct")
MASS, PLAQUE, INFARCT = range(3)
Window = tuple[slice, slice]

BLACK_HOLE = Tissue(0.9, 1700.0, 260.0, uptake=0.2)
FLUID = Tissue(0.98, 3600.0, 900.0, 0.1, uptake=0.05)


@dataclass(frozen=True)
class Overlay:
    """A tissue that takes the place of what lies beneath: its share of each pixel in a window of the slice."""

    window: Window
    amount: Floats
    tissue: Tissue


@dataclass(frozen=True)
class Drawing:
    """What a slab holds of one lesion: tissues in the order they cover each other, and the share of it that is
    lesion.
    """

    kind: int
    window: Window
    overlays: list[Overlay]
    extent: Floats


@dataclass(frozen=True)
class Placed:
    """Where a lesion, or what looks like one, is.

    Parameters
    ----------
    kind : index into CLASSES; -1 for what is no lesion.
    centre : (z, y, x) in mm. reach : mm from it that the lesion may touch.
    span : the z in mm between which a slice meets a good part of it. volume : ml, about.
    """

    kind: int
    centre: Floats
    reach: float
    span: tuple[float, float]
    volume: float

    def window(self, slab: Slab) -> Window | None:
        """The rows and columns of the slab that the lesion may touch, or None."""
        z, y, x = slab.axes
        if np.abs(z - self.centre[0]).min() > self.reach:
            return None
        spans = []
        for axis, c in ((y, self.centre[1]), (x, self.centre[2])):
            near = np.flatnonzero(np.abs(axis - c) <= self.reach)
            if len(near) == 0:
                return None
            spans.append(slice(int(near[0]), int(near[-1]) + 1))
        return spans[0], spans[1]

    def offset(self, slab: Slab, window: Window) -> list[Floats]:
        """mm from the centre along z, y and x, shaped to be added up over (planes, rows, cols)."""
        z, y, x = slab.axes
        axes = (z - self.centre[0], y[window[0]] - self.centre[1], x[window[1]] - self.centre[2])
        return [axis.astype(np.float32).reshape([-1 if i == k else 1 for i in range(3)]) for k, axis in enumerate(axes)]


class Lesion(Placed, ABC):
    """A lesion, which can be drawn."""

    def draw(self, slab: Slab) -> Drawing | None:
        """Render the part of the lesion that lies in the slab."""
        window = self.window(slab)
        return None if window is None else self._draw(slab, window)

    @abstractmethod
    def _draw(self, slab: Slab, window: Window) -> Drawing:
        """Render the part that lies in a window of the slab."""


@dataclass(frozen=True)
class Ellipsoid(Lesion):
    """An ellipsoid with a disturbed surface.

    Parameters
    ----------
    frame : (3, 3), each row an axis of the ellipsoid (z, y, x) divided by its radius in mm.
    size : mean radius in mm. edge : mm over which it fades. bumps : mm of disturbance, by large and small blobs.
    """

    frame: Floats
    size: float
    edge: float
    bumps: tuple[float, float]

    def depth(self, slab: Slab, window: Window) -> Floats:
        """mm below the surface, about; negative outside. (planes, rows, cols)."""
        d = self.offset(slab, window)
        square = sum((row[0] * d[0] + row[1] * d[1] + row[2] * d[2]) ** 2 for row in self.frame)
        rough, fine = (blobs[:, *window] for blobs in (slab.rough, slab.fine))
        depth = (1 - np.sqrt(square)) * np.float32(self.size) + self.bumps[0] * rough + self.bumps[1] * fine
        return np.asarray(depth, dtype=np.float32)


@dataclass(frozen=True)
class Plaque(Ellipsoid):
    """An ovoid patch of lost myelin. `strength` is how much of the tissue it replaces, `hole` of its middle.

    With a `band` in mm it is a sheath of about that thickness around the ventricles.
    """

    tissue: Tissue
    strength: float
    hole: float
    band: float = 0.0

    def _draw(self, slab: Slab, window: Window) -> Drawing:
        depth = self.depth(slab, window)
        if self.band:
            sheath = self.band * (1 + 0.55 * slab.rough[:, *window]) - slab.ventricle[:, *window]
            depth = np.minimum(depth, sheath)
        soft = max(self.edge, slab.width)
        tissue = slab.parts[WHITE][:, *window] + 0.6 * (slab.parts[GREY][:, *window] + slab.parts[DEEP][:, *window])
        inside = ramp(depth, -soft / 2, soft / 2) * np.minimum(tissue, 1)
        grain = 1 + 0.12 * slab.fine[:, *window]
        amount = (inside * np.clip(self.strength * grain, 0, 1)).mean(axis=0)
        overlays = [Overlay(window, amount, self.tissue)]
        if self.hole:
            core = (ramp(depth, 0.45 * self.size, 0.8 * self.size) * inside).mean(axis=0) * self.hole
            overlays.append(Overlay(window, core, BLACK_HOLE))
        return Drawing(self.kind, window, overlays, inside.mean(axis=0))


@dataclass(frozen=True)
class Mass(Ellipsoid):
    """A growth: a rim around a core, and oedema that spreads along the white matter.

    Parameters
    ----------
    rim, middle, wet : the tissues of the solid part, of its core and of the oedema.
    oedema : mm that it spreads. core : share of the radius that the core takes.
    strength : how much of the tissue the rim replaces.
    """

    rim: Tissue
    middle: Tissue
    wet: Tissue
    oedema: float
    core: float
    strength: float

    def _draw(self, slab: Slab, window: Window) -> Drawing:
        depth = self.depth(slab, window)
        rough, fine = slab.rough[:, *window], slab.fine[:, *window]
        parts = slab.parts[:, :, *window]
        room = ramp(-slab.hull[:, *window], -0.5, 0.5)
        soft = max(self.edge, slab.width)
        solid = ramp(depth, -soft / 2, soft / 2) * room
        strength = np.clip(self.strength * (1 + 0.15 * fine + 0.1 * rough), 0, 1)
        inner = ramp(depth - (1 - self.core) * self.size + 0.8 * self.bumps[0] * fine, -soft / 2, soft / 2) * room
        near = ramp(self.oedema * (1 + 0.35 * rough + 0.1 * fine) + depth, -1.5, 1.5) * (self.oedema > 0)
        fade = (1 - 0.25 * ramp(-depth, 0, self.oedema + 1)) * (1 + 0.08 * fine)
        wet = near * (parts[WHITE] + 0.25 * (parts[GREY] + parts[DEEP])) * np.clip(fade, 0, 1)
        overlays = [
            Overlay(window, wet.mean(axis=0), self.wet),
            Overlay(window, (solid * strength).mean(axis=0), self.rim),
            Overlay(window, inner.mean(axis=0) * (self.core > 0), self.middle),
        ]
        # Oedema fills white matter; a reader's outline of it goes straight over the narrow cortex between two fingers.
        white = parts[WHITE].mean(axis=0)
        bridged = np.maximum(white, 0.6 * ramp(cv2.blur(white, (5, 5)), 0.35, 0.55))
        return Drawing(self.kind, window, overlays, np.maximum(solid.mean(axis=0), near.mean(axis=0) * bridged))

    def push(self, inward: Floats) -> Push:
        """How the mass displaces the brain around it."""
        return Push(self.centre, self.size * 1.1, 0.32 * self.size, inward)


@dataclass(frozen=True)
class Infarct(Lesion):
    """A wedge of dead tissue, broad at the cortex and narrow towards the ventricles.

    Parameters
    ----------
    axis, across : unit vectors (z, y, x): inward, and the direction in which it is longest along the surface.
    breadth : (mm along `across`, mm the other way), half widths at the surface. deep : mm from surface to tip.
    cavity : how much of the middle has turned to fluid.
    """

    axis: Floats
    across: Floats
    breadth: tuple[float, float]
    deep: float
    edge: float
    bumps: tuple[float, float]
    tissue: Tissue
    strength: float
    cavity: float

    def _draw(self, slab: Slab, window: Window) -> Drawing:
        d = self.offset(slab, window)
        other = np.cross(self.axis, self.across)
        along, wide, narrow = (v[0] * d[0] + v[1] * d[1] + v[2] * d[2] for v in (self.axis, self.across, other))
        rough, fine = slab.rough[:, *window], slab.fine[:, *window]
        inside = np.maximum(-slab.hull[:, *window], 0)
        taper = np.clip(1 - inside / self.deep, 0, 1) ** 0.7
        a, b = self.breadth
        reach = np.sqrt((wide / a) ** 2 + (narrow / b) ** 2)
        depth = np.minimum((taper - reach) * min(a, b), self.deep - inside)
        depth += self.bumps[0] * rough + self.bumps[1] * fine
        depth = np.where(np.abs(along) < 1.2 * self.deep + 6, depth, -9)  # not where the axis leaves the brain again
        soft = max(self.edge, slab.width)
        shape = ramp(depth, -soft / 2, soft / 2) * ramp(-slab.hull[:, *window], -0.5, 0.5)
        parts = slab.parts[:, :, *window]
        tissue = parts[WHITE] + parts[GREY] + parts[DEEP]
        amount = (shape * tissue * np.clip(self.strength * (1 + 0.1 * fine + 0.12 * rough), 0, 1)).mean(axis=0)
        overlays = [Overlay(window, amount, self.tissue)]
        if self.cavity:
            hollow = ramp(depth + 1.2 * fine, 1.5, 4.0) * ramp(-slab.hull[:, *window], -0.5, 0.5) * self.cavity
            overlays.append(Overlay(window, hollow.mean(axis=0), FLUID))
        # The fluid of the sulci between dead gyri belongs to the infarct, as a reader would outline it.
        shape = shape * ramp(slab.ventricle[:, *window], -0.5, 0.5)
        return Drawing(self.kind, window, overlays, (shape * np.where(parts[CSF] > 0.5, 0.8, 1)).mean(axis=0))
