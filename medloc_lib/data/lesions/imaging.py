"""From a patient and a scanner to pictures with their truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from medloc_lib.data.lesions.anatomy import Slab, build
from medloc_lib.data.lesions.lesions import CLASSES, PLAQUE, Drawing, Overlay
from medloc_lib.data.lesions.patient import Patient
from medloc_lib.data.lesions.scanner import Scanner, acquire, tomograph
from medloc_lib.data.lesions.signal import TISSUES, Tissue
from medloc_lib.data.lesions.streams import Floats, Key, stream
from medloc_lib.data.lesions.template import Template

SHARE = 0.4
"""A pixel belongs to a lesion if at least this share of it does."""


@dataclass(frozen=True)
class Scan:
    """What was measured, and the truth of it: arrays of (…, planes, rows, cols).

    Parameters
    ----------
    image, clean : uint16 (channels, …), in the scanner's units, as measured and without noise or uneven brightness.
    tissue : uint8, index into `signal.NAMES` of what fills most of each voxel, lesions left aside.
    mask : uint8, 0 or class + 1.
    at : float32 (3, …), template mm of each voxel. ventricle : mm to the ventricles.
    pose : (channels, 6) three rotations in radians and three shifts in mm of each channel against the first.
    """

    image: NDArray[np.uint16]
    clean: NDArray[np.uint16]
    tissue: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    at: Floats
    ventricle: Floats
    pose: NDArray[np.float64]


def scan(
    patient: Patient,
    atlas: Template,
    scanner: Scanner,
    z: list[float],
    shape: tuple[int, int],
    *,
    key: Key,
    skull: bool = True,
    series: bool = False,
    misalignment_mm: float = 0.0,
) -> Scan:
    """Scan a patient at the planes `z` (mm): one slice, or the evenly spaced planes of a volume.

    Parameters
    ----------
    shape : rows and columns; the pixels are `scanner.spacing` wide.
    key : of the random streams of this scan.
    series : take a contrast series instead of the four channels.
    misalignment_mm : how far, about, the channels after the first are moved.
    """
    respond = scanner.wash_in if series else scanner.signal
    slabs = [slab_of(patient, atlas, height, scanner, shape, skull) for height in z]
    composed = [compose(patient, slab, respond) for slab in slabs]
    signal = np.stack([s for s, _ in composed], axis=1)
    mask = np.stack([_mask(drawings, shape) for _, drawings in composed])
    pose = _poses(len(signal), misalignment_mm, key, flat=len(z) == 1)
    y, x = axes_of(shape, scanner.spacing)
    axes = (np.array(z, dtype=np.float32), y, x)
    step = z[1] - z[0] if len(z) > 1 else scanner.thickness
    spacing = (float(step), scanner.spacing, scanner.spacing)
    if not series and len(z) == 1 and scanner.thickness < 4:
        signal[3, 0] = _through_plane(patient, atlas, scanner, z[0], shape, skull, signal[3, 0])
    for c in range(1, len(signal)):
        if misalignment_mm:
            signal[c] = _moved(signal[c], pose[c], spacing)
    if series:
        image, clean = acquire(signal, scanner, key, axes)
    else:
        image, clean = acquire(signal[:3], scanner, key, axes)
        picture, ideal = _tomograph(signal[3], scanner, key, spacing)
        image, clean = np.concatenate([image, picture[None]]), np.concatenate([clean, ideal[None]])
    return Scan(
        image=_whole(image),
        clean=_whole(clean),
        tissue=np.stack([_most(slab.shares) for slab in slabs]),
        mask=mask,
        at=np.stack([slab.at.mean(axis=1) for slab in slabs], axis=1),
        ventricle=np.stack([slab.ventricle.mean(axis=0) for slab in slabs]),
        pose=pose,
    )


def axes_of(shape: tuple[int, int], spacing: float) -> tuple[Floats, Floats]:
    """y and x of a slice's rows and columns, mm, with the middle of the picture at 0."""
    rows, cols = (((np.arange(n) - (n - 1) / 2) * spacing).astype(np.float32) for n in shape)
    return rows, cols


def slab_of(patient: Patient, atlas: Template, z: float, scanner: Scanner, shape: tuple[int, int], skull: bool) -> Slab:
    """The anatomy in one slice: thin planes spread over its thickness."""
    # Two planes, where Gauss's rule puts them, give the mean over a thick slice well enough.
    half = scanner.thickness / 2
    offsets = np.array([0.0]) if scanner.thickness <= 2 else np.array([-half, half]) / np.sqrt(3)
    y, x = axes_of(shape, scanner.spacing)
    planes = (z + offsets).astype(np.float32)
    return build(patient.head, atlas, planes, y, x, width=scanner.spacing, skull=skull)


def compose(
    patient: Patient, slab: Slab, respond: Callable[[Tissue], Floats], *, mimics: bool = True
) -> tuple[Floats, list[Drawing]]:
    """Signal of a slab, (channels, rows, cols), and what the slab holds of each lesion.

    `respond` gives the signal of a tissue in each channel. A voxel's signal is the mean over what it holds.
    """
    table = np.stack([respond(tissue) for tissue in TISSUES], axis=1)
    signal = (table @ slab.shares.reshape(len(TISSUES), -1)).reshape(-1, *slab.shares.shape[1:])
    drawings = [drawing for lesion in patient.lesions if (drawing := lesion.draw(slab)) is not None]
    overlays: list[Overlay] = patient.mimics.draw(slab) if mimics else []
    for drawing in drawings:
        overlays += drawing.overlays
    for overlay in overlays:
        here = signal[:, *overlay.window]
        here += overlay.amount * (respond(overlay.tissue)[:, None, None] - here)
    # Tissue is not uniform: where it is looser it is darker in T1, brighter in T2, and the other way round.
    grain = 0.022 * slab.fine.mean(axis=0) + 0.028 * slab.rough.mean(axis=0)
    tendency = np.array([-0.7, 1.0, 1.0, 1.8] if len(signal) == 4 else [-0.7] * len(signal), dtype=np.float32)
    signal *= 1 + tendency[:, None, None] * grain
    return signal, drawings


