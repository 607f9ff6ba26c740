"""The table: printed, compared, stored, read again."""

from __future__ import annotations

import contextlib
import csv
import dataclasses
import errno
import io
import json
import math
import os
import tempfile
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medloc_lib.bench import page
from medloc_lib.bench.row import DIGITS, PER_ROW, SCORES, Row
from medloc_lib.errors import InputError, ReadError
from medloc_lib.metrics import Interval, paired_difference

FORMAT = 1


@dataclass(frozen=True, eq=False, repr=False)
class Leaderboard:
    """Rows of the leaderboard, best first within each data set. Prints itself as a table.

    Parameters
    ----------
    rows : as `leaderboard` makes them and `read_leaderboard` reads them.
    """

    rows: tuple[Row, ...]

    def __post_init__(self) -> None:
        order = {name: i for i, name in enumerate(dict.fromkeys(row.data for row in self.rows))}
        object.__setattr__(self, "rows", tuple(sorted(self.rows, key=lambda row: (order[row.data], *_rank(row)))))

    def __getitem__(self, name: str) -> Row:
        """The row of that name."""
        found = [row for row in self.rows if row.name == name]
        if len(found) > 1:
            sets = ", ".join(row.data for row in found)
            raise InputError(f"rows named {name!r} are on {sets}; choose one of them first, by on({found[0].data!r})")
        if not found:
            raise InputError(f"no row is named {name!r}; there are: {', '.join(row.name for row in self.rows)}")
        return found[0]

    def on(self, data: str) -> Leaderboard:
        """The rows of one data set.

        Raises
        ------
        InputError
            If there are none.
        """
        found = tuple(row for row in self.rows if row.data == data)
        if not found:
            sets = ", ".join(dict.fromkeys(row.data for row in self.rows)) or "none"
            raise InputError(f"no row is on {data!r}; the data sets are: {sets}")
        return Leaderboard(found)

    def __len__(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Row]:
        return iter(self.rows)

    def compare(self, first: str, second: str, *, score: str = "ap_0.3") -> Interval:
        """Paired bootstrap difference of two rows of the same run, `first` minus `second`.

        Parameters
        ----------
        first, second : names of rows.
        score : a key of `SCORES` of which higher is better.

        Returns
        -------
        `Interval`; its `better` says whether `first` is better than `second`: the whole interval is above zero.

        Raises
        ------
        InputError
            If a row is not there, failed or was read from a file, or there is no such score.
        """
        allowed = [s.key for s in SCORES if not s.lower_is_better]
        if score not in allowed:
            raise InputError(f"score must be one of {', '.join(allowed)}; got {score!r}")
        one, other = self[first], self[second]
        statistics = one.statistic(score), other.statistic(score)
        if one.group_of != other.group_of:
            raise InputError(f"{first!r} and {second!r} were not scored on the same test samples")
        return paired_difference(*statistics, one.group_of)

    def __str__(self) -> str:
        """A table of plain text, with the 95 % interval of the first score, and beneath it what must be said."""
        return "\n\n".join(_as_text(rows) for rows in page.by_data(self.rows).values()) or "no rows"

    __repr__ = __str__

    def _repr_html_(self) -> str:
        return page.fragment(self.rows)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write one page that needs nothing else: columns sort on a click, text from data is escaped."""
        write_whole(Path(path), page.document(self.rows))

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write one line per row, one column per figure and per end of its interval.

        Text that a spreadsheet would take for a formula gets an apostrophe in front.
        """
        ends = ("", "_low", "_high")
        keys = [s.key for s in SCORES]
        texts = ("data", "name", "simulator", "date", "version", "command", "note", "reason")
        head = [*texts, *PER_ROW, "images", "groups", "seeds", "better_than", *(k + end for k in keys for end in ends)]
        buffer = io.StringIO()
        table = csv.writer(buffer, lineterminator="\n")
        table.writerow(head)
        for row in self.rows:
            values = row.to_dict()
            figures: list[Any] = []
            for key in keys:
                interval = values["scores"].get(key, {})
                figures += [interval.get("value"), interval.get("low"), interval.get("high")]
            plain = [values.get(k, "") for k in (*texts, *PER_ROW, "images", "groups")]
            cells = [*plain, " ".join(map(str, row.seeds)), "; ".join(row.better_than), *figures]
            table.writerow([_no_formula(cell) for cell in cells])
        write_whole(Path(path), buffer.getvalue())

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the rows into a JSON file. Rows of other localizers and data sets that stand there are kept.

        So is what was compared in earlier runs, as long as the scores of both rows are still the same.

        Raises
        ------
        ReadError
            If there is a file that is no leaderboard. It is left as it is.
        """
        place = Path(path)
        kept = read_leaderboard(place).rows if place.exists() else ()
        ordered = sorted(_merged(self.rows, kept), key=lambda row: (row.data, *_rank(row)))
        content = {"format": FORMAT, "rows": [row.to_dict() for row in ordered]}
        write_whole(place, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def read_leaderboard(path: str | os.PathLike[str]) -> Leaderboard:
    """Read a leaderboard that `Leaderboard.to_json` wrote.

    Raises
    ------
    ReadError
        If there is no such file, or it is something else.
    """
    place = Path(path)
    try:
        content = json.loads(place.read_text(encoding="utf-8"))
    except OSError as error:
        raise ReadError(place, f"cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:  # no UTF-8, no JSON, a number of too many digits, too deep
        raise ReadError(place, f"is no leaderboard ({error}); move it away or mend it, nothing was changed") from error
    if not isinstance(content, Mapping) or content.get("format") != FORMAT or not isinstance(content.get("rows"), list):
        raise ReadError(
            place, f'is no leaderboard of format {FORMAT} ({{"format": {FORMAT}, "rows": [...]}}); move it away'
        )
    try:
        return Leaderboard(tuple(Row.from_dict(values) for values in content["rows"]))
    except InputError as error:
        raise ReadError(place, f"{error}; move it away or mend it, nothing was changed") from error


def write_whole(path: Path, text: str) -> None:
    """Write a file at once: readers see the old one or the new one, and a failure leaves the old one.

    Raises
    ------
    InputError
        If it cannot be written.
    """
    try:
        _write_whole(path, text)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def must_be_writable(path: Path) -> None:
    """Raise what `write_whole` would, before the work rather than after it.

    Raises
    ------
    InputError
        If a file cannot be written there.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, "it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}") from error


