"""Files that are there whole, or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from medloc_lib.errors import InputError


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside `path` to write to; what is written takes the place of an older file in one step.

    Raises
    ------
    InputError
        If it cannot be written there.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error
    finally:
        part.unlink(missing_ok=True)
