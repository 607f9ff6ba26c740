"""Opening any DICOM file with pydicom, without its noise and without trusting a length in the file."""

from __future__ import annotations

import io
import logging
import os
import threading
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset, FileDataset

from medloc_lib.data.dicom.header import BIG_ENDIAN, CHARSET, EXPLICIT, IMPLICIT, SOP_CLASS, WANTED, Header, header_from
from medloc_lib.data.dicom.quick import file_meta, quick_header
from medloc_lib.errors import MedlocError, ReadError

MAX_INFLATED = 256 << 20
"""A deflated file may unpack to this many bytes."""

NOT_DICOM = "not a DICOM file"

_DEFLATED = b"1.2.840.10008.1.2.1.99"
_BEST_DEFLATE = 1032  # bytes out of one byte in, at most (zlib's technical notes)
_STARTS = (b"\x02\x00", b"\x08\x00", b"\x00\x08")
_LOCK = threading.RLock()


def header_of(path: Path) -> Header:
    """The header of any DICOM file.

    Raises
    ------
    ReadError
        If the file cannot be opened, is no DICOM file, or its header cannot be parsed.
    """
    try:
        header = quick_header(path)
    except OSError as error:
        raise ReadError(path, why(error)) from error
    return header or header_from_dataset(path, open_dataset(path, pixels=False))


def header_from_dataset(path: Path, ds: Dataset) -> Header:
    """The header from a data set that pydicom has parsed."""
    syntax = syntax_of(ds)
    elements = {}
    for tag in WANTED & ds.keys():
        item: Any = ds.get_item(tag, keep_deferred=True)
        if not isinstance(item, RawDataElement):  # the character set or a sequence, converted already
            text = item.value if isinstance(item.value, str) else "\\".join(map(str, item.value or ()))
            elements[int(tag)] = text.encode() if tag == CHARSET else b""
        elif item.value:
            elements[int(tag)] = bytes(item.value)
    if SOP_CLASS not in elements:
        media = value(getattr(ds, "file_meta", Dataset()), "MediaStorageSOPClassUID")
        elements[SOP_CLASS] = media.encode() if isinstance(media, str) else b""
    return header_from(path, elements, syntax=syntax, little=syntax != BIG_ENDIAN)


def syntax_of(ds: Dataset) -> str:
    """The transfer syntax UID; where the file does not say, the plain one that its elements are written in."""
    stated = value(getattr(ds, "file_meta", Dataset()), "TransferSyntaxUID")
    if stated:
        return str(stated)
    implicit, little = ds.original_encoding
    return BIG_ENDIAN if little is False else IMPLICIT if implicit else EXPLICIT


def open_dataset(path: Path, *, pixels: bool) -> FileDataset:
    """Parse a file with pydicom.

    Raises
    ------
    ReadError
        If the file cannot be opened, is no DICOM file, or pydicom cannot parse it.
    """
    try:
        with quiet(), _Bounded(path) as file:
            head = file.read(4096)
            file.seek(0)
            if head[128:132] != b"DICM" and head[:2] not in _STARTS:
                raise ReadError(path, f"{NOT_DICOM}: it has neither the mark DICM nor a first element like one")
            if _DEFLATED in head:
                _refuse_bomb(path, file)
            ds = dcmread(file, stop_before_pixels=not pixels, force=True)
            _ = ds.original_encoding, syntax_of(ds)
            return ds
    except MedlocError:
        raise
    except Exception as error:  # whatever a damaged file makes pydicom do
        raise ReadError(path, f"the file is damaged, or no DICOM file: {why(error)}") from error


def value(ds: Dataset, keyword: str) -> Any:
    """An element's value, or None if it is missing, empty, or cannot be converted."""
    try:
        with quiet():
            found = ds.get(keyword)
    except Exception:  # pydicom converts on access, and a damaged value raises all kinds of errors
        return None
    return None if found is None or found == "" else found


def why(error: BaseException) -> str:
    """An error of another library in one short line."""
    if isinstance(error, FileNotFoundError):
        return "there is no such file"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    text = " ".join(str(error).split())
    return f"{type(error).__name__}: {text[:160]}" if text else type(error).__name__


@contextmanager
def quiet() -> Iterator[list[warnings.WarningMessage]]:
    """Collect warnings instead of showing them, and keep pydicom from repeating them in the log.

    Filters of warnings belong to the whole process, so one thread at a time is inside.
    """
    log = logging.getLogger("pydicom")
    with _LOCK, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        before, log.propagate = log.propagate, False
        try:
            yield caught
        finally:
            log.propagate = before


class _Bounded(io.BufferedReader):
    """A file that never reserves memory for more bytes than it has left, whatever length it is asked for."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.FileIO(os.fspath(path)))
        self._size = os.fstat(self.fileno()).st_size

    def read(self, size: int | None = -1, /) -> bytes:
        left = max(self._size - self.tell(), 0)
        return super().read(left if size is None or size < 0 else min(size, left))


def _refuse_bomb(path: Path, file: io.BufferedReader) -> None:
    """Unpack a deflated file piece by piece, keeping nothing, and raise if it is too large to unpack at once."""
    data = file.read()
    file.seek(0)
    if len(data) * _BEST_DEFLATE <= MAX_INFLATED:
        return
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    total, rest = 0, data[file_meta(data)[0] :]
    while rest and not unpacker.eof:
        total += len(unpacker.decompress(rest, 1 << 20))
        rest = unpacker.unconsumed_tail
        if total > MAX_INFLATED:
            raise ReadError(
                path, f"its deflated data set unpacks to more than {MAX_INFLATED >> 20} MiB; unpack it first"
            )
