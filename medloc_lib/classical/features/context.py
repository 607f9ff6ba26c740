"""What lies around a region: the rings beside it, the other side of the head, its place in the head."""

from __future__ import annotations

import numpy as np

from medloc_lib.classical.features.regions import Array, Floats, Regions
from medloc_lib.classical.proposals import box_sums, grown
from medloc_lib.classical.scene import Scene, axis_of, mm_inside

RING_NAMES = tuple(f"{ring}_{what}" for ring in ("near", "far") for what in ("mean", "sd", "contrast"))
MIRROR_NAMES = ("mirror_mean", "mirror_contrast")
PLACE_NAMES = ("place_depth", "place_depth_min", "place_depth_max", "place_front", "place_side", "place_head")

RINGS = ((2, 0.3), (3, 1.0))  # pixels at least, and share of the region's side, by which a box is grown
LIMIT = 10.0  # deviations


def rings(picture: Array, where: Array, regions: Regions) -> Floats:
    """Mean and deviation of the near and of the far ring, and the region's mean less each ring's: (n, 6).

    A ring is what a grown box holds of the head beside the region. Where that is nothing, its mean and deviation are 0.

    Parameters
    ----------
    picture : (rows, cols). Values are cut at ± `LIMIT`.
    where : bool (rows, cols), the head.
    """
    values = np.clip(picture, -LIMIT, LIMIT) * where
    counted = regions.values(where)
    mine = regions.values(values).astype(np.float64)
    pixels, total, square = regions.sums(counted), regions.sums(mine), regions.sums(mine * mine)
    mean = total / np.maximum(pixels, 1)
    columns = []
    for least, share in RINGS:
        by = np.maximum(least, np.round(share * np.sqrt(regions.counts))).astype(np.int64)
        wide = grown(regions.boxes, by, regions.shape)
        beside = np.maximum(box_sums(where, wide) - pixels, 1)
        ring = (box_sums(values, wide) - total) / beside
        var = (box_sums(values * values, wide) - square) / beside - ring**2
        columns += [ring, np.sqrt(np.maximum(var, 0)), mean - ring]
    return np.stack(columns, axis=1)


def mirrored(picture: Array, other: Array, regions: Regions) -> Floats:
    """Mean of the region's place on the other side of the head, and the region's own mean less it: (n, 2)."""
    there = regions.means(np.clip(regions.values(other), -LIMIT, LIMIT))
    here = regions.means(np.clip(regions.values(picture), -LIMIT, LIMIT))
    return np.stack([there, here - there], axis=1)


def place(scene: Scene, regions: Regions) -> Floats:
    """Where in the head a region lies, in the order of `PLACE_NAMES`: (n, 6).

    depth
        mm under the edge of the head: mean, least and most over the region.
    front, side
        of the middle of its box, along the head's long axis (downwards positive) and away from it, in shares of the
        head's radius.
    head
        that radius, mm: of the disc of the head's area. It says how high in the head the slice is.
    """
    depth = regions.values(mm_inside(scene.inside, scene.spacing)).astype(np.float64)
    middle, along = axis_of(scene.inside)
    radius = np.sqrt(scene.inside.sum() / np.pi)
    away = ((regions.boxes[:, :2] + regions.boxes[:, 2:] - 1) / 2 - middle) / radius
    empty = np.zeros(0)
    least = np.minimum.reduceat(depth, regions.starts) if len(regions) else empty
    most = np.maximum.reduceat(depth, regions.starts) if len(regions) else empty
    front, side = away @ along, np.abs(away @ np.array([-along[1], along[0]]))
    size = np.full(len(regions), radius * np.mean(scene.spacing))
    return np.stack([regions.means(depth), least, most, front, side, size], axis=1)
