"""The data set `brain_lesions`: what is in it, how it is made once and kept, and how it is read."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any, overload

import cv2
import joblib
import numpy as np
import platformdirs
from numpy.lib.format import open_memmap
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from tqdm.auto import tqdm

from medloc_lib.data.lesions.cases import (
    VERSION,
    Case,
    Options,
    Record,
    case,
    is_number,
    patient_of,
    template_folder,
    whole,
)
from medloc_lib.data.lesions.evidence import genotypes
from medloc_lib.data.lesions.lesions import CLASSES
from medloc_lib.data.lesions.patient import HIGHEST, LOWEST, SHARES
from medloc_lib.data.lesions.scanner import Scanner
from medloc_lib.data.lesions.streams import stream
from medloc_lib.data.lesions.template import template
from medloc_lib.errors import DatasetError, InputError
from medloc_lib.sample import Sample

SIZES = {"train": (1200, 24), "val": (240, 6), "test": (480, 12)}
"""Samples a split, in 2-D and in 3-D. Of a contrast series, which has more channels, a fifth."""
_DRAFT = ".making-"
_ARRAYS = ("image", "clean", "tissue", "mask")
_BATCH = 4  # patients that a worker makes at a time
_ALONE = 40  # so few samples are made without workers, which take a second to start


class LesionSet(Sequence[Sample]):
    """Samples of `brain_lesions`, read from the cache when they are asked for.

    Slices give a set again. It can be pickled, and holds no array in memory.
    """

    def __init__(self, folder: Path, options: Options, index: range, missing: float = 0.0) -> None:
        self.folder = folder
        self.options = options
        self.missing = missing
        self._index = index
        self._arrays: dict[str, NDArray[Any]] = {}
        self._records: list[Record] = []

    def __len__(self) -> int:
        return len(self._index)

    @overload
    def __getitem__(self, i: int) -> Sample: ...
    @overload
    def __getitem__(self, i: slice) -> LesionSet: ...
    def __getitem__(self, i: int | slice) -> Sample | LesionSet:
        if isinstance(i, slice):
            return LesionSet(self.folder, self.options, self._index[i], self.missing)
        k = self._index[i]
        self._open()
        arrays = {name: self._arrays[name][k] for name in _ARRAYS}
        record = self._records[k]
        genes = self._arrays["genotypes"][k // self.options.per_patient]
        return Case(record, genes=genes, **arrays).sample(missing=self._dropped(k))

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_arrays": {}, "_records": []}

    def __repr__(self) -> str:
        o = self.options
        site = f", site {o.site}" if o.site else ""
        return f"brain_lesions {o.split}, simulated ({VERSION}): {len(self)} samples, {o.dims}-D{site}"

    def _open(self) -> None:
        if self._records:
            return
        try:
            arrays = {name: np.load(self.folder / f"{name}.npy", mmap_mode="r") for name in (*_ARRAYS, "genotypes")}
            records = json.loads((self.folder / "records.json").read_text(encoding="utf-8"))
            if len(records) != len(arrays["image"]):
                raise ValueError(f"{len(arrays['image'])} pictures, {len(records)} records")
        except (OSError, ValueError, TypeError) as error:
            raise DatasetError(
                f"{self.folder} is damaged ({error}); delete this folder, and it is made anew"
            ) from error
        self._arrays, self._records = arrays, records

    def _dropped(self, k: int) -> tuple[str, ...]:
        """Names of the channels that sample `k` lacks; never all of them."""
        if not self.missing:
            return ()
        rng = stream(self.options.seed, self.options.split, k, "missing")
        gone = rng.random(len(self.options.channels)) < self.missing
        gone[rng.integers(len(gone))] = False
        return tuple(name for name, drop in zip(self.options.channels, gone, strict=True) if drop)


def load(
    split: str = "train",
    *,
    dims: int = 2,
    site: str | None = None,
    n: int | None = None,
    seed: int = 0,
    skull: bool = True,
    missing: float = 0.0,
    misalignment_mm: float = 0.0,
    series: bool = False,
) -> LesionSet:
    """Simulated brain images with lesions: made on first use, kept in the cache, read lazily.

    Four channels (T1, T2, FLAIR, PET), boxes and a mask of masses, plaques and infarcts, the noise-free image and the
    tissues as layers, a report, blood markers and genotypes, and an outcome. A patient has 4 slices, and about half of
    all slices are healthy. Splits differ in patients and in scanners. The first samples are the same whatever `n` is.

    Parameters
    ----------
    split : "train" (1,200 slices of 300 patients), "val" (240 of 60) or "test" (480 of 120).
    dims : 2 for slices of 160×160, or 3 for volumes of 64×112×96 at 2 mm (24, 6 and 12).
    site : "A" (1.5 T), "B" (3 T), or None for every other patient at each. The same patients, scanned elsewhere.
    n : number of samples; default as above.
    seed : another seed gives other patients and other scanners.
    skull : with skull and scalp, or brain alone.
    missing : chance of each channel to be missing. It is then all 0, and its name stands in ``meta["missing"]``; one
        at least is there.
    misalignment_mm : how far, about, each channel after the first is shifted and turned; the truth is the layer
        "shift".
    series : a T1-weighted contrast series instead of the four channels; its seconds are in ``meta["seconds"]``.

    Raises
    ------
    InputError
        If an option is unknown or out of range.
    DatasetError
        If the cache folder (MEDLOC_CACHE) cannot be written.
    """
    options = Options(split, dims, site, seed, skull, misalignment_mm, series)
    if not (is_number(missing) and 0 <= missing <= 1):
        raise InputError(f"missing is a chance between 0 and 1; got {missing!r}")
    usual = max(SIZES[split][dims - 2] // (5 if series else 1), 2)
    count = usual if n is None else whole("n", n, 1)
    folder = _folder(options, usual)
    if count > usual or not folder.exists():
        folder = _folder(options, count)
    if not folder.exists():
        _make(options, count, folder)
    return LesionSet(folder, options, range(count), float(missing))


def simulate(
    subject: int = 0,
    *,
    kind: str | None = None,
    z: float | None = None,
    dims: int = 2,
    site: str | None = None,
    split: str = "train",
    seed: int = 0,
    skull: bool = True,
    misalignment_mm: float = 0.0,
    series: bool = False,
    scanner: Scanner | None = None,
) -> Sample:
    """One case with parameters of your own; nothing of it is kept.

    Parameters
    ----------
    subject : which patient of the split; the same number is the same head whatever is wrong with it.
    kind : "healthy", "mass", "plaque" or "infarct"; by default what the data set has.
    z : mm of the slice, from -12 (base) to 58 (top); by default the first that the data set has of this patient.
    scanner : a machine, such as ``dataclasses.replace(machine("train", "A", 0), noise=(0.2, 0.2, 0.2))``; by default
        the patient's.
    dims, site, split, seed, skull, misalignment_mm, series : as for `load`.

    Raises
    ------
    InputError
        If an option is unknown or out of range.
    """
    options = Options(split, dims, site, seed, skull, misalignment_mm, series)
    if kind not in (None, *SHARES):
        raise InputError(f"kind must be one of {', '.join(SHARES)}; got {kind!r}")
    subject = whole("subject", subject, 0)
    if z is not None and not (is_number(z) and LOWEST <= z <= HIGHEST):
        raise InputError(f"z must be between {LOWEST:g} and {HIGHEST:g} mm; got {z!r}")
    with single_threaded():
        return case(options, subject, 0, cache_folder(), diagnosis=kind, z=z, scanner=scanner).sample()


def _subtype(sample: Sample) -> int | None:
    """Which of two kinds of mass the patient of a sample has, 0 or 1, or None; no field of the sample names it."""
    split, index = sample.group.split("-")
    patient = patient_of(int(sample.meta["seed"]), split.rstrip("0123456789-"), int(index), None, cache_folder())
    return int(patient.quiet) if patient.diagnosis == CLASSES[0] else None


def cache_folder() -> Path:
    """Where data sets are kept: the environment variable MEDLOC_CACHE, or the user's cache folder."""
    return Path(os.environ.get("MEDLOC_CACHE") or platformdirs.user_cache_dir("medloc"))


