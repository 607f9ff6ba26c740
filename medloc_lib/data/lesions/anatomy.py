"""A head: the template, deformed into a subject, inside a skull and a scalp that the template lacks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from medloc_lib.data.lesions.signal import NAMES
from medloc_lib.data.lesions.streams import Floats, Key, Lattice, ramp, stream
from medloc_lib.data.lesions.template import Template

AIR, CSF, GREY, WHITE, DEEP, BONE, MARROW, FAT, MUSCLE, SKIN, BLOOD = range(len(NAMES))
_WARP, _DETAIL = 2.7, 1.2  # mm, deviations of the coarse and of the fine displacement


@dataclass(frozen=True)
class Push:
    """Tissue that a growing mass pushes aside: centre (z, y, x) in mm, its radius, how far, and where the skull is
    not.
    """

    centre: Floats
    radius: float
    amount: float
    inward: Floats


@dataclass(frozen=True)
class Head:
    """What makes one head differ from the template.

    Parameters
    ----------
    pose : (3, 4), patient (z, y, x, 1) in mm to template mm: rotation, size and shift.
    warp : three displacement fields in mm, coarse; `detail`: the same, fine.
    layers : four coarse and two finer fields, for the thickness of what lies around the brain.
    patches : two fields of blobs, large and small, for edges and textures.
    widening : mm by which the ventricles are larger than the template's; `shrinking`: how far the sulci are open.
    """

    pose: Floats
    warp: Lattice
    detail: Lattice
    layers: tuple[Lattice, Lattice]
    patches: tuple[Lattice, Lattice]
    widening: float
    shrinking: float
    thickness: tuple[float, ...]
    sinus: float
    pushes: tuple[Push, ...] = ()

    def to_template(self, z: Floats, y: Floats, x: Floats) -> tuple[Floats, Floats]:
        """Template mm of the points of a grid given by its three axes, (3, len(z), len(y), len(x)), and the mm by which
        the fine displacement alone moves each outward: the mean over z, (len(y), len(x))."""
        moved = self.warp.at(z, y, x) * np.float32(_WARP)
        detail = self.detail.at(z, y, x) * np.float32(_DETAIL)
        grid = [
            axis.astype(np.float32).reshape([-1 if k == i else 1 for k in range(3)]) for i, axis in enumerate((z, y, x))
        ]
        for row, field in zip(self.pose, moved, strict=True):
            field += row[0] * grid[0] + row[3] + row[1] * grid[1] + row[2] * grid[2]
        for push in self.pushes:
            moved -= np.tensordot(self.pose[:, :3], _pushed(grid, push), axes=1)
        at, fine = moved.mean(axis=1), detail.mean(axis=1)
        at[1] -= 16  # the middle of the head
        outward = (at * fine).sum(axis=0) / np.sqrt((at**2).sum(axis=0) + 1)
        moved += detail
        return moved, outward

    def to_template_points(self, points: Floats) -> Floats:
        """Template mm of single points of the patient, (n, 3) as (z, y, x) in mm; masses push nothing here."""
        moved = points @ self.pose[:, :3].T + self.pose[:, 3]
        moved = moved + _WARP * self.warp.at_points(points).T + _DETAIL * self.detail.at_points(points).T
        return np.asarray(moved, dtype=np.float32)

    def from_template(self, points: Floats) -> Floats:
        """The points of the patient that points of the template have become, to some 0.1 mm; the inverse of the
        above.
        """
        matrix = self.pose[:, :3].astype(np.float64)
        at = np.linalg.solve(matrix, (points - self.pose[:, 3]).T).T
        for _ in range(3):
            at = at - np.linalg.solve(matrix, (self.to_template_points(at) - points).T).T
        return np.asarray(at, dtype=np.float32)


def sample_head(key: Key, age: float) -> Head:
    """Draw a head; the older, the wider its ventricles and sulci."""
    rng = stream(*key, "head")
    tilt, nod, turn = np.deg2rad(rng.normal(0, (2.5, 4.0, 2.5)))
    scale = rng.normal(1.0, 0.03) * (1 + rng.normal(0, 0.015, 3))
    matrix = _rotation(0, turn) @ _rotation(1, tilt) @ _rotation(2, nod) @ np.diag(1 / scale)
    shift = np.array([0.0, -14.0, 0.0]) + rng.normal(0, (0.0, 2.0, 2.0)) @ np.eye(3)
    old = (age - 50) / 20
    thickness = (
        1.6 + 0.5 * max(old, 0) + rng.gamma(2, 0.3),  # fluid
        1.3 + rng.gamma(3, 0.15),  # inner table of the bone
        2.2 + rng.normal(0, 0.8),  # marrow
        1.2 + rng.gamma(3, 0.15),  # outer table
        2.0 + rng.gamma(2, 0.5),  # muscle and galea
        1.5 + min(rng.gamma(2.5, 0.7), 4.0),  # fat
        1.5 + rng.normal(0, 0.15),  # skin
    )
    return Head(
        pose=np.concatenate([matrix, (matrix @ -shift)[:, None]], axis=1).astype(np.float32),
        warp=Lattice.sample(stream(*key, "warp"), 56, 3),
        detail=Lattice.sample(stream(*key, "detail"), 13, 3),
        layers=(Lattice.sample(stream(*key, "layers"), 46, 4), Lattice.sample(stream(*key, "seams"), 14, 2)),
        patches=(Lattice.sample(stream(*key, "patches"), 9), Lattice.sample(stream(*key, "grain"), 4)),
        widening=float(np.clip(rng.normal(0.5 + 0.7 * old, 0.7), -0.3, 3.5)),
        shrinking=float(np.clip(rng.normal(0.02 + 0.03 * old, 0.02), -0.03, 0.1)),
        thickness=thickness,
        sinus=float(rng.uniform(0, 1)),
    )


@dataclass(frozen=True)
class Slab:
    """Anatomy on a grid: what lies in it, and what lesions need to know of it.

    Parameters
    ----------
    axes : the grid's z, y and x in mm.
    width : mm that a pixel covers, in plane.
    at : template mm of each point, (3, planes, rows, cols).
    ventricle, hull : mm to the ventricles and to the brain's hull, (planes, rows, cols); negative inside.
    rough, fine : random blobs, large and small; mean 0, deviation 1.
    parts : share of fluid, grey, white and deep grey matter in each point, (5, planes, rows, cols), at their tissue's
        index.
    shares : share of every tissue in each pixel of the whole slab, (tissues, rows, cols); they add up to 1.
    """

    axes: tuple[Floats, Floats, Floats]
    width: float
    at: Floats
    ventricle: Floats
    hull: Floats
    rough: Floats
    fine: Floats
    parts: Floats
    shares: Floats


def build(head: Head, atlas: Template, z: Floats, y: Floats, x: Floats, *, width: float, skull: bool = True) -> Slab:
    """The head on a grid of thin planes at `z`, with pixels of `width` mm at `y` and `x`."""
    at, outward = head.to_template(z, y, x)
    tone, white, ventricle, hull = atlas.at(*at)
    rough, fine = (patch.at(z, y, x)[0] for patch in head.patches)
    ventricle = ventricle - np.float32(head.widening) * ramp(rough, -3, 1.5)
    # The ramps are steeper than the template's own edges, which are blurred by averaging many brains.
    tone = tone + np.float32(0.018) * fine
    parts = np.zeros((DEEP + 1, *tone.shape), dtype=np.float32)
    fluid = 1 - ramp(tone, 0.38 + head.shrinking, 0.585 + head.shrinking)
    np.maximum(fluid, 1 - ramp(ventricle, -width / 2, width / 2), out=fluid)
    pale = ramp(0.55 * white + 0.45 * ramp(tone, 0.70, 0.84), 0.34, 0.68) * (1 - fluid)
    _brainstem(pale, fluid, at)
    grey = 1 - fluid - pale
    deep = _deep(at) * grey
    parts[CSF], parts[GREY], parts[WHITE], parts[DEEP] = fluid, grey - deep, pale, deep
    shares = np.zeros((len(NAMES), *tone.shape[1:]), dtype=np.float32)
    shares[: DEEP + 1] = parts.mean(axis=1)
    middle, border = at.mean(axis=1), hull.mean(axis=0) - outward
    if skull:
        near = np.flatnonzero(np.abs(x) < 20)
        _falx(shares, middle, border, slice(int(near[0]), int(near[-1]) + 1))
        # Where the skull is slanted, a thick slice holds each of its surfaces over some length.
        slant = np.float32(np.sqrt(3)) * (hull[-1] - hull[0])
        _cover(shares, head, middle, border, (z.mean(keepdims=True), y, x), np.sqrt(width**2 + slant**2) / 2)
    else:
        inside = ramp(-border, -1.0 - width / 2, -1.0 + width / 2)
        shares *= inside
        shares[AIR] = 1 - inside
    return Slab((z, y, x), width, at, ventricle, hull, rough, fine, parts, shares)


def _brainstem(pale: Floats, fluid: Floats, at: Floats) -> None:
    """Raise the share of white matter in the brainstem: the template's brightness there is that of grey matter."""
    z, y, x = at
    if z.min() < -4:
        stem = ramp(-4 - z, 0, 6) * ramp(18 - np.abs(x), 0, 5) * ramp(y, 8, 14) * ramp(44 - y, 0, 6)
        np.maximum(pale, 0.65 * stem * (1 - fluid), out=pale)


