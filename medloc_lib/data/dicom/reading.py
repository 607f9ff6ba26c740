"""`read` and `scan`: DICOM files and folders into Samples."""

from __future__ import annotations

import os
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID

from medloc_lib.data.dicom.frames import Groups, about, pixel_size_of, planes_of, scales_of, times_of
from medloc_lib.data.dicom.header import BIG_ENDIAN, DIRECTORY, Header
from medloc_lib.data.dicom.intensity import Lut, display_of, float_type, lut_of, rescale_into, show
from medloc_lib.data.dicom.opening import header_from_dataset, open_dataset
from medloc_lib.data.dicom.pixels import decode
from medloc_lib.data.dicom.series import SeriesInfo, check_alike, choose, look_through, stack, without_copies
from medloc_lib.data.dicom.space import Layout, Plane, arrange
from medloc_lib.errors import InputError, MedlocWarning, ReadError
from medloc_lib.sample import Sample

Array = NDArray[Any]


def read(
    path: str | os.PathLike[str], *, series_uid: str | None = None, rescale: bool = False, window: bool = False
) -> Sample:
    """Read a DICOM file, or a folder with the files of one series, as a Sample.

    Parameters
    ----------
    path : a file of any name, or a folder that is searched with all below it.
    series_uid : which series, where the folder holds several; `scan` lists them.
    rescale : give measured values (for CT in HU) as float32, float64 from 32 bits up: stored × slope + intercept, or
        the modality LUT, or the dose scaling. Otherwise values are as stored. Colours are never changed.
    window : give what a screen shows, float32 from 0 (black) to 1 (white): rescaled, then through the file's VOI LUT or
        first window, and turned round for MONOCHROME1.

    Returns
    -------
    Sample with

    * image (channels, rows, cols), or (channels, planes, rows, cols) for more than one slice or frame. Planes ascend
      along the normal. Where every place has been imaged k times (time points, echoes), there are k channels. Frames of
      a film, which have no place, are planes 1 mm apart, with their seconds in ``meta["seconds"]``.
    * channels named by modality ("CT"), or R, G, B: palettes are applied, YBR is converted.
    * spacing in mm, affine from index (plane, row, col) to patient mm (LPS) or None.
    * id: the file's name or the series UID. group: a pseudonym made from the patient ID.
    * meta without names: modality, kind, description, transfer syntax, UIDs, manufacturer, rescale slope and intercept
      (one number, or one per slice), modality LUT, windows and VOI LUT, where the spacing is from, and `notes`:
      whatever is unusual, also given as one MedlocWarning.

    Raises
    ------
    ReadError
        If the file is no DICOM, damaged, without pixels, or of a size that does not fit its bytes; if the folder holds
        no image or several series; if slices of the series differ in size, type or orientation.
    """
    sample = read_quietly(path, series_uid=series_uid, rescale=rescale, window=window)
    if sample.meta["notes"]:
        warnings.warn(f"{os.fspath(path)}: {'; '.join(sample.meta['notes'])}", MedlocWarning, stacklevel=2)
    return sample


def read_quietly(
    path: str | os.PathLike[str], *, series_uid: str | None = None, rescale: bool = False, window: bool = False
) -> Sample:
    """`read` without its warning; the notes stand in ``meta["notes"]``."""
    try:
        return _read(Path(path), series_uid, rescale, window)
    except MemoryError as error:
        raise ReadError(path, "it takes more memory than there is") from error


def _read(place: Path, series_uid: str | None, rescale: bool, window: bool) -> Sample:
    notes: list[str] = []
    if place.is_dir():
        found = look_through(place)
        headers = without_copies(choose(place, found, series_uid), notes)
        notes += found.notes()
        if len(headers) > 1:
            stacked = _from_series(place, headers, rescale or window, notes)
        else:
            stacked = _from_file(headers[0].path, rescale or window, notes)
        name = stacked.header.series
    else:
        if place.exists() and not place.is_file():
            raise ReadError(place, "needed a file or a folder; this is a device or a pipe")
        stacked = _from_file(place, rescale or window, notes)
        name = place.name
        if series_uid is not None and series_uid != stacked.header.series:
            raise ReadError(place, f"it is of series {stacked.header.series!r}, not {series_uid!r}")
    return _sample(place, name, stacked, rescale, window, notes)


def scan(folder: str | os.PathLike[str]) -> list[SeriesInfo]:
    """List the DICOM series in a folder and all below it, from headers alone.

    Files that are no DICOM, or damaged, are counted and named in a MedlocWarning.

    Raises
    ------
    ReadError
        If there is no such folder.
    """
    place = Path(folder)
    if not place.is_dir():
        raise ReadError(place, "needed a folder" + ("; for one file use read" if place.exists() else "; there is none"))
    found = look_through(place)
    if notes := found.notes():
        warnings.warn(f"{place}: {'; '.join(notes)}", MedlocWarning, stacklevel=2)
    return found.infos()


def read_series(info: SeriesInfo) -> Sample:
    """Read a series that `scan` found: from the narrowest place that holds it, so that no neighbour is searched again.

    Raises
    ------
    ReadError
        As `read` does.
    """
    if len(info.paths) == 1:
        return read(info.paths[0])
    return read(os.path.commonpath([path.parent for path in info.paths]), series_uid=info.uid)


@dataclass
class _Stack:
    """Frames in array order with all that is known of them; `ds` and `header` are the first file's."""

    ds: Dataset
    header: Header
    frames: Array
    photometric: str
    layout: Layout
    scales: list[tuple[float, float]]
    uids: tuple[str, ...]
    spacing_from: str
    lut: Lut | None = None
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def little(self) -> bool:
        return self.header.syntax != BIG_ENDIAN


