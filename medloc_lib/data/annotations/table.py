"""Boxes in a CSV table."""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from medloc_lib.data.annotations.entries import (
    FALSE,
    ROWS_COLS,
    TRUE,
    XYXY,
    Entry,
    Ledger,
    OnBad,
    Source,
    picture_folders,
    read_text,
    to_float,
)
from medloc_lib.data.images import stem
from medloc_lib.data.lazy import LazySamples, Record, read_record, unmentioned
from medloc_lib.errors import InputError, ReadError

FORMS = {("row0", "col0", "row1", "col1"): ROWS_COLS, ("x0", "y0", "x1", "y1"): XYXY}


def read_csv(
    csv_path: Source,
    images: Source | None = None,
    *,
    classes: Sequence[str] | None = None,
    group_by: str | None = None,
    on_bad: OnBad = "raise",
) -> LazySamples[Record]:
    """Samples of a CSV table with one box per line.

    Parameters
    ----------
    csv_path : comma-separated UTF-8 with a header line. Columns: ``file`` (picture), ``label`` (class name), the box as
        ``row0,col0,row1,col1`` or ``x0,y0,x1,y1`` (coordinates, half-open), and if wanted ``ignore`` (0 or 1) and
        ``group`` (the patient); others are not used. A line with a file and an empty box says: looked, found nothing.
    images : folder of the pictures; by default ``images``, ``JPEGImages`` or the table's own folder. Pictures that are
        there and not in the table come last, with boxes None.
    classes : names in the order of the labels; any other is unknown, and bad. By default all names found, sorted.
    group_by : column that names the patient; by default ``group``, if there is one.
    on_bad : what becomes of bad entries; see `medloc_lib.data.annotations`.

    Raises
    ------
    ReadError
        If the file is not such a table, or under "raise" if an entry is bad.
    InputError
        If there is no column `group_by`.
    """
    path = Path(csv_path)
    ledger = Ledger(path, on_bad)
    columns, lines = read_table(path)
    corners = next((names for names in FORMS if set(names) <= set(columns)), None)
    if corners is None or not {"file", "label"} <= set(columns):
        raise ReadError(
            path,
            "needed the columns file, label and row0,col0,row1,col1 or x0,y0,x1,y1 in its first line; "
            f"got {','.join(columns)[:200] or 'nothing'}",
        )
    if group_by and group_by not in columns:
        raise InputError(f"{path}: there is no column {group_by!r} to group by; there is {', '.join(columns)}")
    found: dict[str, _Picture] = defaultdict(_Picture)
    for number, line in lines:
        _collect(found, number, line, corners, group_by or "group", ledger)
    kinds = {entry.kind for picture in found.values() for entry in picture.entries}
    names = tuple(classes) if classes is not None else tuple(sorted(kinds - {""}))
    folders = picture_folders(path, images)
    records = []
    for name, picture in found.items():
        usable = ledger.picture(f"line {picture.line}", name, folders)
        if usable is None:
            continue
        file, shape = usable
        truth = ledger.boxes(picture.entries, FORMS[corners], shape, names)
        records.append(Record(file, stem(file), picture.group, truth, names))
    ledger.close()
    return LazySamples(records + unmentioned(records, names), read_record)


def read_table(path: Path) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    """Column names, and per line its number in the file and its cells.

    Raises
    ------
    ReadError
        If the file is no text or no CSV, names a column twice, or a line has more cells than the header.
    """
    reader = csv.reader(read_text(path).splitlines(keepends=True), strict=True)
    try:
        columns = [name.strip() for name in next(reader, [])]
        lines = [(reader.line_num, cells) for cells in reader if any(cell.strip() for cell in cells)]
    except csv.Error as error:
        raise ReadError(path, f"line {reader.line_num}: is no CSV: {error}") from error
    if len(set(columns)) < len(columns):
        raise ReadError(path, f"line 1: names a column twice: {','.join(columns)[:200]}")
    for number, cells in lines:
        if len(cells) > len(columns):
            raise ReadError(path, f"line {number}: has {len(cells)} cells, but the header names {len(columns)} columns")
    return columns, [
        (number, dict(zip(columns, [cell.strip() for cell in cells] + [""] * len(columns), strict=False)))
        for number, cells in lines
    ]


@dataclass
class _Picture:
    line: int = 0
    group: str = ""
    entries: list[Entry] = field(default_factory=list)


def _collect(
    found: dict[str, _Picture], number: int, line: dict[str, str], corners: Sequence[str], column: str, ledger: Ledger
) -> None:
    """Add one line of the table to the picture that it is about."""
    name, group = line["file"], line.get(column, "")
    if not name:
        ledger.fault(f"line {number}: names no file")
        return
    picture = found[name]
    picture.line = picture.line or number
    if picture.group and group and group != picture.group:
        ledger.fault(f"line {number}: {name!r} is of {column} {group!r} here and {picture.group!r} above")
        return
    picture.group = picture.group or group
    cells = [line[corner] for corner in corners]
    if not any(cells):
        return
    numbers = tuple(to_float(cell) for cell in cells)
    ignore, fault = line.get("ignore", "").lower(), ""
    if any(math.isnan(x) for x in numbers):
        fault = f"box ({', '.join(cell[:20] for cell in cells)}) of {line['label']!r} holds NaN or no number"
    elif ignore not in TRUE | FALSE:
        fault = f"ignore must be 0 or 1; got {ignore[:20]!r}"
    picture.entries.append(Entry(f"line {number}", numbers, line["label"], ignore in TRUE, fault))