def _deep(at: Floats) -> Floats:
    """1 among the thalamus and the basal ganglia, 0 in the cortex."""
    z, y, x = at
    return np.asarray(
        ramp(35 - np.abs(x), 0, 4) * ramp(y, -24, -20) * ramp(-y, -34, -30) * ramp(z, -14, -10) * ramp(20 - z, 0, 4)
    )


def _falx(shares: Floats, at: Floats, hull: Floats, columns: slice) -> None:
    """The thin dark sheet between the two halves, and the large vein at its outer edge; both in the middle columns."""
    parts, at, hull = shares[..., columns], at[..., columns], hull[..., columns]
    x = np.abs(at[2])
    sheet = ramp(0.8 - x, 0, 0.8) * parts[CSF] * ramp(hull, -22, -16) * 0.8
    outer = np.hypot(x, np.maximum(np.abs(hull - 0.5) - 1, 0) * 1.3)
    vein = ramp(3.4 - outer, 0, 1.5) * ((at[1] > 20) | (at[0] > 45))
    parts[CSF : BONE + 1] *= 1 - vein
    sheet *= 1 - vein
    parts[CSF] -= sheet
    parts[BONE] += sheet
    parts[BLOOD] += vein


def _cover(
    shares: Floats, head: Head, at: Floats, hull: Floats, axes: tuple[Floats, Floats, Floats], half: Floats
) -> None:
    """Fluid, bone, marrow, muscle, fat and skin around the brain; each surface lies a varying distance further out.

    `half` is half of the mm over which a surface passes through a pixel. All arrays are (…, rows, cols).
    """
    wide, near = head.layers[0].at(*axes)[:, 0], head.layers[1].at(*axes)[:, 0]
    fluid, inner, marrow, outer, muscle, fat, skin = head.thickness
    up, front, side = at[0], -at[1], np.abs(at[2])
    temple = ramp(side, 42, 60) * ramp(38 - up, 0, 30) * ramp(front, -40, -15) * ramp(62 - front, 0, 20)
    behind, low = ramp(-front, 60, 100), ramp(20 - up, 0, 30)
    # Three smooth surfaces: inside and outside of the skull, and the skin. What lies between them is less even.
    within = np.maximum(fluid * (1 + 0.35 * wide[0]), 0.4)
    bone = (
        inner
        + outer
        + np.maximum(marrow * (1 + 0.3 * wide[1]) + 2.5 * behind * low + 1.5 * ramp(front, 50, 80) - 2.6 * temple, 0)
    )
    scalp = muscle + fat * (1 + 0.25 * wide[2]) * (1 - 0.3 * behind) + skin + 7.0 * temple + 2.5 * behind * low
    tables = 1 + 0.25 * near[0]
    flesh = ramp(muscle * (0.6 + 0.4 * near[1]) / scalp + 0.75 * temple + 0.3 * behind * low, 0.05, 1) * (
        scalp - skin - 0.4
    )
    ends = (
        (None, within),
        (BONE, within + np.minimum(inner * tables, bone / 2)),
        (MARROW, within + bone - np.minimum(outer * tables, bone / 2)),
        (BONE, within + bone),
        (MUSCLE, within + bone + flesh),
        (FAT, within + bone + scalp - skin * (1 + 0.15 * wide[3])),
        (SKIN, within + bone + scalp),
    )
    inside = np.zeros_like(hull)
    for tissue, surface in ends:
        now = np.clip((surface - hull) * (0.5 / half) + 0.5, 0, 1)
        if tissue is None:
            shares[CSF : BONE + 1] *= now
            shares[BLOOD] *= now
        else:
            shares[tissue] += now - inside
        inside = now
    shares[AIR] = 1 - inside
    sinus = (
        ramp(front, 66, 72) * ramp(head.sinus * 40 - up, 0, 6) * ramp(24 - side - 4 * near[0], 0, 6) * shares[MARROW]
    )
    shares[MARROW] -= sinus
    shares[AIR] += sinus


def _pushed(grid: list[Floats], push: Push) -> Floats:
    away = np.stack(np.broadcast_arrays(*(axis - c for axis, c in zip(grid, push.centre, strict=True))))
    r = np.sqrt((away**2).sum(axis=0)) + np.float32(1e-3)
    reach = r / np.float32(push.radius)
    size = np.float32(push.amount) * np.where(reach < 1, reach, np.exp((1 - reach) / 1.2))
    inward = np.tensordot(push.inward, away, axes=1) / r
    return np.asarray(away / r * size * (0.5 + 0.5 * inward))


def _rotation(axis: int, angle: float) -> NDArray[np.float64]:
    i, j = [k for k in range(3) if k != axis]
    m = np.eye(3)
    m[[i, j], [i, j]] = np.cos(angle)
    m[i, j], m[j, i] = -np.sin(angle), np.sin(angle)
    return m
