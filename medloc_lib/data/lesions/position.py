"""Where in the body a plane lies: its height in the template that every simulated head is made of."""

from __future__ import annotations

import numpy as np

from medloc_lib.data.lesions.anatomy import CSF, DEEP
from medloc_lib.data.lesions.cases import patient_of
from medloc_lib.data.lesions.dataset import cache_folder
from medloc_lib.data.lesions.streams import Floats
from medloc_lib.errors import InputError
from medloc_lib.sample import Sample

EVERY = 4  # voxels from one point to the next that a plane's height is the mean of
FEWEST = 40
"""Points in the brain that a plane needs; with fewer, its height is unknown."""


def template_heights(sample: Sample) -> Floats:
    """Template z of each plane of a `brain_lesions` volume, in mm: the mean over the brain that lies in the plane.

    Heads differ in size, tilt and shape, so that the same height in the scanner is another place in each. In the
    template one place has one height; its origin is the anterior commissure (MNI space).

    Parameters
    ----------
    sample : a volume as `load` or `simulate` made it, with its own diagnosis.

    Returns
    -------
    float32 (planes,); NaN where there is too little brain.

    Raises
    ------
    InputError
        If it is no simulated volume.
    """
    if sample.ndim != 3 or "tissue" not in sample.layers or not sample.meta.get("simulated"):
        raise InputError(f"needs a simulated 3-D sample with its layer 'tissue'; got {sample.id!r}, {sample.ndim}-D")
    split, index = sample.group.split("-")
    patient = patient_of(int(sample.meta["seed"]), split.rstrip("0123456789"), int(index), None, cache_folder())
    tissue = sample.layers["tissue"][:, ::EVERY, ::EVERY]
    brain = (tissue >= CSF) & (tissue <= DEEP)
    m = np.asarray(sample.affine, dtype=np.float32)  # planes, rows and columns go along z, y and x
    z, y, x = (
        np.arange(0, n, step, dtype=np.float32) * m[2 - k, k] + m[2 - k, 3]
        for k, (n, step) in enumerate(zip(sample.shape, (1, EVERY, EVERY), strict=True))
    )
    at, _ = patient.head.to_template(z, y, x)
    counted = brain.sum(axis=(1, 2))
    total = np.where(brain, at[0], 0).sum(axis=(1, 2))
    return np.asarray(np.where(counted >= FEWEST, total / np.maximum(counted, 1), np.nan), dtype=np.float32)
