"""Which files of a data set are what they should be, without reading every byte each time."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from medloc_lib.data.catalog import FileRow


def sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def not_good(root: Path, rows: Iterable[FileRow], stamps: Path, *, trust: bool = True) -> list[FileRow]:
    """Rows whose file below `root` is missing, or has another size or SHA-256.

    Parameters
    ----------
    root : folder that the rows' paths start from.
    rows : the files wanted.
    stamps : JSON file, written here: size, times and checksum of every file that was read and found good. A file is
        read again when they have changed. If it cannot be written, every file is read every time.
    trust : False reads every file, whatever the stamps say.
    """
    known = _known(stamps) if trust else {}
    good: dict[str, list[int | str]] = {}
    bad = []
    for row in rows:
        path = root / row.path
        try:
            before = _stamp(path, row)
            fits = before[0] == row.bytes and (known.get(row.path) == before or sha256(path) == row.sha256)
        except OSError:
            fits = False
        if fits:
            good[row.path] = before
        else:
            bad.append(row)
    if good != known:
        with suppress(OSError):  # a read-only cache costs time, and nothing else
            stamps.parent.mkdir(parents=True, exist_ok=True)
            part = stamps.with_name(f"{stamps.name}.{os.getpid()}")
            part.write_text(json.dumps(good), encoding="utf-8")
            part.replace(stamps)
    return bad


def _stamp(path: Path, row: FileRow) -> list[int | str]:
    """What changes when a file is written. The change time is among it: unlike the other it cannot be set back."""
    status = path.stat()
    return [status.st_size, status.st_mtime_ns, status.st_ctime_ns, row.sha256]


def _known(stamps: Path) -> dict[str, list[int | str]]:
    try:
        found = json.loads(stamps.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
