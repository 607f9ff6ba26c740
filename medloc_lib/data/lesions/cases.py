"""One case: a patient of a split, scanned on a machine of that split, with all that is known of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from medloc_lib.data.lesions.evidence import genotypes, measurements, outcome
from medloc_lib.data.lesions.findings import find, report
from medloc_lib.data.lesions.imaging import Scan, rigid, scan
from medloc_lib.data.lesions.lesions import CLASSES
from medloc_lib.data.lesions.patient import SLICES, Patient, sample_patient
from medloc_lib.data.lesions.scanner import CHANNELS, SECONDS, Scanner, sample_scanner
from medloc_lib.data.lesions.streams import Key, stream
from medloc_lib.data.lesions.template import template
from medloc_lib.errors import InputError
from medloc_lib.geometry import affine_from
from medloc_lib.sample import Sample

VERSION = "1.0.0"
"""Version of the simulator. It stands in the meta of every sample, for a score holds for one version only."""

SPLITS = ("train", "val", "test")
SITES = ("A", "B")
MACHINES = {"train": 5, "val": 3, "test": 4}
"""Scanners a site; each split has its own."""
SMALLEST = 3
"""Lesions of fewer pixels than this are marked `ignore`."""

Record = dict[str, Any]


def is_number(value: object) -> bool:
    """Whether a value is a single number of Python's or NumPy's."""
    return isinstance(value, int | float | np.integer | np.floating)


def whole(name: str, value: object, least: int) -> int:
    """A whole number of Python's or NumPy's as an int.

    Raises
    ------
    InputError
        If it is something else, or under `least`.
    """
    if not isinstance(value, int | np.integer) or isinstance(value, bool) or value < least:
        raise InputError(f"{name} must be a whole number from {least}; got {value!r}")
    return int(value)


@dataclass(frozen=True)
class Options:
    """What decides the bytes of a data set; `load` says what each option does."""

    split: str
    dims: int
    site: str | None
    seed: int
    skull: bool
    misalignment_mm: float
    series: bool

    def __post_init__(self) -> None:
        if self.split not in SPLITS:
            raise InputError(f"split must be one of {', '.join(SPLITS)}; got {self.split!r}")
        if self.dims not in (2, 3):
            raise InputError(f"dims must be 2 (slices) or 3 (volumes); got {self.dims!r}")
        if self.site not in (None, *SITES):
            raise InputError(f"site must be 'A', 'B' or None for both; got {self.site!r}")
        if not (is_number(self.misalignment_mm) and 0 <= self.misalignment_mm <= 30):
            raise InputError(f"misalignment_mm must be between 0 and 30; got {self.misalignment_mm!r}")
        for name in ("skull", "series"):
            if not isinstance(getattr(self, name), bool | np.bool_):
                raise InputError(f"{name} must be True or False; got {getattr(self, name)!r}")
        # As Python's own types: NumPy's stand for the same data set, and must have the same name.
        object.__setattr__(self, "dims", int(self.dims))
        object.__setattr__(self, "seed", whole("seed", self.seed, 0))
        object.__setattr__(self, "skull", bool(self.skull))
        object.__setattr__(self, "series", bool(self.series))
        object.__setattr__(self, "misalignment_mm", float(self.misalignment_mm))

    @property
    def per_patient(self) -> int:
        return SLICES if self.dims == 2 else 1

    @property
    def shape(self) -> tuple[int, ...]:
        return (160, 160) if self.dims == 2 else (64, 112, 96)

    @property
    def channels(self) -> tuple[str, ...]:
        return tuple(f"{s:g} s" for s in SECONDS) if self.series else CHANNELS


@dataclass(frozen=True)
class Case:
    """The arrays of one case as they are kept, and the rest of it as a record that JSON can hold."""

    record: Record
    image: NDArray[np.uint16]
    clean: NDArray[np.uint16]
    tissue: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    genes: NDArray[np.int8]

    def sample(self, missing: tuple[str, ...] = ()) -> Sample:
        """The case as a Sample, without the channels that are named."""
        record = self.record
        image = self.image.astype(np.float32)
        meta = dict(record["meta"])
        for name in missing:
            image[record["channels"].index(name)] = 0
        if missing:
            meta["missing"] = missing
        layers: dict[str, NDArray[Any]] = {"tissue": np.array(self.tissue), "clean": self.clean.astype(np.float32)}
        if record["pose"]:
            layers["shift"] = _shift(np.array(record["pose"]), image.shape[1:], record["spacing"])
        return Sample(
            image=image,
            channels=tuple(record["channels"]),
            spacing=tuple(record["spacing"]),
            boxes=np.array(record["boxes"], dtype=np.float64).reshape(-1, 2 * self.mask.ndim),
            labels=np.array(record["labels"], dtype=np.int64),
            ignore=np.array(record["ignore"], dtype=bool),
            classes=CLASSES,
            mask=np.array(self.mask),
            layers=layers,
            affine=np.array(record["affine"]),
            id=record["id"],
            group=record["group"],
            report=record["report"],
            tabular={**record["markers"], **{f"snp_{i:04d}": int(copies) for i, copies in enumerate(self.genes)}},
            outcome=record["outcome"],
            meta=meta,
        )


def template_folder(cache: Path) -> Path:
    """Where the packed template is kept."""
    return cache / "brain_lesions"


def machine(split: str, site: str, k: int, seed: int = 0) -> Scanner:
    """Scanner `k` of a site, as it is used in a split."""
    return sample_scanner(stream(seed, "scanner", split, site, k), site, f"{split}-{site}{k + 1}")


@lru_cache(maxsize=4)
def patient_of(seed: int, split: str, index: int, diagnosis: str | None, cache: Path) -> Patient:
    """Patient `index` of a split; with a given diagnosis, or the one that is drawn."""
    return sample_patient((seed, split, index), template(template_folder(cache)), diagnosis)


def case(
    options: Options,
    index: int,
    nth: int,
    cache: Path,
    *,
    diagnosis: str | None = None,
    z: float | None = None,
    scanner: Scanner | None = None,
) -> Case:
    """Scan the `nth` slice (or the volume) of patient `index`; the last three replace what the data set would take."""
    o = options
    patient = patient_of(o.seed, o.split, index, diagnosis, cache)
    site = o.site or SITES[index % 2]
    k = int(stream(*patient.key, "machine").integers(MACHINES[o.split]))
    used = scanner or machine(o.split, site, k, o.seed)
    if o.dims == 2:
        heights = [patient.heights[nth] if z is None else z]
    else:
        used = replace(used, spacing=2.0, thickness=2.0)
        heights = [-46.0 + 2 * i for i in range(o.shape[0])]
    name = f"{o.split}{o.seed}-{index:04d}"
    key = (*patient.key, nth, o.dims, used.name, "series" if o.series else "pictures")
    made = scan(
        patient,
        template(template_folder(cache)),
        used,
        heights,
        (o.shape[-2], o.shape[-1]),
        key=key,
        skull=o.skull,
        series=o.series,
        misalignment_mm=o.misalignment_mm,
    )
    record = _record(o, patient, made, used, heights, key)
    record |= {"id": f"{name}-{used.site}{f'-{nth}' if o.dims == 2 else ''}", "group": name}
    flat: Any = (..., 0, slice(None), slice(None)) if o.dims == 2 else ...
    genes = genotypes(patient.key)
    return Case(record, made.image[flat], made.clean[flat], made.tissue[flat], made.mask[flat], genes)


def _record(o: Options, patient: Patient, made: Scan, used: Scanner, heights: list[float], key: Key) -> Record:
    spacing = (used.spacing, used.spacing) if o.dims == 2 else (2.0, used.spacing, used.spacing)
    rows, cols = o.shape[-2:]
    origin = (-(cols - 1) / 2 * used.spacing, -(rows - 1) / 2 * used.spacing, heights[0])
    thickness = used.thickness if o.dims == 2 else 2.0
    affine = affine_from((thickness, used.spacing, used.spacing), origin=origin)
    findings = find(made, spacing)
    markers = measurements(patient)
    sequences = {"T1": used.t1, "T2": used.t2, "FLAIR": used.flair}
    meta: Record = {
        "simulator": VERSION,
        "simulated": True,
        "seed": o.seed,
        "site": used.site,
        "scanner": used.name,
        "tesla": used.tesla,
        "thickness_mm": thickness,
        "tr_te_ti_ms": {name: [round(t, 1) for t in times] for name, times in sequences.items()},
    }
    if o.series:
        meta["seconds"] = list(SECONDS)
        del meta["tr_te_ti_ms"]
    return {
        "channels": list(o.channels),
        "spacing": list(spacing),
        "affine": affine.tolist(),
        "boxes": [list(f.box) for f in findings],
        "labels": [f.kind for f in findings],
        "ignore": [f.voxels < SMALLEST for f in findings],
        "report": report([f for f in findings if f.voxels >= SMALLEST], key, o.dims == 3),
        "markers": markers,
        "outcome": outcome(patient, markers, genotypes(patient.key)),
        "pose": made.pose.tolist() if o.misalignment_mm else [],
        "meta": meta,
    }


def _shift(pose: NDArray[np.float64], shape: tuple[int, ...], spacing: list[float]) -> NDArray[np.float32]:
    """For each channel and point of the first channel, the mm to where that point lies: (channels, ndim, *shape)."""
    ndim = len(shape)
    grid = np.meshgrid(*((np.arange(n) - (n - 1) / 2) * s for n, s in zip(shape, spacing, strict=True)), indexing="ij")
    points = np.stack(grid).reshape(ndim, -1)
    shifts = []
    for row in pose:
        matrix, shift = rigid(row)
        turn = matrix[3 - ndim :, 3 - ndim :] - np.eye(ndim)
        shifts.append((turn @ points + shift[3 - ndim :, None]).reshape(ndim, *shape))
    return np.asarray(shifts, dtype=np.float32)
