"""Data sets that come inside packages this kit needs anyway: no download, no network.

* `dicom_samples`: the real DICOM images in pydicom and pydicom-data.
* `mni152`: the MNI152 template in nilearn, with its tissues as truth.
* `fundus`: the retina photograph in scikit-image.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from medloc_lib.data.dicom.opening import header_of
from medloc_lib.data.dicom.reading import read_quietly
from medloc_lib.data.lazy import LazySamples
from medloc_lib.errors import DatasetError, InputError, ReadError
from medloc_lib.sample import Array, Sample

BROKEN = frozenset(
    {
        "JPEG-lossy.dcm",
        "JPEG2000-embedded-sequence-delimiter.dcm",
        "MR_truncated.dcm",
        "badVR.dcm",
        "emri_small_jpeg_2k_lossless_too_short.dcm",
    }
)
"""Images that pydicom's authors damaged on purpose, or that no codec here decodes."""


def dicom_samples(
    split: str = "all", *, names: Sequence[str] | None = None, rescale: bool = False, window: bool = False
) -> LazySamples[Path]:
    """The real DICOM images inside pydicom and pydicom-data, each read when it is asked for.

    CT, MR, ultrasound, radiographs, dose maps, segmentations and colour captures in many transfer syntaxes. What is
    unusual about one stands in its ``meta["notes"]`` and is not warned about.

    Parameters
    ----------
    split : only "all".
    names : file names to take, in this order; default all, in order of name.
    rescale, window : as in `medloc_lib.data.dicom.read`.

    Returns
    -------
    Samples with the file's name as `id`. Nobody has looked for boxes: they are None.

    Raises
    ------
    DatasetError
        If the packages' data are not installed.
    InputError
        If there is no such split or name.

    Examples
    --------
    >>> dicom_samples(names=["CT_small.dcm"], rescale=True)[0]
    Sample 'CT_small.dcm': image 128×128 float32, 0.661×0.661 mm, channels CT; boxes unknown
    """
    _only_all("dicom_samples", split)
    images = {path.name: path for path in sample_files() if path.name not in BROKEN and _is_image(path)}
    unknown = [name for name in names or () if name not in images]
    if unknown:
        raise InputError(f"dicom_samples has no image {unknown[0]!r}; it has {', '.join(sorted(images))}")
    chosen = images.values() if names is None else [images[name] for name in names]
    return LazySamples(chosen, partial(read_quietly, rescale=rescale, window=window))


def sample_files() -> list[Path]:
    """Every data file in the test folders of pydicom and pydicom-data, images or not, in order of name."""
    found: list[Path] = []
    for package, below in (("pydicom", "data/test_files"), ("data_store", "data")):
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            raise DatasetError("the sample files are not there; needed pydicom and pydicom-data, installed by pip")
        folder = Path(spec.origin).parent / below
        found += [path for path in folder.rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")]
    return sorted(found, key=lambda path: (path.name, path))


def mni152(split: str = "all", *, resolution: int = 1) -> list[Sample]:
    """The MNI152 template: the average T1-weighted MR of 152 brains, skull removed, with its tissues as truth.

    Parameters
    ----------
    split : only "all".
    resolution : mm per voxel, 1 to 8; from 2 up the template is resampled.

    Returns
    -------
    One 3-D Sample: channel T1, float32 from 0 to 1; planes go to superior, rows to posterior, columns to the left, so
    that a plane looks as radiologists show it. `layers` "grey" and "white" are the shares of grey and white matter.
    `mask` is the largest of grey matter (1), white matter (2) and the rest (3) inside the brain, 0 outside.

    Raises
    ------
    InputError
        If there is no such split or resolution.

    References
    ----------
    V. S. Fonov et al., "Unbiased average age-appropriate atlases for pediatric studies", NeuroImage 54 (2011).
    """
    _only_all("mni152", split)
    if resolution not in range(1, 9):
        raise InputError(f"resolution must be a whole number of mm from 1 to 8; got {resolution!r}")
    from nilearn.datasets import (
        load_mni152_brain_mask,
        load_mni152_gm_template,
        load_mni152_template,
        load_mni152_wm_template,
    )

    template = load_mni152_template(resolution=resolution)
    maps = [
        np.clip(_from_ras(np.asarray(image.get_fdata(dtype=np.float32))), 0, 1)
        for image in (
            template,
            load_mni152_gm_template(resolution=resolution),
            load_mni152_wm_template(resolution=resolution),
            load_mni152_brain_mask(resolution=resolution),
        )
    ]
    t1, grey, white, brain = maps
    shares = np.stack([grey, white, np.clip(1 - grey - white, 0, 1)])
    mask = np.where(brain > 0.5, shares.argmax(axis=0) + 1, 0).astype(np.uint8)
    return [
        Sample(
            t1[None],
            channels=("T1",),
            spacing=(resolution,) * 3,
            classes=("grey matter", "white matter", "other"),
            mask=mask,
            layers={"grey": grey, "white": white},
            affine=_affine_from_ras(np.asarray(template.affine), template.shape),
            id="mni152",
            group="mni152",
            meta={"modality": "MR", "source": "nilearn", "brain_only": True},
        )
    ]


def fundus(split: str = "all") -> list[Sample]:
    """The photograph of a healthy retina inside scikit-image, as one 2-D Sample of red, green and blue.

    Parameters
    ----------
    split : only "all".

    References
    ----------
    M. Häggström, "Medical gallery of Mikael Häggström 2014", WikiJournal of Medicine 1 (2014); public domain (CC0).
    """
    _only_all("fundus", split)
    from skimage.data import retina

    picture = np.moveaxis(retina(), -1, 0)
    meta = {"modality": "fundus photography", "source": "scikit-image", "spacing_from": "assumed"}
    image = np.ascontiguousarray(picture)
    return [Sample(image, channels=("R", "G", "B"), id="fundus", group="fundus", meta=meta)]


def _only_all(name: str, split: str) -> None:
    if split != "all":
        raise InputError(f"{name} has one split, 'all'; got {split!r}")


def _is_image(path: Path) -> bool:
    try:
        header = header_of(path)
    except ReadError:
        return False
    return header.has_image and header.allocated is not None


def _from_ras(volume: Array) -> Array:
    """(x, y, z) to right, anterior, superior, as nilearn has it, to (plane, row, col) as radiologists look at it."""
    return np.ascontiguousarray(np.transpose(volume[::-1, ::-1], (2, 1, 0)))


def _affine_from_ras(affine: Array, shape: tuple[int, ...]) -> Array:
    """The affine after `_from_ras`, to LPS mm."""
    back = np.zeros((4, 4))  # (plane, row, col) to (x, y, z) index
    back[0, 2], back[0, 3] = -1, shape[0] - 1
    back[1, 1], back[1, 3] = -1, shape[1] - 1
    back[2, 0] = back[3, 3] = 1
    return np.diag([-1.0, -1, 1, 1]) @ affine @ back
