"""Patients as rows: what was found in their pictures, what their blood says, their genes, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from medloc_lib.data.lesions.evidence import genotypes
from medloc_lib.errors import InputError, ReadError
from medloc_lib.multimodal.finds import Finds
from medloc_lib.sample import Sample

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

SKEWED = ("crp_mg_l", "nfl_pg_ml", "gfap_pg_ml", "s100b_ug_l", "hydroxyglutarate_umol_l")
"""Markers with a long tail upwards: their logarithm is taken."""

IMAGE = ("load", "largest", "finds", "mass", "plaque", "infarct", "boxes")
"""Columns of the image source; `image_source` says what they are."""

SURE = 0.3
"""Score from which on a find counts as a lesion when a subtype is looked for."""

SUBTYPE = ("mismatch", "uptake", "t1_spread")


@dataclass(frozen=True, eq=False)
class Patients:
    """One row a patient.

    Parameters
    ----------
    ids : (n,), the groups of the samples. blood : (n, 12), see `markers`; columns : their names.
    genes : int8 (n, 1000). outcome : int (n,).
    """

    ids: tuple[str, ...]
    blood: Floats
    columns: tuple[str, ...]
    genes: NDArray[np.int8]
    outcome: Ints

    def __len__(self) -> int:
        return len(self.ids)


def markers(sample: Sample) -> dict[str, float]:
    """The measurements of a sample's patient as numbers: sex as 1 for male, skewed ones as logarithms; no genes.

    >>> markers(Sample(np.zeros((1, 2, 2)), tabular={"age": 50, "sex": "M", "crp_mg_l": 1.0, "snp_0000": 2}))
    {'age': 50.0, 'sex': 1.0, 'crp_mg_l': 0.0}
    """
    made: dict[str, float] = {}
    for name, value in sample.tabular.items():
        if name == "sex":
            made[name] = float(value == "M")
        elif not name.startswith("snp_"):
            made[name] = float(np.log(value)) if name in SKEWED else float(value)
    return made


def patients(samples: Sequence[Sample]) -> Patients:
    """The patients of some samples of `brain_lesions`, in order of appearance.

    Raises
    ------
    InputError
        If there is no sample, or one has no table.
    """
    first: dict[str, Sample] = {}
    step = getattr(getattr(samples, "options", None), "per_patient", 1)  # the slices of a patient stand together
    for i in range(0, len(samples), step):
        sample = samples[i]
        first.setdefault(sample.group, sample)
    if not first or not all(sample.tabular for sample in first.values()):
        raise InputError(f"needs samples with a table of measurements; got {len(first)} patients")
    rows = [markers(sample) for sample in first.values()]
    columns = tuple(rows[0])
    genes = [[v for k, v in s.tabular.items() if k.startswith("snp_")] for s in first.values()]
    return Patients(
        tuple(first),
        np.array([[row[name] for name in columns] for row in rows]),
        columns,
        np.array(genes, dtype=np.int8),
        np.array([int(s.outcome) for s in first.values()]),
    )


def image_source(finds: Finds, n: int, *, slices: int = 4, pixel_mm: float = 1.44) -> Floats:
    """What a detector found in each patient as columns (n, 7), by the names in `IMAGE`.

    Logarithms (of 1 more) of the area of all finds in cm² a slice, of that in the fullest slice, and of the number of
    finds a slice, each find counted by its score; the share of each class among the scores; finds a slice, uncounted.

    Parameters
    ----------
    n : patients; those without a find get zeros.
    """
    side = finds.box[:, 2:] - finds.box[:, :2]
    area = finds.score * side.prod(axis=1) * pixel_mm**2 / 100
    made = np.zeros((n, len(IMAGE)))
    for k in np.unique(finds.patient):
        mine = finds.patient == k
        score = finds.score[mine]
        slice_area = np.bincount(finds.picture[mine] - finds.picture[mine].min(), area[mine])
        shares = np.bincount(finds.label[mine], score, minlength=3)[:3] / score.sum()
        sums = (slice_area.sum() / slices, slice_area.max(), score.sum() / slices)
        made[k] = [*np.log1p(sums), *shares, mine.sum() / slices]
    return made


def masses(finds: Finds) -> Ints:
    """Patients whose finds speak for a mass: its scores add up to more than those of any other class."""
    chosen = []
    for k in np.unique(finds.patient[(finds.label == 0) & (finds.score >= SURE)]):
        mine = finds.patient == k
        if np.bincount(finds.label[mine], finds.score[mine], minlength=3).argmax() == 0:
            chosen.append(int(k))
    return np.array(chosen, dtype=np.int64)


def mass_source(finds: Finds, who: Ints) -> Floats:
    """What the surer mass-like finds of each of some patients look like: (patients, 3), by the names in `SUBTYPE`.

    The largest mismatch (square root), the highest uptake (logarithm), and the spread of T1, averaged by area.
    """
    made = []
    for k in who:
        f = finds[(finds.patient == k) & (finds.label == 0) & (finds.score >= SURE)]
        area = (f.box[:, 2:] - f.box[:, :2]).prod(axis=1)
        uptake = np.log(max(f.measure("uptake").max(), 0.3) + 0.5)
        spread = np.average(f.measure("t1_spread"), weights=area)
        made.append([np.sqrt(f.measure("mismatch").max()), uptake, spread])
    return np.array(made).reshape(-1, len(SUBTYPE))


def mass_embedding(finds: Finds, who: Ints) -> Floats:
    """The network's features of the same finds of each of some patients, averaged: (patients, k)."""
    mass = (finds.label == 0) & (finds.score >= SURE)
    return np.array([finds.features[mass & (finds.patient == k)].mean(axis=0) for k in who])


def read_cohort(path: str | Path) -> tuple[NDArray[np.int8], Ints]:
    """The study without pictures: genotypes (n, 1000), drawn anew by the simulator, and outcomes (n,), as stored.

    Raises
    ------
    ReadError
        If the file does not hold it.
    """
    try:
        with np.load(path, allow_pickle=False) as arrays:
            outcomes, seed = arrays["cohort/outcome"].astype(np.int64), int(arrays["cohort/seed"])
    except (OSError, ValueError, KeyError) as error:
        raise ReadError(Path(path), f"holds no study ({error}); make it by `python benchmarks/evidence.py`") from error
    return np.stack([genotypes((seed, "train", i)) for i in range(len(outcomes))]), outcomes
