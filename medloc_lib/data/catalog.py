"""What data sets there are: `datasets/<name>/dataset.toml` and `files.csv`, read and checked."""

from __future__ import annotations

import csv
import difflib
import html
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from medloc_lib.errors import DatasetError

KINDS = ("built in", "fetched")

DROPPED = {"file", "box", "reason"}

CHECKS: dict[str, Callable[[Any], bool]] = {
    "str": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and value >= 0,
    "tuple[int, ...]": lambda value: isinstance(value, list) and all(isinstance(x, int) for x in value),
    "tuple[str, ...]": lambda value: isinstance(value, list) and all(isinstance(x, str) for x in value),
    "Mapping[str, int]": lambda value: isinstance(value, dict) and all(isinstance(x, int) for x in value.values()),
    "tuple[Dropped, ...]": lambda value: (
        isinstance(value, list) and all(set(x) == {"file", "box", "reason"} for x in value)
    ),
}
"""What TOML must hold for a field of each type."""


@dataclass(frozen=True)
class Dropped:
    """A box that is left out by name, because it cannot be right: file, the numbers as written there, and why."""

    file: str
    box: tuple[float, ...]
    reason: str


@dataclass(frozen=True)
class FileRow:
    """One file of a fetched data set; `split` is empty for files that belong to none, such as a licence."""

    path: str
    sha256: str
    bytes: int
    split: str = ""


@dataclass(frozen=True, repr=False)
class DatasetInfo:
    """What is known of a data set, from its `dataset.toml`.

    Parameters
    ----------
    kind : "built in" (comes with the packages, or is simulated) or "fetched" (downloaded once).
    splits : number of samples in each.
    split_rule : who made the splits, and how.
    groups : what a sample's `group` is; begins with "unknown" where the source does not say who the patient is; then
        intervals are over images.
    source, commit, raw_url, archive : where the data come from; single files and all in one, for what is fetched.
    files, bytes : how much is fetched.
    dropped : boxes left out by name.
    note : what else a user must know.
    """

    name: str
    title: str
    kind: str
    task: str
    modality: str
    dims: tuple[int, ...]
    classes: tuple[str, ...]
    licence: str
    licence_url: str
    citation: str
    source: str
    splits: Mapping[str, int]
    split_rule: str
    groups: str
    commit: str = ""
    raw_url: str = ""
    archive: str = ""
    files: int = 0
    bytes: int = 0
    dropped: tuple[Dropped, ...] = ()
    note: str = ""

    @property
    def default_split(self) -> str:
        """ "train", or the only split there is."""
        return "train" if "train" in self.splits else next(iter(self.splits))

    def _facts(self) -> dict[str, str]:
        size = f"{self.files} files, {self.bytes / 1e6:.1f} MB" if self.files else ""
        return {
            "title": self.title,
            "kind": ", ".join(x for x in (self.kind, size) if x),
            "task": self.task,
            "modality": self.modality,
            "classes": ", ".join(self.classes),
            "splits": ", ".join(f"{name} {count}" for name, count in self.splits.items()) + f" ({self.split_rule})",
            "groups": self.groups,
            "licence": f"{self.licence}, {self.licence_url}",
            "citation": self.citation,
            "source": self.source + (f" at {self.commit[:10]}" if self.commit else ""),
            "left out": "; ".join(f"{d.file} {list(d.box)}: {d.reason}" for d in self.dropped),
            "note": self.note,
        }

    def __repr__(self) -> str:
        lines = [f"  {name + ':':<10}{text}" for name, text in self._facts().items() if text]
        return "\n".join([self.name, *lines])

    def _repr_html_(self) -> str:
        """A table; all text escaped."""
        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td style='text-align:left'>{html.escape(text)}</td></tr>"
            for name, text in self._facts().items()
            if text
        )
        return f"<b>{html.escape(self.name)}</b><table>{rows}</table>"


def datasets_folder() -> Path:
    """The folder ``datasets``: in an installed package inside it, in a checkout beside it."""
    package = Path(__file__).parents[1]
    inside = package / "datasets"
    return inside if inside.is_dir() else package.parent / "datasets"


def names() -> tuple[str, ...]:
    """Names of all data sets, sorted.

    >>> names()[:2]
    ('bccd', 'brain_lesions')
    """
    return tuple(sorted(path.parent.name for path in datasets_folder().glob("*/dataset.toml")))


def info(name: str) -> DatasetInfo:
    """What is known of a data set.

    Raises
    ------
    DatasetError
        If there is none of that name, or its `dataset.toml` is malformed.

    Examples
    --------
    >>> info("bccd").splits["test"]
    72
    """
    path = datasets_folder() / name / "dataset.toml"
    known = names()
    if name not in known:
        raise DatasetError(unknown("data set", name, known))
    return _parse(path)


def files(name: str) -> tuple[FileRow, ...]:
    """The files of a fetched data set, with their checksums; none for one that is built in.

    Raises
    ------
    DatasetError
        If there is no such data set, or its `files.csv` is malformed.
    """
    return _rows(datasets_folder() / name / "files.csv") if info(name).kind == "fetched" else ()


def unknown(what: str, name: str, known: tuple[str, ...]) -> str:
    """The message for a name that is not known: what there is, and what may have been meant.

    >>> unknown("split", "tset", ("train", "test"))
    "there is no split 'tset'; did you mean 'test'? There is: train, test"
    """
    close = difflib.get_close_matches(str(name), known, n=1)
    hint = f"did you mean {close[0]!r}? " if close else ""
    return f"there is no {what} {name!r}; {hint}{'T' if close else 't'}here is: {', '.join(known) or 'none'}"


@cache
def _parse(path: Path) -> DatasetInfo:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    known = {f.name: str(f.type) for f in fields(DatasetInfo) if f.name != "name"}
    needed = {f.name for f in fields(DatasetInfo) if f.default is MISSING} - {"name"}
    if needed - set(table) or set(table) - set(known):
        raise DatasetError(
            f"{path} must have {sorted(needed)}; missing: {sorted(needed - set(table))}, "
            f"unknown: {sorted(set(table) - set(known))}"
        )
    for key, value in table.items():
        if not CHECKS[known[key]](value):
            raise DatasetError(f"{path}: {key} must be {known[key]}; got {value!r}")
    if table["kind"] not in KINDS or not table["splits"]:
        raise DatasetError(f"{path}: kind must be one of {KINDS} and splits not empty; got {table['kind']!r}")
    dropped = [
        Dropped(str(d["file"]), tuple(float(x) for x in d["box"]), str(d["reason"])) for d in table.get("dropped", [])
    ]
    lists = {"dims": tuple(table["dims"]), "classes": tuple(table["classes"]), "dropped": tuple(dropped)}
    values: dict[str, Any] = {**table, **lists, "name": path.parent.name}
    return DatasetInfo(**values)


@cache
def _rows(path: Path) -> tuple[FileRow, ...]:
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        found = tuple(FileRow(r["path"], r["sha256"], int(r["bytes"]), r.get("split") or "") for r in rows)
    except (OSError, UnicodeDecodeError, csv.Error, KeyError, ValueError) as error:
        raise DatasetError(f"{path} cannot be read: {error!r}") from error
    if not found:
        raise DatasetError(f"{path} names no file")
    for row in found:
        parts = PurePosixPath(row.path).parts
        if not parts or row.path.startswith("/") or ".." in parts or "\\" in row.path or len(row.sha256) != 64:
            raise DatasetError(f"{path}: needed a path inside the data set and a SHA-256; got {row}")
    return found
