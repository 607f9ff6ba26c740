"""The errors that medloc_lib raises on purpose, and its one warning.

Every message says what was needed, what came, and what to do about it.
"""

from __future__ import annotations

import os


class MedlocError(Exception):
    """Base of every error that medloc_lib raises on purpose."""


class InputError(MedlocError, ValueError):
    """An argument or an array does not fit the contract."""


class ReadError(MedlocError):
    """A file cannot be read.

    Parameters
    ----------
    path : the file or folder.
    reason : what is wrong with it, and what to do, in one line.
    """

    def __init__(self, path: str | os.PathLike[str], reason: str) -> None:
        super().__init__(os.fspath(path), reason)
        self.path = os.fspath(path)
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}"


class DatasetError(MedlocError):
    """A data set is unknown, cannot be had, or does not match its checksums."""


class MedlocWarning(UserWarning):
    """Something in the input is unusual; the result is usable and the text says how it was made."""
