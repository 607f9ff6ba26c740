"""Pictures with a mask each, matched by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from os import PathLike
from pathlib import Path

import numpy as np

from medloc_lib.data.annotations.entries import Ledger, OnBad, Source
from medloc_lib.data.images import image_shape, is_nifti, list_images, read_mask, stem
from medloc_lib.data.lazy import LazySamples, Record, read_record
from medloc_lib.errors import InputError, ReadError

ENDINGS = ("_mask", "-mask", "_seg", "_label", "_labels", "_gt", "_segmentation")
"""A mask's name may end in one of these where its picture's does not."""

MOST = 64
"""A mask with more different values is no label map; a JPEG of one looks like that."""


def read_masks(
    images: Source | Sequence[Source],
    masks: Source | Sequence[Source],
    *,
    classes: Mapping[int, str] | None = None,
    on_bad: OnBad = "raise",
) -> LazySamples[Record]:
    """Samples of pictures (2-D) or NIfTI volumes (3-D) with label masks; boxes are the masks' connected components.

    A mask belongs to the picture of the same name, but for the extension and an ending such as ``_mask`` or ``_seg``. A
    picture without a mask has boxes None; one whose mask is empty has empty boxes. Every mask is read once to see which
    values it holds. NIfTI axes and millimetres are converted as `medloc_lib.data.nifti` says.

    Parameters
    ----------
    images, masks : two folders (or one that holds both), or lists of files.
    classes : name per mask value; 0 is background. By default each value found is a class, "value 1" and so on.
    on_bad : what becomes of bad pairs; see `medloc_lib.data.annotations`. Bad is: a mask without a picture, of another
        shape, elsewhere in patient space, not readable, or with a value that `classes` does not name.

    Raises
    ------
    ReadError
        If a folder is missing, or under "raise" if a pair is bad.
    InputError
        If `classes` names the background.
    """
    pictures, mask_files = _files(images), _files(masks)
    if pictures == mask_files:
        pictures = [path for path in pictures if bare(stem(path)) == stem(path)]
        mask_files = [path for path in mask_files if bare(stem(path)) != stem(path)]
    ledger = Ledger(pictures[0].parent if pictures else "masks", on_bad)
    if classes is not None and 0 in classes:
        raise InputError("value 0 of a mask is the background and has no class")
    by_name = {stem(path): path for path in pictures}
    mask_of: dict[Path, Path] = {}
    for mask in mask_files:
        picture = by_name.get(stem(mask)) or by_name.get(bare(stem(mask)))
        if picture is None:
            ledger.fault(f"mask {mask.name} has no picture of its name")
        elif picture in mask_of:
            ledger.fault(f"masks {mask_of[picture].name} and {mask.name} are both for {picture.name}")
        else:
            mask_of[picture] = mask
    values_of: dict[Path, set[int]] = {}
    for picture, mask in mask_of.items():
        found = _checked(picture, mask, classes, ledger)
        if found is not None:
            values_of[picture] = found
    ledger.close()
    named = classes or {value: f"value {value}" for found in values_of.values() for value in found}
    values = tuple(sorted(named))
    names = tuple(named[value] for value in values)
    # A picture whose mask was bad is left out; one that has none is kept, with boxes None.
    kept = [picture for picture in pictures if picture in values_of or picture not in mask_of]
    return LazySamples(
        [Record(path, stem(path), classes=names, mask=mask_of.get(path), values=values) for path in kept], read_record
    )


def bare(name: str) -> str:
    """A mask's name without its ending.

    >>> bare("case-7_mask"), bare("case-7")
    ('case-7', 'case-7')
    """
    ending = next((e for e in ENDINGS if name.lower().endswith(e) and len(name) > len(e)), "")
    return name[: len(name) - len(ending)]


def _files(source: Source | Sequence[Source]) -> list[Path]:
    if not isinstance(source, str | PathLike):
        return sorted(Path(path) for path in source)
    folder = Path(source)
    if not folder.is_dir():
        raise ReadError(folder, "there is no such folder of pictures or masks")
    return list_images(folder)


def _checked(picture: Path, mask: Path, classes: Mapping[int, str] | None, ledger: Ledger) -> set[int] | None:
    """The values of a mask that fits its picture; None, and a fault, if it does not."""
    try:
        shape = image_shape(picture)
        array = read_mask(mask)
        placed = array.shape != shape or _same_place(picture, mask)
    except ReadError as error:
        ledger.fault(str(error))
        return None
    values = {int(value) for value in np.unique(array)} - {0}
    unknown = sorted(values - set(classes)) if classes is not None else []
    if array.shape != shape:
        sizes = ["×".join(map(str, sides)) for sides in (array.shape, shape)]
        ledger.fault(f"mask {mask.name} is {sizes[0]}, its picture {picture.name} is {sizes[1]}")
    elif not placed:
        ledger.fault(f"mask {mask.name} lies elsewhere in patient space than {picture.name}: their affines differ")
    elif unknown:
        ledger.fault(
            f"mask {mask.name} holds the value {unknown[0]}, which has no class; known: {sorted(classes or ())}"
        )
    elif len(values) > MOST or min(values, default=0) < 0:
        ledger.fault(f"mask {mask.name} holds {len(values)} values, {min(values)} to {max(values)}: no label map")
    else:
        return values
    return None


def _same_place(picture: Path, mask: Path) -> bool:
    if not (is_nifti(picture) and is_nifti(mask)):
        return True
    from medloc_lib.data import nifti

    return nifti.same_place(picture, mask)
