"""Readers of the fetched data sets: from verified files to samples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medloc_lib.data.annotations.voc import voc_records
from medloc_lib.data.catalog import DatasetInfo
from medloc_lib.data.images import stem
from medloc_lib.data.lazy import LazySamples, Record, read_record
from medloc_lib.sample import Sample

Reader = Callable[[Path, Sequence[str], DatasetInfo], LazySamples[Record]]

# ITU-R BT.601: how much of red, green and blue a grey value has.
LUMA = np.array([0.299, 0.587, 0.114])


def bccd(root: Path, paths: Sequence[str], about: DatasetInfo) -> LazySamples[Record]:
    """Blood cells: VOC boxes; those that `dataset.toml` names as impossible are left out, any other is an error."""
    xml = [root / path for path in paths if path.endswith(".xml")]
    left_out = [(Path(dropped.file).name, dropped.box) for dropped in about.dropped]
    folder = root / "BCCD" / "JPEGImages"
    return LazySamples(voc_records(xml, [folder], classes=about.classes, known_bad=left_out), read_record)


def usgra_seg(root: Path, paths: Sequence[str], about: DatasetInfo) -> LazySamples[Record]:
    """Ultrasound with nerve and vessel masks, in grey: some pictures are stored with the machine's faint tint."""
    return LazySamples(_pairs(root, paths, about, "masks"), _read_grey)


def msd_hippocampus(root: Path, paths: Sequence[str], about: DatasetInfo) -> LazySamples[Record]:
    """Hippocampus MR volumes with masks of its anterior and posterior part; float32, intensities as stored."""
    return LazySamples(_pairs(root, paths, about, "labels"), _read_float)


READERS: dict[str, Reader] = {"bccd": bccd, "usgra_seg": usgra_seg, "msd_hippocampus": msd_hippocampus}


def _pairs(root: Path, paths: Sequence[str], about: DatasetInfo, masks: str) -> list[Record]:
    """Pictures, each with the mask of the same name in the folder beside `images`; value 1 is the first class."""
    values = tuple(range(1, len(about.classes) + 1))
    pictures = sorted(root / path for path in paths if Path(path).parent.name == "images")
    return [
        Record(path, stem(path), classes=about.classes, mask=path.parent.parent / masks / path.name, values=values)
        for path in pictures
    ]


def _read_grey(record: Record) -> Sample:
    sample = read_record(record)
    if len(sample.image) == 1:
        return sample
    grey = np.tensordot(LUMA, sample.image, axes=1)
    return sample.replace(image=np.rint(grey).astype(np.uint8)[None], channels=("image",))


def _read_float(record: Record) -> Sample:
    sample = read_record(record)
    return sample.replace(image=sample.image.astype(np.float32))
