"""Described pictures of whole data sets, computed once by all cores and kept in the cache."""

from __future__ import annotations

import hashlib
import json
import os
import uuid
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import joblib
import numpy as np
from tqdm.auto import tqdm

from medloc_lib.classical.features.tables import Described, describe
from medloc_lib.data import registry
from medloc_lib.data.lesions.dataset import cache_folder, single_threaded
from medloc_lib.errors import DatasetError
from medloc_lib.localizer.contract import without_pixels
from medloc_lib.sample import Sample

BATCH = 20  # pictures a worker takes at a time


def load(name: str, *, split: str | None = None, n: int = 50) -> list[Described]:
    """The described pictures of a data set, in its order: read from the cache, or computed and kept there.

    Computing takes a minute or two for the 1,200 slices that `brain_lesions` has for training, on two cores; a bar
    shows it. ``medloc features NAME`` does it beforehand. The file is made anew when the data set or this package's
    code for candidates and features has changed.

    Parameters
    ----------
    name, split : as `medloc_lib.load` takes them.
    n : how many candidates a picture, at most.

    Raises
    ------
    DatasetError
        If there is no such data set, or the cache folder (MEDLOC_CACHE) cannot be written.
    InputError
        If it holds volumes.
    """
    samples = registry.load(name, split=split)
    known = [without_pixels(sample) for sample in samples]
    file = _file(name, split or registry.info(name).default_split, n, known)
    if not file.exists():
        _write(file, _compute(name, split, n, len(known)))
    try:
        with np.load(file, allow_pickle=False) as arrays:
            columns = tuple(json.loads(str(arrays["columns"])))
            counts, boxes, values = arrays["counts"], arrays["boxes"], arrays["values"]
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"{file} is damaged ({error}); delete it, and it is made anew") from error
    ends = np.cumsum(counts)
    parts = zip(known, ends - counts, ends, strict=True)
    return [Described(sample, boxes[a:b], values[a:b], columns) for sample, a, b in parts]


def _compute(name: str, split: str | None, n: int, total: int) -> list[Described]:
    batches = [range(k, min(k + BATCH, total)) for k in range(0, total, BATCH)]
    pool = joblib.Parallel(n_jobs=min(joblib.cpu_count(), len(batches)), return_as="generator")
    found: list[Described] = []
    with tqdm(total=total, desc=f"features of {name} {split or ''}".rstrip(), unit="picture") as bar:
        for made in pool(joblib.delayed(_batch)(name, split, n, batch) for batch in batches):
            found += made
            bar.update(len(made))
    return found


def _batch(name: str, split: str | None, n: int, part: range) -> list[Described]:
    samples = registry.load(name, split=split)
    with single_threaded():
        return [describe(samples[i], n=n) for i in part]


def _write(file: Path, found: Sequence[Described]) -> None:
    """At once, so that of two processes each finds a whole file; files of older code are deleted."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{uuid.uuid4().hex}.npz")
        try:
            np.savez(
                draft,
                columns=np.asarray(json.dumps(found[0].columns)),
                counts=np.asarray([len(item) for item in found], dtype=np.int64),
                boxes=np.concatenate([item.boxes for item in found]),
                values=np.concatenate([item.values for item in found]),
            )
            os.replace(draft, file)  # noqa: PTH105 - atomic, also where the target exists
        finally:
            draft.unlink(missing_ok=True)
        for old in file.parent.glob(f"{file.stem.rpartition('-')[0]}-*.npz"):
            if old != file:
                old.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(
            f"cannot write {file}: {error}; free some space, or set MEDLOC_CACHE to a folder that can be written"
        ) from error


def _file(name: str, split: str, n: int, samples: Sequence[Sample]) -> Path:
    of = [[sample.id, str(sample.meta.get("simulator", "")), *sample.image.shape] for sample in samples]
    key = hashlib.sha256(json.dumps([_code(), of]).encode()).hexdigest()[:12]
    return cache_folder() / "features" / f"{name}-{split}-{n}-{key}.npz"


@cache
def _code() -> str:
    """What stands for the code that makes candidates and features: a hash of its files."""
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted([*here.glob("*.py"), *(here.parent / f"{m}.py" for m in ("scene", "proposals", "candidates"))]):
        digest.update(path.read_bytes())
    return digest.hexdigest()
