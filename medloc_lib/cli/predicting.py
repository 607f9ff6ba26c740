"""`medloc predict`: ask a trained network about files, and write what it finds so that others can read it."""

from __future__ import annotations

import csv
import dataclasses
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medloc_lib import __version__
from medloc_lib.bench.table import write_whole
from medloc_lib.data import dicom, images
from medloc_lib.data.annotations import write_coco
from medloc_lib.data.dicom import SeriesInfo
from medloc_lib.data.dicom.seg import write_seg
from medloc_lib.errors import InputError, MedlocError, MedlocWarning, ReadError
from medloc_lib.geometry import area, boxes_to_mm, clip
from medloc_lib.localizer.contract import without_pixels
from medloc_lib.sample import Array, Detections, Sample

if TYPE_CHECKING:
    from medloc_lib.deep.localizers.base import NetLocalizer

CORNERS = ("plane0", "row0", "col0", "plane1", "row1", "col1")
MM = ("x0_mm", "y0_mm", "z0_mm", "x1_mm", "y1_mm", "z1_mm")
COLUMNS = ("file", "class", "score", *CORNERS, "frame", *MM)


@dataclass(frozen=True)
class Source:
    """One image on disk: a file, or a series of DICOM files."""

    found: Path | SeriesInfo

    @property
    def files(self) -> Sequence[Path]:
        """All of its files."""
        return (self.found,) if isinstance(self.found, Path) else self.found.paths

    @property
    def name(self) -> str:
        """Name of the file without its extension, or of several files the UID of the series."""
        found = self.found
        return found.uid if isinstance(found, SeriesInfo) and len(found.paths) > 1 else images.stem(self.files[0])

    def read(self) -> Sample:
        """The image."""
        if not isinstance(self.found, Path):
            return dicom.read_series(self.found)
        return dicom.read(self.found) if images.may_be_dicom(self.found) else images.read_image(self.found)


def sources(paths: Sequence[Path]) -> list[Source]:
    """Every image that the paths hold: files, and of folders the pictures in them and the DICOM series below them.

    Raises
    ------
    ReadError
        If a path does not exist, or a folder holds no image.
    """
    found = []
    for path in paths:
        if not path.exists():
            raise ReadError(path, "there is no such file or folder")
        inside = _inside(path) if path.is_dir() else [Source(path)]
        if not inside:
            raise ReadError(path, "holds no pictures, NIfTI or DICOM files that are known here")
        found += inside
    return found


def _inside(folder: Path) -> list[Source]:
    pictures = [path for path in images.list_images(folder) if not images.may_be_dicom(path)]
    with warnings.catch_warnings():
        if pictures:  # which are no DICOM files, and need no note that they are none
            warnings.simplefilter("ignore", MedlocWarning)
        series = [info for info in dicom.scan(folder) if info.slices]
    return [*map(Source, pictures), *map(Source, series)]


def ready(sample: Sample, model: NetLocalizer, channels: Sequence[str]) -> Sample:
    """The sample with the channels that the model looks at.

    Raises
    ------
    InputError
        If they are not there, or it is flat and the model looks at volumes.
    """
    if channels:
        if len(channels) != len(sample.channels):
            raise InputError(f"--channels names {len(channels)}; this image has {len(sample.channels)}")
        sample = sample.replace(channels=tuple(channels))
    elif len(sample.channels) == len(model.channels_) == 1 and sample.channels != model.channels_:
        warnings.warn(
            f"{sample.id}: its channel {sample.channels[0]} is taken for the model's {model.channels_[0]}",
            MedlocWarning,
            stacklevel=2,
        )
        sample = sample.replace(channels=model.channels_)
    missing = [name for name in model.channels_ if name not in sample.channels]
    if missing:
        raise InputError(
            f"the model looks at the channels {', '.join(model.channels_)}; this image has "
            f"{', '.join(sample.channels)}; --channels names those of the files in their order"
        )
    if sample.ndim < model.ndim_:
        raise InputError("the model looks at volumes; this image is flat")
    return sample.replace(classes=model.classes_)