def _write_whole(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="\n") as file:
            file.write(text)
        mode = path.stat().st_mode & 0o777 if path.exists() else 0o666 & ~_umask()
        Path(draft).chmod(mode)
        Path(draft).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(draft).unlink()
        raise


def _no_formula(cell: Any) -> Any:
    if not isinstance(cell, str):
        return cell
    text = cell.replace("\r", " ")  # which the csv module leaves unquoted where lines end otherwise
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) else text


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _rank(row: Row) -> tuple[float, str]:
    """Best first, failed rows last; what is equal in the file, where figures are rounded, by name."""
    value = row.scores["ap_0.3"].value if "ap_0.3" in row.scores else math.nan
    return (math.inf if math.isnan(value) else -round(value, DIGITS)), row.name


def _merged(rows: Sequence[Row], kept: Sequence[Row]) -> list[Row]:
    """The rows of a run, and those kept that it did not run; a comparison with a row that scores anew is dropped."""
    new = {(row.data, row.name): row for row in rows}
    old = {(row.data, row.name): row for row in kept}
    same = {key for key in new.keys() & old.keys() if _measured(new[key]) == _measured(old[key])}
    merged = []
    for key, row in (old | new).items():
        earlier = old[key].better_than if key in same or key not in new else ()
        stand = [
            name for name in earlier if (row.data, name) not in new or (key not in new and (row.data, name) in same)
        ]
        fresh = row.better_than if key in new else ()
        merged.append(dataclasses.replace(row, better_than=tuple(dict.fromkeys((*fresh, *stand)))))
    return merged


def _measured(row: Row) -> Any:
    """What a row scored, and on what."""
    values = row.to_dict()
    return {key: values.get(key) for key in ("simulator", "images", "groups", "seeds", "scores")}


def _as_text(rows: list[Row]) -> str:
    heads = ["", "AP 0.3 [95 %]", *(s.title for s in SCORES[1:]), *(title for title, _ in PER_ROW.values())]
    lines = [heads]
    for row in rows:
        if row.reason:
            continue
        first, *others = SCORES
        cells = [row.name, page.with_interval(row.scores.get(first.key))]
        cells += [page.number(row.scores.get(s.key), s.key) for s in others]
        cells += [page.plain(getattr(row, key)) for key in PER_ROW]
        lines.append(cells)
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    table = [
        "  ".join(
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(line, widths, strict=True))
        )
        for line in lines
    ]
    table.insert(1, "-" * len(table[0]))
    width = max(80, len(table[1]))  # a command stays on one line, to be copied
    said = [text if text.startswith("Made on") else textwrap.fill(text, width) for text in page.remarks(rows)]
    return "\n".join([page.title(rows), *(line.rstrip() for line in table), *said])
