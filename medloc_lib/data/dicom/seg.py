"""Detections as a DICOM Segmentation, which other viewers lay over the images that it was made from."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medloc_lib.data.dicom.opening import open_dataset, quiet, why
from medloc_lib.data.writing import whole
from medloc_lib.errors import InputError
from medloc_lib.sample import Detections, Sample

EMPTY = (
    "PatientName",
    "PatientID",
    "PatientBirthDate",
    "PatientSex",
    "AccessionNumber",
    "ReferringPhysicianName",
    "StudyID",
    "StudyDate",
    "StudyTime",
)
"""What a header must hold, if only an empty one."""
MOST, MOST_BYTES = 100, 2**30
"""Detections that are written, the surest first, each as a segment of its own; fewer, if their pixels take more."""


def write_seg(
    path: str | os.PathLike[str],
    sample: Sample,
    detections: Detections,
    sources: Sequence[str | os.PathLike[str]],
    *,
    model: str = "localizer",
    version: str = "0",
) -> Path | None:
    """Write detections as a binary DICOM Segmentation beside the images that they were found in.

    Each detection is a segment, labelled with its class and score. Its pixels are those of its mask where the
    localizer gave one, else of its whole box. The file names the patient and the study, as its sources do.

    Parameters
    ----------
    path : of the file; it takes the place of an older one only when it is complete.
    sample : as `read` gave it, with its planes in the order of ``meta["sop_uids"]``; its `classes` name the segments.
    detections : in the sample's pixels.
    sources : the DICOM files that the sample was read from, in any order.
    model, version : what found them.

    Returns
    -------
    The path, or None if nothing was found: DICOM knows no segmentation without a segment.

    Raises
    ------
    InputError
        If the sources are not those of the sample, cannot be referred to, or the file cannot be written.

    References
    ----------
    DICOM PS3.3, A.51 (Segmentation IOD). C. P. Bridge et al., "Highdicom", *J. Digit. Imaging* 35 (2022).
    """
    if not len(detections):
        return None
    place = Path(path)
    with quiet():
        made = _segmentation(sample, detections, _ordered(sample, sources), model, version)
        with whole(place) as part:
            made.save_as(part, enforce_file_format=True)
    return place


def _ordered(sample: Sample, sources: Sequence[str | os.PathLike[str]]) -> list[Any]:
    """Headers of the sources, plane by plane."""
    headers = [open_dataset(Path(source), pixels=False) for source in sources]
    for header in headers:
        for keyword in EMPTY:  # which DICOM lets be empty, not missing
            if keyword not in header:
                setattr(header, keyword, "")
    by_uid = {str(header.get("SOPInstanceUID", "")): header for header in headers}
    uids = tuple(sample.meta.get("sop_uids", ()))
    planes = sample.shape[0] if sample.ndim == 3 and len(uids) > 1 else 1
    missing = [uid for uid in uids[:planes] if uid not in by_uid]
    if not uids or missing:
        raise InputError(
            f"needed the DICOM files that sample {sample.id!r} was read from; "
            + (f"{len(missing)} of its {planes} planes are not among them" if uids else "it was read from none")
        )
    return [by_uid[uid] for uid in uids[:planes]]


def _segmentation(sample: Sample, detections: Detections, headers: list[Any], model: str, version: str) -> Any:
    import highdicom as hd
    from pydicom.sr.codedict import codes

    order = np.argsort(-np.asarray(detections.scores), kind="stable")[:MOST]
    spans = [_planes(sample, detections.boxes[i]) for i in order]
    whole = len(headers) == 1  # a file of many frames is referred to with all of them
    used = list(range(sample.shape[0])) if whole and sample.ndim == 3 else sorted(set().union(*spans))
    most = max(1, MOST_BYTES // (len(used) * sample.shape[-1] * sample.shape[-2]))
    order = order[:most]
    algorithm = hd.AlgorithmIdentificationSequence(
        name=model, version=version, family=codes.DCM.ArtificialIntelligence, source="MedLoc"
    )
    segments = [
        hd.seg.SegmentDescription(
            segment_number=number,
            segment_label=_label(sample, detections, i),
            segmented_property_category=codes.SCT.MorphologicallyAbnormalStructure,
            segmented_property_type=codes.SCT.Lesion,
            algorithm_type=hd.seg.SegmentAlgorithmTypeValues.AUTOMATIC,
            algorithm_identification=algorithm,
            tracking_uid=hd.UID(),
            tracking_id=f"detection {number}",
        )
        for number, i in enumerate(order, start=1)
    ]
    pixels = np.empty((len(used), *sample.shape[-2:], len(order)), dtype=np.uint8)
    for k, i in enumerate(order):
        pixels[..., k] = _mask(sample, detections, i)[used]
    if whole and sample.ndim == 3:  # the frames may stand in another order
        stored = np.empty_like(pixels)
        stored[np.asarray(sample.meta["frames"][: len(pixels)]) - 1] = pixels
        pixels = stored
    try:
        return hd.seg.Segmentation(
            source_images=headers if whole else [headers[plane] for plane in used],
            pixel_array=pixels,
            segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
            segment_descriptions=segments,
            series_instance_uid=hd.UID(),
            series_number=1000,
            sop_instance_uid=hd.UID(),
            instance_number=1,
            manufacturer="MedLoc",
            manufacturer_model_name=model,
            software_versions=version,
            device_serial_number="0",
            series_description="MedLoc: not for clinical use",
        )
    except Exception as error:  # highdicom raises many kinds on headers that lack something
        raise InputError(f"no DICOM Segmentation can refer to {sample.id!r}: {why(error)}") from error


def _planes(sample: Sample, box: NDArray[Any]) -> range:
    """The planes that a box reaches into."""
    return range(1) if sample.ndim == 2 else range(*_span(box[0], box[3], sample.shape[0]))


def _span(start: float, stop: float, size: int) -> tuple[int, int]:
    """Whole pixels from a start to a stop, at least one, of `size`."""
    first = min(max(int(np.floor(start + 0.5)), 0), size - 1)
    return first, min(max(int(np.floor(stop + 0.5)), first + 1), size)


def _label(sample: Sample, detections: Detections, i: int) -> str:
    label, score = int(np.asarray(detections.labels)[i]), float(np.asarray(detections.scores)[i])
    name = sample.classes[label] if label < len(sample.classes) else f"class {label}"
    return f"{name[:50]} {score:.2f}"


def _mask(sample: Sample, detections: Detections, i: int) -> NDArray[np.uint8]:
    """Pixels of a detection, (planes, rows, cols)."""
    if detections.masks is not None:
        mask = np.asarray(detections.masks[i]) > 0
    else:
        mask = np.zeros(sample.shape, dtype=bool)
        start, stop = np.split(detections.boxes[i], 2)
        mask[tuple(slice(*_span(*edges)) for edges in zip(start, stop, sample.shape, strict=True))] = True
    return (mask if sample.ndim == 3 else mask[None]).astype(np.uint8)
