"""Finding series in a folder, and putting the files of one series together."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from medloc_lib.data.dicom.header import BIG_ENDIAN, DIRECTORY, Header
from medloc_lib.data.dicom.intensity import float_type, lut_of, rescale_into
from medloc_lib.data.dicom.opening import NOT_DICOM, header_of, open_dataset, why
from medloc_lib.data.dicom.pixels import decode, read_plain
from medloc_lib.errors import ReadError

Array = NDArray[Any]

_NAMED = 5
_LISTED = 40
_THREADS = 4


@dataclass(frozen=True)
class SeriesInfo:
    """One series, from headers alone.

    `slices` counts frames over all files, `shape` is the commonest (rows, cols); both are 0 for what is no image.
    `group` is the patient's pseudonym, `paths` are the files in order of name.
    """

    uid: str
    modality: str
    description: str
    slices: int
    shape: tuple[int, int]
    group: str
    paths: tuple[Path, ...]

    def __str__(self) -> str:
        rows, cols = self.shape
        size = f"{self.slices} × {rows}×{cols}" if self.slices else f"no pixels ({len(self.paths)} files)"
        return f"{self.uid or '(no UID)'}: {self.modality or '?'}, {size}, {self.description or 'no description'}"


@dataclass(frozen=True)
class Folder:
    """All headers below a folder by series UID, and the files that are not DICOM or cannot be read."""

    series: dict[str, list[Header]]
    foreign: list[str]
    damaged: list[str]

    def infos(self) -> list[SeriesInfo]:
        """One record per series, in order of the first file's path."""
        return [_info(uid, headers) for uid, headers in self.series.items()]

    def notes(self) -> list[str]:
        """What was left out, in words."""
        notes = []
        if self.foreign:
            notes.append(_skipped(self.foreign, "no DICOM"))
        if self.damaged:
            notes.append(_skipped(self.damaged, "damaged"))
        return notes


def look_through(folder: Path) -> Folder:
    """Read every header below a folder. A DICOMDIR is passed over: the files themselves are asked."""
    found = Folder({}, [], [])
    for path in _files_below(folder):
        try:
            header = header_of(path)
        except ReadError as error:
            (found.foreign if error.reason.startswith(NOT_DICOM) else found.damaged).append(path.name)
            continue
        if header.sop_class != DIRECTORY and path.name != "DICOMDIR":
            found.series.setdefault(header.series, []).append(header)
    return found


