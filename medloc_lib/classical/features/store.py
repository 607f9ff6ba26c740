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
from numpy.typing import NDArray
from tqdm.auto import tqdm

from medloc_lib.classical.features.tables import Described, Measured, describe, digest
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
    columns, _, measured = _read(file)
    return [Described(sample, boxes, values, columns) for sample, (boxes, values) in zip(known, measured, strict=True)]


def kept(*, n: int = 50) -> dict[bytes, Measured]:
    """All that `load` has put into the cache: `digest` of a picture to its candidates' boxes and features.

    Parameters
    ----------
    n : candidates a picture, as `load` was told.
    """
    found: dict[bytes, Measured] = {}
    for file in sorted(_folder().glob(f"*-{n}-{_code()}-*.npz")):
        _, digests, measured = _read(file)
        found |= dict(zip((key.tobytes() for key in digests), measured, strict=True))
    return found


def _compute(name: str, split: str | None, n: int, total: int) -> list[tuple[bytes, Described]]:
    batches = [range(k, min(k + BATCH, total)) for k in range(0, total, BATCH)]
    pool = joblib.Parallel(n_jobs=min(joblib.cpu_count(), len(batches)), return_as="generator")
    found: list[tuple[bytes, Described]] = []
    with tqdm(total=total, desc=f"features of {name} {split or ''}".rstrip(), unit="picture") as bar:
        for made in pool(joblib.delayed(_batch)(name, split, n, batch) for batch in batches):
            found += made
            bar.update(len(made))
    return found


def _batch(name: str, split: str | None, n: int, part: range) -> list[tuple[bytes, Described]]:
    samples = registry.load(name, split=split)
    with single_threaded():
        return [(digest(sample), describe(sample, n=n)) for sample in (samples[i] for i in part)]


def _read(file: Path) -> tuple[tuple[str, ...], NDArray[np.uint8], list[Measured]]:
    """Columns, digests (pictures, 16), and boxes and values of each picture."""
    try:
        with np.load(file, allow_pickle=False) as arrays:
            columns = tuple(json.loads(str(arrays["columns"])))
            digests, counts, boxes, values = (arrays[part] for part in ("digests", "counts", "boxes", "values"))
    except (OSError, ValueError, KeyError) as error:
        raise DatasetError(f"{file} is damaged ({error}); delete it, and it is made anew") from error
    ends = np.cumsum(counts)
    return columns, digests, [(boxes[a:b], values[a:b]) for a, b in zip(ends - counts, ends, strict=True)]


def _write(file: Path, found: Sequence[tuple[bytes, Described]]) -> None:
    """At once, so that of two processes each finds a whole file; files of older code are deleted."""
    items = [item for _, item in found]
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f".{uuid.uuid4().hex}.npz")
        try:
            np.savez(
                draft,
                columns=np.asarray(json.dumps(items[0].columns)),
                digests=np.frombuffer(b"".join(key for key, _ in found), dtype=np.uint8).reshape(len(found), -1),
                counts=np.asarray([len(item) for item in items], dtype=np.int64),
                boxes=np.concatenate([item.boxes for item in items]),
                values=np.concatenate([item.values for item in items]),
            )
            os.replace(draft, file)  # noqa: PTH105 - atomic, also where the target exists
        finally:
            draft.unlink(missing_ok=True)
        for old in file.parent.glob(f"{file.stem.rsplit('-', 2)[0]}-*.npz"):
            if old != file:
                old.unlink(missing_ok=True)
    except OSError as error:
        raise DatasetError(
            f"cannot write {file}: {error}; free some space, or set MEDLOC_CACHE to a folder that can be written"
        ) from error


def _folder() -> Path:
    return cache_folder() / "features"


def _file(name: str, split: str, n: int, samples: Sequence[Sample]) -> Path:
    of = [[sample.id, str(sample.meta.get("simulator", "")), *sample.image.shape] for sample in samples]
    key = hashlib.sha256(json.dumps(of).encode()).hexdigest()[:12]
    return _folder() / f"{name}-{split}-{n}-{_code()}-{key}.npz"


@cache
def _code() -> str:
    """What stands for the code that makes candidates and features: a hash of its files."""
    here = Path(__file__).parent
    made = hashlib.sha256()
    for path in sorted([*here.glob("*.py"), *(here.parent / f"{m}.py" for m in ("scene", "proposals", "candidates"))]):
        if path.name != Path(__file__).name:
            made.update(path.read_bytes())
    return made.hexdigest()[:12]