def _folder(options: Options, n: int) -> Path:
    text = json.dumps([VERSION, asdict(options), n], sort_keys=True)
    name = f"{VERSION}-{options.split}-{options.dims}d-{hashlib.sha256(text.encode()).hexdigest()[:12]}"
    return cache_folder() / "brain_lesions" / name


def _make(options: Options, n: int, folder: Path, workers: int | None = None) -> None:
    """Make a data set in a folder of its own and move it into place whole; of two processes, the first to end wins."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        for left in folder.parent.glob(f"{_DRAFT}*"):  # of a run that was killed
            if time.time() - left.stat().st_mtime > 86400:
                shutil.rmtree(left, ignore_errors=True)
        draft = Path(tempfile.mkdtemp(prefix=_DRAFT, dir=folder.parent))
    except OSError as error:
        raise DatasetError(
            f"cannot write to the cache {folder.parent}: {error}; set MEDLOC_CACHE to a folder that can be written"
        ) from error
    try:
        template(template_folder(cache_folder()))
        _allocate(options, n, draft)
        patients = -(-n // options.per_patient)
        batches = [range(i, min(i + _BATCH, patients)) for i in range(0, patients, _BATCH)]
        cores = workers or (1 if n * (1 if options.dims == 2 else 40) <= _ALONE else joblib.cpu_count())
        jobs = (joblib.delayed(_batch)(options, n, batch, draft, cache_folder()) for batch in batches)
        pool = joblib.Parallel(n_jobs=min(cores, len(batches)), backend="loky", return_as="generator")
        records: list[Record] = []
        with tqdm(total=n, desc=f"brain_lesions {options.split}", unit="sample", disable=n < _ALONE) as bar:
            for made in pool(jobs):
                records += made
                bar.update(len(made))
        (draft / "records.json").write_text(json.dumps(records), encoding="utf-8")
        try:
            os.replace(draft, folder)  # noqa: PTH105 - atomic: the folder is there whole, or not at all
        except OSError:
            if not folder.exists():
                raise
    except OSError as error:
        raise DatasetError(
            f"cannot write {folder}: {error}; free some space, or set MEDLOC_CACHE to another disk"
        ) from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _allocate(options: Options, n: int, folder: Path) -> None:
    channels = len(options.channels)
    shapes = {
        "image": (n, channels, *options.shape),
        "clean": (n, channels, *options.shape),
        "tissue": (n, *options.shape),
        "mask": (n, *options.shape),
    }
    for name, shape in shapes.items():
        open_memmap(
            folder / f"{name}.npy", mode="w+", dtype=np.uint16 if name in ("image", "clean") else np.uint8, shape=shape
        )
    patients = -(-n // options.per_patient)
    np.save(folder / "genotypes.npy", np.stack([genotypes((options.seed, options.split, i)) for i in range(patients)]))


def _batch(options: Options, n: int, patients: range, folder: Path, cache: Path) -> list[Record]:
    """Make the samples of some patients, write their arrays into the files of the folder, and give their records."""
    records = []
    arrays = {name: open_memmap(folder / f"{name}.npy", mode="r+") for name in _ARRAYS}
    with single_threaded():
        for patient in patients:
            first = patient * options.per_patient
            for k in range(first, min(first + options.per_patient, n)):
                made = case(options, patient, k - first, cache)
                for name, array in arrays.items():
                    array[k] = getattr(made, name)
                records.append(made.record)
    return records


@contextmanager
def single_threaded() -> Iterator[None]:
    """One thread, for the same bytes on any number of workers: sums in another order round otherwise."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    # glibc learns from the largest block it was given back: from now on it keeps freed memory, which is much faster
    # here than handing every small array back to the system and getting it again page by page.
    block = np.empty(31 << 20, dtype=np.uint8)
    del block
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        cv2.setNumThreads(before)