def find(model: NetLocalizer, sample: Sample, least: float) -> Detections:
    """What the model finds inside the image with a score of at least `least`, the surest first.

    A flat model is asked plane by plane of a volume.
    """
    if sample.ndim == model.ndim_:
        return _sure(model.predict([sample])[0], sample.shape, least)
    parts = []
    for plane in range(sample.shape[0]):
        flat = Sample(sample.image[:, plane], sample.channels, sample.spacing[1:], id=sample.id)
        found = _sure(model.predict([flat])[0], flat.shape, least)
        boxes = np.insert(np.insert(found.boxes, 2, plane + 1, axis=1), 0, plane, axis=1)
        parts.append((boxes, np.asarray(found.scores), np.asarray(found.labels)))
    return _sure(Detections(*(np.concatenate([part[k] for part in parts]) for k in range(3))), sample.shape, least)


def _sure(found: Detections, shape: tuple[int, ...], least: float) -> Detections:
    scores, labels = np.asarray(found.scores), np.asarray(found.labels)
    boxes = clip(found.boxes, shape)
    keep = np.flatnonzero((scores >= least) & (area(boxes) > 0))
    keep = keep[np.argsort(-scores[keep], kind="stable")]
    return Detections(boxes[keep], scores[keep], labels[keep], None if found.masks is None else found.masks[keep])


def run(
    model: NetLocalizer,
    paths: Sequence[Path],
    out: Path,
    *,
    name: str,
    least: float,
    channels: Sequence[str],
) -> Iterator[tuple[bool, str]]:
    """Ask the model about every image and write all answers into `out`.

    Yields for each image whether it could be asked about, and a line that says what was found or why not.

    Raises
    ------
    InputError, ReadError
        If `out` is not empty, a path holds no image, or none of the images could be asked about.
    """
    asked = sources(paths)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} is not an empty folder; name a new one, so that nothing is lost")
    try:
        (out / "overlays").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out} cannot be made: {error.strerror}") from error
    done: list[tuple[Sample, Detections]] = []
    for source, own in zip(asked, _names(asked), strict=True):
        try:
            sample = ready(source.read(), model, channels)
            sample = sample.replace(id=own, meta={**sample.meta, "file": str(source.files[0])})
            found = find(model, sample, least)
        except MedlocError as error:
            yield False, f"{own}: failed: {error}"
            continue
        # The pixels are not needed again, and many volumes would fill the memory.
        done.append((without_pixels(sample), dataclasses.replace(found, masks=None)))
        overlay(out / "overlays" / f"{own}.png", sample, found)
        yield True, f"{own}: {_told(sample, found)}" + _segmented(out / f"{own}.seg.dcm", source, sample, found, name)
    if not done:
        (out / "overlays").rmdir()  # so that the same folder can be named again
        raise InputError("none of the images could be asked about")
    flat = [plane for pair in done for plane in planes(*pair)]
    write_coco(out / "detections.json", [sample for sample, _ in flat], [found for _, found in flat])
    write_whole(out / "detections.csv", table(done))


def _names(asked: Sequence[Source]) -> list[str]:
    """A name for each image that a file can have, none of them twice."""
    names: list[str] = []
    for source in asked:
        safe = re.sub(r"[^\w.-]+", "_", source.name).strip("._")[:80] or "image"
        same = sum(re.sub(r"~\d+$", "", name) == safe for name in names)
        names.append(f"{safe}~{same + 1}" if same else safe)
    return names


def _told(sample: Sample, found: Detections) -> str:
    if not len(found):
        return "nothing found"
    label, score = int(np.asarray(found.labels)[0]), float(np.asarray(found.scores)[0])
    return f"{len(found)} found, the surest {sample.classes[label]} {score:.2f}"