def _most(parts: Floats) -> NDArray[np.uint8]:
    """Index of the largest share in each pixel; an argmax, but one that reads the memory in order."""
    largest, index = parts[0].copy(), np.zeros(parts.shape[1:], dtype=np.uint8)
    for i, part in enumerate(parts[1:], start=1):
        index[part > largest] = i
        np.maximum(largest, part, out=largest)
    return index


def _mask(drawings: list[Drawing], shape: tuple[int, int]) -> NDArray[np.uint8]:
    """Label map of one slice. Gaps of a pixel or two in a mass or an infarct are closed, and their crumbs swept."""
    mask = np.zeros(shape, dtype=np.uint8)
    for kind in range(len(CLASSES)):
        mine = [d for d in drawings if d.kind == kind]
        share = np.zeros(shape, dtype=np.float32)
        for drawing in mine:
            here = share[drawing.window]
            np.maximum(here, drawing.extent, out=here)
        inside = (share >= SHARE).astype(np.uint8)
        if not inside.any():
            continue
        if kind != PLAQUE:
            inside = cv2.morphologyEx(inside, cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8)).astype(np.uint8)
            _, labels, stats, _ = cv2.connectedComponentsWithStats(inside, connectivity=8)
            area = stats[:, cv2.CC_STAT_AREA]
            crumbs = area < min(0.04 * area[1:].max(), 12)
            inside[crumbs[labels]] = 0
        mask[inside > 0] = kind + 1
    return mask


def _through_plane(
    patient: Patient, atlas: Template, scanner: Scanner, z: float, shape: tuple[int, int], skull: bool, uptake: Floats
) -> Floats:
    """The uptake of a slice, mixed with what lies above and below: the point spread is longer than the slice is
    thick.
    """
    apart, pixel = np.float32(0.6 * scanner.pet_blur), 2 * scanner.spacing
    half = (shape[0] // 2, shape[1] // 2)
    beside = np.array([z - apart, z + apart], dtype=np.float32)
    slab = build(patient.head, atlas, beside, *axes_of(half, pixel), width=pixel, skull=skull)
    mean = compose(patient, slab, scanner.signal, mimics=False)[0][3]
    return np.asarray(0.5 * uptake + 0.5 * cv2.resize(mean, (shape[1], shape[0]), interpolation=cv2.INTER_LINEAR))


def _tomograph(
    uptake: Floats, scanner: Scanner, key: Key, spacing: tuple[float, float, float]
) -> tuple[Floats, Floats]:
    """PET of a volume, or of a slice on pixels of twice the size, shown on the slice's own."""
    if len(uptake) > 1:
        return tomograph(uptake, scanner, key, spacing)
    rows, cols = uptake.shape[1:]
    coarse = cv2.resize(uptake[0], (cols // 2, rows // 2), interpolation=cv2.INTER_AREA)[None]
    pair = tomograph(coarse, scanner, key, (spacing[0], spacing[1] * 2, spacing[2] * 2))
    picture, ideal = (cv2.resize(p[0], (cols, rows), interpolation=cv2.INTER_CUBIC)[None] for p in pair)
    return picture, ideal


def _poses(channels: int, size: float, key: Key, flat: bool) -> NDArray[np.float64]:
    pose = np.zeros((channels, 6))
    if size:
        rng = stream(*key, "misalignment")
        pose[1:, :3] = rng.normal(0, size / 100, (channels - 1, 3))
        pose[1:, 3:] = rng.normal(0, size / 1.6, (channels - 1, 3))
        if flat:  # a single slice can only turn about z, and stay in its plane
            pose[:, [1, 2, 3]] = 0
    return pose


def rigid(pose: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Matrix and shift that take a point of the first channel to where it lies in another: (z, y, x) in mm from the
    middle.
    """
    matrix = np.eye(3)
    for axis, angle in enumerate(pose[:3]):
        i, j = (k for k in range(3) if k != axis)
        turn = np.eye(3)
        turn[i, i] = turn[j, j] = np.cos(angle)
        turn[i, j], turn[j, i] = -np.sin(angle), np.sin(angle)
        matrix = turn @ matrix
    return matrix, pose[3:]


def _moved(volume: Floats, pose: NDArray[np.float64], spacing: tuple[float, float, float]) -> Floats:
    matrix, shift = rigid(pose)
    back = np.linalg.inv(matrix)
    middle = (np.array(volume.shape) - 1) / 2
    steps = np.array(spacing)
    inverse = back * steps / steps[:, None]
    offset = middle - inverse @ middle - (back @ shift) / steps
    moved: Floats
    if len(volume) == 1:
        moved = ndimage.affine_transform(volume[0], inverse[1:, 1:], offset[1:], order=3)[None]
    else:
        moved = ndimage.affine_transform(volume, inverse, offset, order=3)
    return moved


def _whole(values: Floats) -> NDArray[np.uint16]:
    return np.clip(np.round(values), 0, 65535).astype(np.uint16)
