"""What the header says about each frame of one file, and about the file as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from medloc_lib.data.dicom.header import Header
from medloc_lib.data.dicom.opening import value
from medloc_lib.data.dicom.space import Plane, axes_of

_CENTIMETRES = 3
_TISSUE = 1

_ABOUT = {
    "manufacturer": "Manufacturer",
    "model": "ManufacturerModelName",
    "body_part": "BodyPartExamined",
    "kvp": "KVP",
    "field_tesla": "MagneticFieldStrength",
    "repetition_ms": "RepetitionTime",
    "echo_ms": "EchoTime",
    "rescale_type": "RescaleType",
    "units": "Units",
    "dose_units": "DoseUnits",
    "burned_in_annotation": "BurnedInAnnotation",
}


def real(ds: Dataset, keyword: str, count: int | None = None) -> tuple[float, ...] | None:
    """Finite numbers of an element, or None if it is missing, damaged, or has not `count` of them."""
    found = value(ds, keyword)
    try:
        values = tuple(
            float(x) for x in (found if isinstance(found, Sequence) and not isinstance(found, str) else [found])
        )
    except (TypeError, ValueError):
        return None
    return values if np.isfinite(values).all() and count in (None, len(values)) else None


def items(ds: Dataset, keyword: str) -> list[Dataset]:
    """Items of a sequence; none if it is missing or damaged."""
    found = value(ds, keyword)
    try:
        return [item for item in found if isinstance(item, Dataset)] if found is not None else []
    except Exception:  # items are parsed on access, and damaged ones raise all kinds of errors
        return []


class Groups:
    """The functional groups of an enhanced file: what is said of one frame, and what is shared by all."""

    def __init__(self, ds: Dataset) -> None:
        self._own = items(ds, "PerFrameFunctionalGroupsSequence")
        self._shared = items(ds, "SharedFunctionalGroupsSequence")

    def __bool__(self) -> bool:
        return bool(self._own or self._shared)

    def get(self, frame: int, keyword: str) -> Dataset | None:
        """The named group of a frame: its own, else the shared one."""
        for holder in (*self._own[frame : frame + 1], *self._shared[:1]):
            if found := items(holder, keyword):
                return found[0]
        return None


def planes_of(ds: Dataset, groups: Groups, header: Header, count: int) -> list[Plane]:
    """Place of each of `count` frames, as far as the file tells."""
    if count == 1 and not groups:
        return [Plane(header.path.name, header.number or 0, header.position, header.orientation)]
    offsets = real(ds, "GridFrameOffsetVector", count)
    axes = axes_of(header.orientation)
    planes = []
    for frame in range(count):
        position, orientation = header.position, header.orientation
        if offsets and position is not None and axes is not None:
            shift = axes[:, 0] * (offsets[frame] - offsets[0])
            position = tuple(float(x) for x in np.asarray(position) + shift)
        elif count > 1:
            position = None
        place, turn = groups.get(frame, "PlanePositionSequence"), groups.get(frame, "PlaneOrientationSequence")
        position = (real(place, "ImagePositionPatient", 3) if place else None) or position
        orientation = (real(turn, "ImageOrientationPatient", 6) if turn else None) or orientation
        planes.append(Plane(f"frame {frame + 1}", frame, position, orientation))
    return planes


def scales_of(groups: Groups, header: Header, count: int) -> list[tuple[float, float]]:
    """Slope and intercept of each frame."""
    scales = []
    for frame in range(count):
        group = groups.get(frame, "PixelValueTransformationSequence")
        slope, intercept = (real(group, name, 1) if group else None for name in ("RescaleSlope", "RescaleIntercept"))
        scales.append((slope[0], intercept[0]) if slope and intercept else (header.slope, header.intercept))
    return scales


def pixel_size_of(ds: Dataset, groups: Groups, header: Header) -> tuple[tuple[float, ...] | None, str, float | None]:
    """Mm between (rows, columns), which element says so, and mm between planes where positions do not tell."""
    measures = groups.get(0, "PixelMeasuresSequence")
    if measures is not None:
        pair = real(measures, "PixelSpacing", 2)
        depth = real(measures, "SpacingBetweenSlices", 1) or real(measures, "SliceThickness", 1)
        if pair and min(pair) > 0:
            return pair, "PixelSpacing", abs(depth[0]) or None if depth else None
    if header.spacing:
        return header.spacing, header.spacing_from, header.thickness
    sizes = set()
    for region in items(ds, "SequenceOfUltrasoundRegions"):
        units = value(region, "PhysicalUnitsXDirection"), value(region, "PhysicalUnitsYDirection")
        if units == (_CENTIMETRES, _CENTIMETRES) and value(region, "RegionSpatialFormat") == _TISSUE:
            x, y = real(region, "PhysicalDeltaX", 1), real(region, "PhysicalDeltaY", 1)
            if x and y and x[0] and y[0]:
                sizes.add((abs(y[0]) * 10, abs(x[0]) * 10))
    if len(sizes) == 1:
        return sizes.pop(), "SequenceOfUltrasoundRegions", None
    return None, "", header.thickness


def about(ds: Dataset, header: Header) -> dict[str, Any]:
    """Facts worth keeping that name nobody."""
    facts: dict[str, Any] = {
        "modality": header.modality,
        "kind": header.kind,
        "description": header.description,
        "series_uid": header.series,
        "image_type": header.image_type,
    }
    for name, keyword in _ABOUT.items():
        found = value(ds, keyword)
        if isinstance(found, str):
            facts[name] = "".join(c for c in found if c.isprintable()).strip()
        elif found is not None and (number := real(ds, keyword, 1)):
            facts[name] = number[0]
    return facts


def times_of(ds: Dataset, count: int) -> tuple[float, ...] | None:
    """Seconds of each frame of a film, from the first on; None if it is no film."""
    each, steps = real(ds, "FrameTime", 1), real(ds, "FrameTimeVector", count)
    if steps and count > 1:
        return tuple(float(x) for x in np.cumsum([0.0, *steps[1:]]) / 1000)
    return tuple(i * each[0] / 1000 for i in range(count)) if each and each[0] > 0 and count > 1 else None