def _segmented(path: Path, source: Source, sample: Sample, found: Detections, name: str) -> str:
    """Write the DICOM Segmentation where the image came from DICOM; what is to be said of it."""
    if "sop_uids" not in sample.meta:
        return ""
    try:
        write_seg(path, sample, found, source.files, model=name, version=__version__)
    except InputError as error:
        return f"; {error}"
    return ""


def overlay(path: Path, sample: Sample, found: Detections) -> None:
    """A picture of every channel with the boxes; of a volume the plane through the surest."""
    from medloc_lib import plot

    plane = None
    if sample.ndim == 3 and len(found):
        plane = int(np.clip((found.boxes[0, 0] + found.boxes[0, 3]) // 2, 0, sample.shape[0] - 1))
    plot.channels(sample, detections=found, plane=plane).savefig(path, format="png", dpi=130)


def planes(sample: Sample, found: Detections) -> list[tuple[Sample, Detections]]:
    """A flat image as it is; of a volume each plane that a box reaches into, as ``name#plane``.

    >>> volume = Sample(np.zeros((1, 4, 8, 8)), id="a")
    >>> [(s.id, d.boxes) for s, d in planes(volume, Detections([[1, 2, 2, 2, 5, 6]]))]
    [('a#1', array([[2., 2., 5., 6.]]))]
    """
    if sample.ndim == 2:
        return [(sample, found)]
    made = []
    scores, labels = np.asarray(found.scores), np.asarray(found.labels)
    for plane in range(sample.shape[0]):
        inside = (found.boxes[:, 0] < plane + 1) & (found.boxes[:, 3] > plane)
        if inside.any():
            name = f"{sample.id}#{plane}"
            flat = Sample(sample.image[:, plane], sample.channels, classes=sample.classes, id=name, meta={"file": name})
            made.append((flat, Detections(found.boxes[inside][:, [1, 2, 4, 5]], scores[inside], labels[inside])))
    return made


def table(done: Sequence[tuple[Sample, Detections]]) -> str:
    """A line for each detection: where it is in the image and, as far as that is known, in mm.

    The corners are coordinates: pixel `i` covers `i` to `i + 1`. The frame is ``patient`` (x to the left, y to the
    back, z to the head), ``image`` where the file says how large a pixel is but not where it lies (x along columns, y
    along rows, z along planes, from the image's corner), or empty.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for sample, found in done:
        frame, mm = in_mm(sample, found.boxes)
        rows = zip(found.boxes, np.asarray(found.scores), np.asarray(found.labels), mm, strict=True)
        for box, score, label, place in rows:
            corners = [f"{x:.2f}" for x in box]
            if sample.ndim == 2:
                corners = ["", *corners[:2], "", *corners[2:]]
            where = ["" if np.isnan(x) else f"{x:.2f}" for x in place]
            writer.writerow([sample.id, sample.classes[label], f"{score:.4f}", *corners, frame, *where])
    return text.getvalue()


def in_mm(sample: Sample, boxes: Array) -> tuple[str, Array]:
    """The frame, and (n, 6) mm as x0, y0, z0, x1, y1, z1; NaN where nothing is known.

    >>> in_mm(Sample(np.zeros((1, 8, 8)), spacing=(0.5, 2.0)), np.array([[2.0, 1, 4, 3]]))
    ('image', array([[ 2.,  1., nan,  6.,  2., nan]]))
    """
    if sample.affine is not None:
        return "patient", boxes_to_mm(boxes, sample.affine)
    mm = np.full((len(boxes), 6), np.nan)
    unknown = sample.meta.get("spacing_from") == "assumed" or set(sample.spacing) == {1.0}
    if unknown:
        return "", mm
    scaled = boxes * np.tile(sample.spacing, 2)
    n = sample.ndim
    mm[:, :n], mm[:, 3 : 3 + n] = scaled[:, :n][:, ::-1], scaled[:, n:][:, ::-1]
    return "image", mm
