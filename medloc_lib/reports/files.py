"""Reports from files: plain text, JSON lines, DICOM structured reports."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medloc_lib.data.dicom.opening import open_dataset, quiet, why
from medloc_lib.errors import MedlocError, ReadError

TEXT_KEYS = ("report", "text", "findings")
DEEPEST = 50
"""Levels of a structured report that are read."""


@dataclass(frozen=True)
class Report:
    """A report as text, and what it is called.

    In a notebook it is shown as text: markup or scripts inside it stay letters.

    >>> Report("a", "<script>alert(1)</script>")._repr_html_()
    '<pre>a\\n&lt;script&gt;alert(1)&lt;/script&gt;</pre>'
    """

    id: str
    text: str

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.id)}\n{html.escape(self.text)}</pre>"


def read(path: str | os.PathLike[str]) -> list[Report]:
    """Your own reports.

    A file of JSON lines (`.jsonl`, `.ndjson`) holds one object a line, with the text under "report", "text" or
    "findings", and an "id" or none. A DICOM structured report gives the text of its content tree, one line for each
    item, its nesting as indentation. Any other file is one report, in UTF-8.

    Raises
    ------
    ReadError
        If there is no such file, it is empty, its text is not UTF-8, a line is no JSON object with a text (with the
        number of the line), or a DICOM file is no structured report or has no text.
    """
    place = Path(path)
    try:
        raw = place.read_bytes()
    except OSError as error:
        raise ReadError(place, f"cannot be read: {error.strerror or error}") from error
    if not raw.strip():
        raise ReadError(place, "is empty; a report has words")
    if raw[128:132] == b"DICM" or place.suffix.lower() in (".dcm", ".dicom"):
        return [Report(place.stem, _structured(place))]
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadError(place, f"is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    if "\x00" in text:
        raise ReadError(place, "is no text: it holds bytes of 0")
    if place.suffix.lower() in (".jsonl", ".ndjson"):
        return list(_lines(place, text))
    return [Report(place.stem, text.strip())]


def _lines(place: Path, text: str) -> Iterator[Report]:
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ReadError(place, f"line {number} is not JSON: {error}") from error
        found = [entry[key] for key in TEXT_KEYS if isinstance(entry.get(key), str)] if isinstance(entry, dict) else []
        if not found or not found[0].strip():
            raise ReadError(
                place, f"line {number} needs an object with a text under {', '.join(TEXT_KEYS)}; got {line[:60]}"
            )
        yield Report(str(entry.get("id", f"{place.stem}-{number}")), found[0].strip())


def _structured(place: Path) -> str:
    """The text of a structured report's content tree."""
    ds = open_dataset(place, pixels=False)
    if not _items(ds):
        what = str(ds.get("Modality", "") or "") or "no modality"
        raise ReadError(place, f"is no DICOM structured report: it has no content ({what}); give an SR file")
    try:
        with quiet():
            lines = [line for item in _items(ds) for line in _told(item, 0)]
    except MedlocError:
        raise
    except Exception as error:  # pydicom converts on access, and a damaged value raises all kinds of errors
        raise ReadError(place, f"its content cannot be read: {why(error)}") from error
    if not lines:
        raise ReadError(place, "is a structured report without text or codes; there is nothing to read")
    return "\n".join(lines)


def _items(node: Any) -> list[Any]:
    return list(node.get("ContentSequence", None) or ())


def _told(item: Any, depth: int) -> Iterator[str]:
    """The lines of one content item (DICOM PS3.3, C.17.3): its concept's name and its value, then its children."""
    name, value = _meaning(item.get("ConceptNameCodeSequence", None)), _value(item)
    if value or (name and depth < DEEPEST and _items(item)):
        yield "  " * depth + (f"{name}: {value}" if name and value else value or f"{name}:")
    if depth < DEEPEST:
        for child in _items(item):
            yield from _told(child, depth + (1 if name or value else 0))


def _value(item: Any) -> str:
    kind = str(item.get("ValueType", ""))
    if kind == "TEXT":
        return " ".join(str(item.get("TextValue", "") or "").split())
    if kind == "CODE":
        return _meaning(item.get("ConceptCodeSequence", None))
    if kind == "NUM":
        measured = list(item.get("MeasuredValueSequence", None) or ())
        if measured:
            unit = _meaning(measured[0].get("MeasurementUnitsCodeSequence", None), key="CodeValue")
            return f"{measured[0].get('NumericValue', '')} {unit}".strip()
    return ""


def _meaning(sequence: Any, *, key: str = "CodeMeaning") -> str:
    return str(sequence[0].get(key, "") or "").strip() if sequence else ""