def _from_file(path: Path, rescale: bool, notes: list[str]) -> _Stack:
    """All frames of one file."""
    ds = open_dataset(path, pixels=True)
    header = header_from_dataset(path, ds)
    if header.sop_class == DIRECTORY:
        raise ReadError(path, "it is a DICOMDIR, a table of contents without pixels; read the folder around it")
    pixels = decode(path, ds, header)
    notes += pixels.notes
    count = len(pixels.frames)
    groups = Groups(ds)
    spacing, source, thickness = pixel_size_of(ds, groups, header)
    layout = arrange(planes_of(ds, groups, header, count), spacing, thickness)
    order = [index for channel in layout.order for index in channel]
    stored = scales_of(groups, header, count)
    scales = [stored[index] for index in order]
    frames = pixels.frames if order == list(range(count)) else pixels.frames[order]
    lut = lut_of(ds, "ModalityLUTSequence", little=header.syntax != BIG_ENDIAN)
    if rescale and frames.ndim == 3:
        values = np.empty(frames.shape, dtype=float_type(frames))
        for frame, out, (slope, intercept) in zip(frames, values, scales, strict=True):
            if lut is None:
                rescale_into(frame, out, slope, intercept)
            else:
                out[...] = lut(frame)
        frames = values
    seconds = times_of(ds, count) if layout.affine is None else None
    extra: dict[str, Any] = {"seconds": seconds} if seconds else {}
    if count > 1:
        extra["frames"] = tuple(index + 1 for index in order)
    return _Stack(ds, header, frames, pixels.photometric, layout, scales, (header.sop_uid,), source, lut, extra)


def _from_series(folder: Path, headers: Sequence[Header], rescale: bool, notes: list[str]) -> _Stack:
    """Single-frame files as one stack."""
    check_alike(folder, headers)
    planes = [Plane(h.path.name, h.number or 0, h.position, h.orientation) for h in headers]
    ds = open_dataset(headers[0].path, pixels=False)
    spacing, source, thickness = pixel_size_of(ds, Groups(ds), headers[0])
    layout = arrange(planes, spacing, thickness)
    ordered = [headers[index] for channel in layout.order for index in channel]
    frames, photometric = stack(ordered, rescale=rescale, notes=notes)
    lut = lut_of(ds, "ModalityLUTSequence", little=headers[0].syntax != BIG_ENDIAN)
    scales = [(h.slope, h.intercept) for h in ordered]
    return _Stack(ds, headers[0], frames, photometric, layout, scales, tuple(h.sop_uid for h in ordered), source, lut)


def _sample(path: Path, name: str, s: _Stack, rescale: bool, window: bool, notes: list[str]) -> Sample:
    grey = s.frames.ndim == 3
    display = display_of(s.ds, Groups(s.ds), little=s.little)
    notes += s.layout.notes
    if grey and len(set(s.scales)) > 1 and not (rescale or window):
        notes.append("slices have different rescale slopes or intercepts: compare them only with rescale=True")
    frames = s.frames
    if frames.dtype.kind == "f" and not np.isfinite(frames).all():
        if rescale and s.lut is None and (odd := [scale for scale in s.scales if not max(map(abs, scale)) < 1e30]):
            slope, intercept = odd[0]
            raise ReadError(
                path,
                f"its rescale slope {slope:g} and intercept {intercept:g} take values out of range; "
                "read it without rescale",
            )
        notes.append(f"{int((~np.isfinite(frames)).sum())} pixels are not finite numbers and were set to 0")
        frames = np.nan_to_num(frames, nan=0.0, posinf=0.0, neginf=0.0)
    if window and grey:
        frames = show(frames, display, inverse=s.photometric == "MONOCHROME1", notes=notes)

    slopes, intercepts = ({scale[k] for scale in s.scales} for k in (0, 1))
    meta = {
        **about(s.ds, s.header),
        **s.extra,
        "transfer_syntax": UID(s.header.syntax).name,
        "photometric": s.header.photometric,
        "sop_uids": s.uids,
        "rescale_slope": s.scales[0][0] if len(slopes) == 1 else tuple(scale[0] for scale in s.scales),
        "rescale_intercept": s.scales[0][1] if len(intercepts) == 1 else tuple(scale[1] for scale in s.scales),
        "modality_lut": s.lut,
        "window_center": display.centers,
        "window_width": display.widths,
        "window_name": display.names,
        "window_function": display.function,
        "voi_lut": display.lut,
        "spacing_from": s.spacing_from or "assumed",
        "notes": tuple(dict.fromkeys(notes)),
    }
    planes = len(s.layout.order[0])
    try:
        return Sample(
            _channels_first(frames, len(s.layout.order), planes),
            channels=_channel_names(s, grey),
            spacing=s.layout.spacing if planes > 1 else s.layout.spacing[1:],
            affine=s.layout.affine,
            id=name,
            group=s.header.group,
            meta=meta,
        )
    except InputError as error:
        raise ReadError(path, f"its values make no image: {error}") from error


def _channels_first(frames: Array, repeats: int, planes: int) -> Array:
    """(repeats * planes, rows, cols[, colours]) to (channels, [planes,] rows, cols)."""
    image = frames.reshape(repeats, planes, *frames.shape[1:])
    if image.ndim == 5:
        image = np.ascontiguousarray(np.moveaxis(image, 4, 1)).reshape(-1, planes, *frames.shape[1:3])
    return image[:, 0] if planes == 1 else image


def _channel_names(s: _Stack, grey: bool) -> tuple[str, ...]:
    colours = ("R", "G", "B") if s.photometric == "RGB" else ("c0", "c1", "c2")
    base = (s.header.modality or "image",) if grey else colours
    repeats = len(s.layout.order)
    return base if repeats == 1 else tuple(f"{name} {i + 1}" for i in range(repeats) for name in base)
