"""Samples that are read from disk when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar, overload

import numpy as np

from medloc_lib.data.images import list_images, read_image, read_mask, stem
from medloc_lib.errors import InputError, ReadError
from medloc_lib.geometry import mask_to_boxes
from medloc_lib.sample import Array, Sample

T = TypeVar("T")


class LazySamples(Sequence[Sample], Generic[T]):
    """A sequence of samples, each made when it is asked for and not kept.

    Parameters
    ----------
    records : what is known of each sample before it is read; small, and picklable if the sequence is to be.
    make : function from a record to its Sample; at a module's top level if the sequence is to be pickled.

    Examples
    --------
    >>> lazy = LazySamples([2, 3, 4], lambda n: Sample(np.zeros((1, n, n)), id=f"{n}"))
    >>> len(lazy), lazy[-1].shape, [s.id for s in lazy[1:]]
    (3, (4, 4), ['3', '4'])
    """

    def __init__(self, records: Iterable[T], make: Callable[[T], Sample]) -> None:
        self.records = tuple(records)
        self.make = make

    def __len__(self) -> int:
        return len(self.records)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> LazySamples[T]: ...
    def __getitem__(self, index: int | slice) -> Sample | LazySamples[T]:
        if isinstance(index, slice):
            return LazySamples(self.records[index], self.make)
        return self.make(self.records[index])

    def __repr__(self) -> str:
        return f"{len(self)} sample{'' if len(self) == 1 else 's'}, each read when it is asked for"


class Truth(NamedTuple):
    """Boxes, labels and ignore of one picture, as a Sample has them."""

    boxes: Array
    labels: Array
    ignore: Array


@dataclass(frozen=True, eq=False)
class Record:
    """A picture file and what its annotation says, checked but not decoded.

    With a `mask`, boxes are the bounding boxes of its connected components; `values` are the mask's values in the order
    of `classes`, and any other value is background.
    """

    image: Path
    id: str
    group: str = ""
    truth: Truth | None = None
    classes: tuple[str, ...] = ()
    mask: Path | None = None
    values: tuple[int, ...] = ()


def read_record(record: Record) -> Sample:
    """The Sample of a record. ``meta["file"]`` is the picture's path.

    Raises
    ------
    ReadError
        If a file cannot be decoded, or has changed so that its truth no longer fits.
    """
    sample = read_image(record.image)
    changes: dict[str, Any] = {
        "classes": record.classes,
        "id": record.id,
        "group": record.group or sample.group,
        "meta": {**sample.meta, "file": str(record.image)},
    }
    try:
        if record.mask is not None:
            mask = renumber(read_mask(record.mask), record.values)
            boxes, values = mask_to_boxes(mask)
            changes |= {"mask": mask, "boxes": boxes, "labels": values - 1}
        elif record.truth is not None:
            changes |= record.truth._asdict()
        return sample.replace(**changes)
    except InputError as error:
        raise ReadError(record.image, f"does not fit its annotation: {error}") from error


def unmentioned(records: Sequence[Record], classes: tuple[str, ...]) -> list[Record]:
    """Pictures in the folders of `records` that none of them is about: nobody looked at them."""
    seen = {record.image.resolve() for record in records}
    folders = sorted({record.image.parent for record in records})
    files = [file for folder in folders for file in list_images(folder) if file.resolve() not in seen]
    return [Record(file, stem(file), classes=classes) for file in files]


def renumber(mask: Array, values: Sequence[int]) -> Array:
    """Label map with 1, 2, ... where `mask` has the first, second, ... of `values`, and 0 elsewhere.

    >>> renumber(np.array([[0, 7, 255]]), (255, 7))
    array([[0, 2, 1]], dtype=uint8)
    """
    out = np.zeros(mask.shape, dtype=np.uint8 if len(values) < 256 else np.int32)
    for number, value in enumerate(values, start=1):
        out[mask == value] = number
    return out
