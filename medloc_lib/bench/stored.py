"""Samples on disk, on their way to another process."""

from __future__ import annotations

import io
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any, overload

import cloudpickle

from medloc_lib.sample import Sample


class Stored(Sequence[Sample]):
    """Samples in a file that `store` wrote, each read when it is asked for."""

    def __init__(self, path: Path, starts: Sequence[int]) -> None:
        self.path = path
        self.starts = tuple(starts)

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Sample: ...
    @overload
    def __getitem__(self, index: slice) -> Stored: ...
    def __getitem__(self, index: int | slice) -> Sample | Stored:
        if isinstance(index, slice):
            return Stored(self.path, self.starts[index])
        with self.path.open("rb") as file:
            file.seek(self.starts[index])
            sample: Sample = cloudpickle.load(file)
        return sample.replace()  # checked anew, so that its pixels are read-only here too


def store(samples: Iterable[Sample], path: Path) -> Stored:
    """Write samples one after another, so that they are never all in memory."""
    starts = []
    with path.open("wb") as file:
        for sample in samples:
            starts.append(file.tell())
            cloudpickle.dump(sample, file)
    return Stored(path, starts)


def dump(value: Any, path: Path) -> None:
    """Write anything that can be pickled, classes of a notebook included."""
    with path.open("wb") as file:
        cloudpickle.dump(value, file)


def load(path: Path) -> Any:
    """The inverse of `dump`."""
    with path.open("rb") as file:
        return cloudpickle.load(file)


def holds(value: Any, forbidden: Collection[int]) -> bool:
    """Whether an object with one of these ids would travel with `value`, as when a class of a notebook uses a global.

    >>> numbers = [1, 2]
    >>> holds(lambda: numbers, {id(numbers)}), holds(lambda: 3, {id(numbers)})
    (True, False)
    """
    try:
        _Watch(forbidden).dump(value)
    except _FoundError:
        return True
    except Exception:  # what cannot be pickled is said when it is sent
        return False
    return False


class _FoundError(Exception):
    pass


class _Watch(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(self, forbidden: Collection[int]) -> None:
        super().__init__(io.BytesIO())
        self._forbidden = forbidden

    def persistent_id(self, obj: Any) -> None:
        if id(obj) in self._forbidden:
            raise _FoundError
