"""Data sets by name: made here, or fetched once and checked every time.

`load` gives samples, `info` and `names` say what there is, `fetch` brings files in, `verify` reads every byte again.

Files of a fetched set are looked for in the folder ``MEDLOC_DATA_MIRROR/<name>`` and used there if all of them match
their SHA-256. Otherwise they are gathered in ``MEDLOC_CACHE/<name>``, from the mirror or the network. No file is used
before its checksum has matched; one that matched is read again only when its size or times have changed.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

from medloc_lib.data import fetched
from medloc_lib.data.catalog import DatasetInfo, FileRow, files, info, names, unknown
from medloc_lib.data.checksums import not_good
from medloc_lib.data.gather import Gather, Receiver
from medloc_lib.errors import DatasetError, InputError, MedlocWarning
from medloc_lib.sample import Sample

__all__ = ["DatasetInfo", "Verification", "available", "fetch", "info", "load", "names", "path", "verify"]

Loader = Callable[..., Sequence[Sample]]

TIMEOUT_S = (5.0, 20.0)
"""How long to wait for a connection, and for the next bytes."""


def load(name: str, *, split: str | None = None, **options: Any) -> Sequence[Sample]:
    """Samples of a data set, made or read when they are asked for.

    Parameters
    ----------
    name : one of `names()`.
    split : one of ``info(name).splits``; by default "train", or the only one.
    options : what the data set's own loader takes, such as ``dims=3`` for "brain_lesions".

    Raises
    ------
    DatasetError
        If there is no such data set, or it is neither here nor can be fetched.
    InputError
        If there is no such split or option.

    Examples
    --------
    >>> load("fundus")[0]
    Sample 'fundus': image 1411×1411 uint8, 1×1 mm, channels R, G, B; boxes unknown
    """
    about = info(name)
    chosen = about.default_split if split is None else split
    if chosen not in about.splits:
        raise InputError(f"{name}: {unknown('split', chosen, tuple(about.splits))}")
    if about.kind == "fetched":
        if options:
            raise InputError(f"{name}: {unknown('option', next(iter(options)), ())}")
        rows = [row for row in files(name) if row.split == chosen]
        return fetched.READERS[name](fetch(name), [row.path for row in rows], about)
    loader = BUILT_IN[name]()
    taken = tuple(key for key in inspect.signature(loader).parameters if key != "split")
    for key in options:
        if key not in taken:
            raise InputError(f"{name}: {unknown('option', key, taken)}")
    return loader(split=chosen, **options)


def _brain_lesions() -> Loader:
    from medloc_lib.data import lesions

    return lesions.load


def _mni152() -> Loader:
    from medloc_lib.data import samples

    return samples.mni152


def _dicom_samples() -> Loader:
    from medloc_lib.data import samples

    return samples.dicom_samples


def _fundus() -> Loader:
    from medloc_lib.data import samples

    return samples.fundus


BUILT_IN: dict[str, Callable[[], Loader]] = {
    "brain_lesions": _brain_lesions,
    "dicom_samples": _dicom_samples,
    "fundus": _fundus,
    "mni152": _mni152,
}


def fetch(name: str, *, progress: bool = True) -> Path:
    """Folder with all files of a fetched data set, each verified; what is missing is brought in first.

    Files that are here already are kept, so that a fetch that was stopped goes on where it was. Several processes may
    fetch at once: each file comes under a name of its own and takes its place in one step.

    Raises
    ------
    DatasetError
        If the data set is built in, or a file cannot be had: with the steps to do it by hand.
    """
    about = _fetched(name)
    spare: dict[FileRow, Path] = {}
    mirror = _mirror(name)
    if mirror is not None:
        bad = _bad(name, mirror)
        if not bad:
            return mirror
        spare = {row: mirror / row.path for row in files(name) if row not in set(bad)}
        altered = [row.path for row in bad if (mirror / row.path).exists()]
        if altered:
            text = (
                f"{mirror}: {len(altered)} files do not match their SHA-256 and are not used: {', '.join(altered[:3])}"
            )
            warnings.warn(text, MedlocWarning, stacklevel=2)
    home = _cache(name)
    missing = _bad(name, home)
    if missing:
        try:
            Gather(about, home, spare, _download).run(missing, progress=progress)
        finally:
            _bad(name, home)  # leaves the stamps of what has come
    return home


def _download(url: str, receiver: Receiver) -> None:
    """Write what a URL holds into `receiver`; raises what requests raises, all of it OSError."""
    import pooch

    # Small chunks, so that a download that creeps is noticed.
    pooch.HTTPDownloader(timeout=TIMEOUT_S, chunk_size=1024)(url, receiver, None)


def path(name: str) -> Path:
    """Folder in which the files of a fetched data set are, or will be once fetched.

    Raises
    ------
    DatasetError
        If there is no such data set, or it is built in.
    """
    _fetched(name)
    mirror = _mirror(name)
    return mirror if mirror is not None and not _bad(name, mirror) else _cache(name)


def available(name: str) -> bool:
    """Whether `load` works without the network: built in, or every file here and verified.

    >>> available("mni152")
    True
    """
    return info(name).kind == "built in" or not _bad(name, path(name))


@dataclass(frozen=True)
class Verification:
    """What reading every byte again found."""

    name: str
    folder: Path
    good: int
    missing: tuple[str, ...]
    altered: tuple[str, ...]

    def __bool__(self) -> bool:
        return not self.missing and not self.altered

    def __str__(self) -> str:
        parts = [f"{self.good} files match their SHA-256"]
        for what, listed in (("missing", self.missing), ("altered", self.altered)):
            if listed:
                parts.append(f"{len(listed)} {what}: {', '.join(listed[:5])}{', ...' if len(listed) > 5 else ''}")
        return f"{self.name} in {self.folder}: {'; '.join(parts)}"


def verify(name: str) -> Verification:
    """Read every file of a fetched data set again and compare it with its checksum; true if all match.

    Raises
    ------
    DatasetError
        If there is no such data set, or it is built in.
    """
    folder, rows = path(name), files(name)
    bad = {row.path for row in _bad(name, folder, trust=False)}
    missing = tuple(row.path for row in rows if not (folder / row.path).is_file())
    altered = tuple(row.path for row in rows if row.path in bad and row.path not in missing)
    return Verification(name, folder, len(rows) - len(bad), missing, altered)


def _fetched(name: str) -> DatasetInfo:
    about = info(name)
    if about.kind == "built in":
        raise DatasetError(f"{name} is built in: it comes with the installed packages and has no files to fetch")
    return about


def _base() -> Path:
    return Path(os.environ.get("MEDLOC_CACHE") or platformdirs.user_cache_dir("medloc"))


def _cache(name: str) -> Path:
    return _base() / name


def _mirror(name: str) -> Path | None:
    """The data set's folder in the mirror, if it has one."""
    root = os.environ.get("MEDLOC_DATA_MIRROR")
    if not root:
        return None
    if not Path(root).is_dir():
        warnings.warn(f"MEDLOC_DATA_MIRROR is {root}, which is no folder; it is not used", MedlocWarning, stacklevel=3)
        return None
    folder = Path(root) / name
    return folder if folder.is_dir() else None


def _bad(name: str, root: Path, *, trust: bool = True) -> list[FileRow]:
    """Files of a data set that are missing or altered in `root`."""
    mark = hashlib.sha256(str(root.absolute()).encode()).hexdigest()[:12]
    return not_good(root, files(name), _base() / "stamps" / f"{name}-{mark}.json", trust=trust)
