"""A folder of somebody's own data, whatever format it is in."""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Sequence
from pathlib import Path

from medloc_lib.data.annotations.coco import load_coco, read_coco
from medloc_lib.data.annotations.entries import OnBad, Source
from medloc_lib.data.annotations.masks import bare, read_masks
from medloc_lib.data.annotations.table import FORMS, read_csv, read_table
from medloc_lib.data.annotations.voc import parse, read_voc
from medloc_lib.data.images import DICOM, list_images, stem
from medloc_lib.data.lazy import LazySamples, Record, read_record
from medloc_lib.errors import InputError, MedlocWarning, ReadError
from medloc_lib.sample import Sample

IMAGE_FOLDERS = ("images", "imagesTr", "image", "imgs")
MASK_FOLDERS = ("masks", "mask", "labels", "labelsTr", "segmentations", "annotations")


def read_folder(folder: Source, *, group_by: str | None = None, on_bad: OnBad = "raise") -> Sequence[Sample]:
    """Samples of a folder in whichever format it holds.

    ==========  ==================================================================================================
    COCO        one COCO file, ``*.json``, in the folder or in ``annotations``
    Pascal VOC  ``*.xml`` in the folder, ``Annotations`` or ``annotations``
    CSV         one ``*.csv`` in the folder with the columns of `read_csv`
    masks       ``images`` and ``masks`` (or ``labels``, ``imagesTr`` and ``labelsTr``), or ``a.png`` and ``a_mask.png``
    pictures    PNG, JPEG, TIFF, NIfTI and nothing else: boxes are None
    DICOM       any DICOM files below the folder: a sample per series, grouped by patient, boxes None
    ==========  ==================================================================================================

    Parameters
    ----------
    folder : looked at in this order; two kinds of annotation are refused.
    group_by : what names the patient: a column of the CSV, a key of COCO's image entries, an element of the XML; or the
        column of another ``*.csv`` in the folder whose column ``file`` names the pictures.
    on_bad : what becomes of bad entries; see `medloc_lib.data.annotations`.

    Raises
    ------
    ReadError
        If there is no such folder, nothing in it is known, or under "raise" if an entry is bad.
    InputError
        If it holds two kinds of annotation or several files of one, or nothing in it is called `group_by`.

    Warns
    -----
    MedlocWarning
        If it holds no annotation that can be used, but CSV or JSON files: what they need to be one.
    """
    root = Path(folder)
    if not root.is_dir():
        raise ReadError(root, "there is no such folder")
    found = [(kind, source) for kind, find in FINDERS.items() if (source := find(root))]
    if len(found) > 1 or (found and found[0][0] in ("COCO", "CSV") and len(found[0][1]) > 1):
        what = "; ".join(f"{kind}: {', '.join(p.name for p in source[:3])}" for kind, source in found)
        raise InputError(
            f"{root} holds more than one annotation ({what}); read the one you mean with read_coco, read_voc, ..."
        )
    table = _group_table(root, group_by) if group_by else {}
    if not found and (unused := _unused(root, group_by or "")):
        warnings.warn(f"no boxes are known here: {'; '.join(unused)}", MedlocWarning, stacklevel=2)
    own = None if table else group_by
    samples: LazySamples[Record]
    if found:
        kind, source = found[0]
        if kind == "COCO":
            samples = read_coco(source[0], group_by=own, on_bad=on_bad)
        elif kind == "CSV":
            samples = read_csv(source[0], group_by=own, on_bad=on_bad)
        elif kind == "VOC":
            samples = read_voc(source[0].parent, group_by=own, on_bad=on_bad)
        else:
            samples = read_masks(source[0], source[1], on_bad=on_bad)
    else:
        pictures = list_images(next((root / name for name in IMAGE_FOLDERS if (root / name).is_dir()), root))
        if not pictures or any(path.suffix.lower() in DICOM for path in pictures):
            return _series(root, group_by)
        samples = LazySamples([Record(path, stem(path)) for path in pictures], read_record)
    if table:
        return LazySamples([_grouped(record, table, root) for record in samples.records], read_record)
    if own and not any(record.group for record in samples.records):
        raise InputError(f"{root}: nothing is called {own!r}; put a CSV there with the columns file and {own}")
    return samples


def _coco(root: Path) -> list[Path]:
    return [path for place in (root, root / "annotations") for path in sorted(place.glob("*.json")) if _is_coco(path)]


def _is_coco(path: Path) -> bool:
    try:
        return bool(load_coco(path))
    except ReadError:
        return False


def _voc(root: Path) -> list[Path]:
    for place in (root, root / "Annotations", root / "annotations"):
        for path in sorted(place.glob("*.xml"))[:1]:
            parse(path)
            return [path]
    return []


def _boxes_csv(root: Path) -> list[Path]:
    return [
        path
        for path in sorted(root.glob("*.csv"))
        if any({"file", "label", *names} <= _columns(path) for names in FORMS)
    ]


def _masks(root: Path) -> list[Path]:
    for name in IMAGE_FOLDERS:
        for other in MASK_FOLDERS:
            if (root / name).is_dir() and (root / other).is_dir() and list_images(root / other):
                return [root / name, root / other]
    names = {stem(path) for path in list_images(root)}
    return [root, root] if any(bare(name) != name and bare(name) in names for name in names) else []


FINDERS = {"COCO": _coco, "VOC": _voc, "CSV": _boxes_csv, "masks": _masks}


def _columns(path: Path) -> set[str]:
    try:
        return set(read_table(path)[0])
    except ReadError:
        return set()


def _unused(root: Path, group_by: str) -> list[str]:
    """Why the CSV and JSON files of a folder are no annotation, one text each; tables of groups are not named."""
    texts = []
    for path in sorted(root.glob("*.csv")):
        try:
            columns = read_table(path)[0]
        except ReadError as error:
            texts.append(str(error))
            continue
        if not {"file", group_by} <= set(columns):
            needed = " or ".join(",".join(names) for names in FORMS)
            texts.append(f"{path}: needed the columns file, label and {needed}; got {','.join(columns)[:200]}")
    for path in sorted(root.glob("*.json")):
        try:
            load_coco(path)
        except ReadError as error:
            texts.append(str(error))
    return texts[:5]


def _group_table(root: Path, column: str) -> dict[str, str]:
    """Group per picture from a table that holds no boxes; empty if there is none with such a column."""
    boxes = _boxes_csv(root)
    for path in sorted(root.glob("*.csv")):
        if path not in boxes and {"file", column} <= _columns(path):
            return {line["file"]: line[column] for _, line in read_table(path)[1]}
    return {}


def _grouped(record: Record, table: dict[str, str], root: Path) -> Record:
    names = (record.image.name, record.image.relative_to(root).as_posix(), stem(record.image))
    group = next((table[name] for name in names if name in table), "")
    return dataclasses.replace(record, group=group)


def _series(root: Path, group_by: str | None) -> Sequence[Sample]:
    from medloc_lib.data import dicom

    if group_by:
        raise InputError("DICOM samples are grouped by patient already; leave group_by out")
    series = [info for info in dicom.scan(root) if info.slices]
    if not series:
        raise ReadError(root, "holds no pictures, masks, annotations or DICOM files that are known here")
    return LazySamples(series, dicom.read_series)