def _files_below(folder: Path) -> Iterator[Path]:
    """Plain files, those of the folder itself first, each level in order of name; links to folders are not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        raise ReadError(folder, why(error)) from error
    yield from (Path(entry.path) for entry in entries if _is_file(entry))
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _files_below(Path(entry.path))


def _is_file(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_file()
    except OSError:  # a link that leads back to itself
        return False


def _info(uid: str, headers: Sequence[Header]) -> SeriesInfo:
    images = [h for h in headers if h.has_image]
    shapes = Counter((h.rows or 0, h.columns or 0) for h in images)
    first = images[0] if images else headers[0]
    return SeriesInfo(
        uid=uid,
        modality=first.modality,
        description=first.description,
        slices=sum(h.frames or 1 for h in images),
        shape=shapes.most_common(1)[0][0] if shapes else (0, 0),
        group=first.group,
        paths=tuple(h.path for h in headers),
    )


def choose(folder: Path, found: Folder, series_uid: str | None) -> list[Header]:
    """The image files of the series that was asked for, or of the only one there is.

    Raises
    ------
    ReadError
        If there is no image, no such series, or more than one to choose from; the message lists them.
    """
    images = {uid: [h for h in headers if h.has_image] for uid, headers in found.series.items()}
    images = {uid: headers for uid, headers in images.items() if headers}
    infos = found.infos()
    listed = "".join(f"\n  {info}" for info in infos[:_LISTED])
    listed += f"\n  and {len(infos) - _LISTED} more" if len(infos) > _LISTED else ""
    if not images:
        skipped = "; ".join(found.notes())
        detail = f"; it has{listed}" if listed else ""
        raise ReadError(folder, f"no DICOM image in this folder{detail}" + (f" ({skipped})" if skipped else ""))
    if series_uid is None:
        if len(images) > 1:
            raise ReadError(folder, f"{len(images)} image series in this folder; choose one with series_uid=…:{listed}")
        return next(iter(images.values()))
    if series_uid not in images:
        raise ReadError(folder, f"no image series {series_uid!r} in this folder; it has{listed}")
    return images[series_uid]


def without_copies(headers: Sequence[Header], notes: list[str]) -> list[Header]:
    """Drop files that hold an image that another file holds already."""
    kept: dict[str, Header] = {}
    copies = []
    for header in headers:
        key = header.sop_uid or str(header.path)
        if key in kept:
            copies.append(f"{header.path.name} (as {kept[key].path.name})")
        else:
            kept[key] = header
    if copies:
        more = f" and {len(copies) - _NAMED} more" if len(copies) > _NAMED else ""
        notes.append(f"copies of the same image left out: {', '.join(copies[:_NAMED])}{more}")
    return list(kept.values())


def check_alike(folder: Path, headers: Sequence[Header]) -> None:
    """Raise a ReadError that says what differs, if the files cannot be slices of one volume."""
    if many := next((h for h in headers if (h.frames or 1) > 1), None):
        raise ReadError(
            folder,
            f"{many.path.name} holds {many.frames} frames and the series has {len(headers)} files; read it by itself",
        )
    features: dict[str, Callable[[Header], object]] = {
        "size": lambda h: f"{h.rows}×{h.columns}",
        "pixel type": lambda h: f"{h.samples} × {'signed' if h.signed else 'unsigned'} {h.allocated} bits",
        "colours": lambda h: h.photometric,
        "orientation": lambda h: tuple(round(x, 2) + 0.0 for x in h.orientation) if h.orientation else "none",
    }
    for what, feature in features.items():
        kinds = Counter(feature(h) for h in headers)
        if len(kinds) > 1:
            (usual, count), (odd, _) = kinds.most_common()[0], kinds.most_common()[-1]
            names = [h.path.name for h in headers if feature(h) == odd]
            scout = any("LOCALIZER" in h.image_type for h in headers if feature(h) == odd)
            raise ReadError(
                folder,
                f"slices of one series differ in {what}: {count} have {usual}, {len(names)} have {odd} "
                f"({', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''}"
                f"{'; a localizer' if scout else ''}). Move the odd ones away, or read files one by one",
            )


def stack(headers: Sequence[Header], *, rescale: bool, notes: list[str]) -> tuple[Array, str]:
    """Slices as (n, rows, cols) or (n, rows, cols, 3) in the order given, and their photometric interpretation.

    Grey slices are rescaled floats with `rescale` (see `rescaled`), else as stored. Plain files are read straight from
    the disk, several at a time; others go through pydicom.
    """

    def one(header: Header) -> tuple[Array, str, bool]:
        """Pixels, what they show, and whether a modality LUT has made measured values of them."""
        stored = None if rescale and header.lut else read_plain(header)
        if stored is not None:
            return stored, header.photometric, False
        ds = open_dataset(header.path, pixels=True)
        pixels = decode(header.path, ds, header)
        notes.extend(f"{header.path.name}: {note}" for note in pixels.notes)
        if len(pixels.frames) > 1:
            raise ReadError(header.path, f"it holds {len(pixels.frames)} frames, its header says one")
        lut = lut_of(ds, "ModalityLUTSequence", little=header.syntax != BIG_ENDIAN) if rescale else None
        grey = pixels.frames.ndim == 3
        values = lut(pixels.frames[0]) if lut is not None and grey else pixels.frames[0]
        return values, pixels.photometric, lut is not None

    first, photometric, measured = one(headers[0])
    floating = rescale and first.ndim == 2
    needed = len(headers) * first.size * (float_type(first) if floating else first.dtype).itemsize
    if needed > psutil.virtual_memory().available * 4 // 5:
        raise ReadError(headers[0].path.parent, f"the series takes {needed >> 20} MiB, more memory than is free")
    volume = np.empty((len(headers), *first.shape), dtype=float_type(first) if floating else first.dtype)

    def put(index: int) -> None:
        header = headers[index]
        stored, colours, ready = one(header) if index else (first, photometric, measured)
        if stored.shape != first.shape or stored.dtype != first.dtype or colours != photometric:
            raise ReadError(
                header.path,
                f"its pixels are {stored.shape} {stored.dtype} {colours}, unlike {headers[0].path.name} with "
                f"{first.shape} {first.dtype} {photometric}",
            )
        if floating and not ready:
            rescale_into(stored, volume[index], header.slope, header.intercept)
        else:
            volume[index] = stored

    with ThreadPoolExecutor(_THREADS) as pool:
        for done in [pool.submit(put, index) for index in range(len(headers))]:
            done.result()
    return volume, photometric


def _skipped(names: Sequence[str], what: str) -> str:
    shown = ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
    return f"{len(names)} {'file is' if len(names) == 1 else 'files are'} {what} and skipped: {shown}"
